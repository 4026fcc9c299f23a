// SPDX-License-Identifier: Apache-2.0
// Pooling: a channel a step, or some of its windows.
#include "sw_layers.h"

void sw_pool_prepare(const void *desc, uint16_t level) {
    (void)level;
    (void)desc;
}

void sw_pool_step(const void *desc, uint16_t step, uint16_t level) {
    (void)level;
    const sw_pool_layer_t *layer = desc;
    sw_block_t block;
    sw_image_block(&layer->cut, &layer->y, step, &block);
    const int16_t *x = layer->x + (uint16_t)(block.channel * layer->x_plane);
    int16_t *y = sw_place_near(&layer->y.data) + (uint16_t)(block.channel * layer->y.plane);
    if (layer->cut.per_channel == 1) {
        layer->kernel(x, y, &layer->pool);
        return;
    }
    sw_pool_t pool = layer->pool;
    pool.out_h = block.rows;
    pool.out_w = block.cols;
    x += (uint16_t)((uint16_t)(block.row * pool.stride_h) * pool.x_pitch) +
         (uint16_t)(block.col * pool.stride_w);
    layer->kernel(x, y + (uint16_t)(block.row * pool.y_pitch) + block.col, &pool);
}
