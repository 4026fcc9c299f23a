// SPDX-License-Identifier: Apache-2.0
// A relu or a clip that no other clip could absorb.
#include "sw_layers.h"

void sw_relu_prepare(const void *desc, uint16_t level) {
    (void)level;
    (void)desc;
}

void sw_relu_step(const void *desc, uint16_t step, uint16_t level) {
    (void)level;
    const sw_relu_t *layer = desc;
    const sw_image_t *y = &layer->y;
    sw_block_t block;
    sw_image_block(&layer->cut, y, step, &block);
    const int16_t *x = layer->x + (uint16_t)(block.channel * layer->x_plane) +
                       (uint16_t)(block.row * layer->x_pitch) + block.col;
    int16_t *out = sw_place_near(&y->data) + (uint16_t)(block.channel * y->plane) +
                   (uint16_t)(block.row * y->pitch) + block.col;
    for (uint16_t row = 0; row < block.rows; row++) {
        for (uint16_t i = 0; i < block.cols; i++) {
            int16_t v = x[i];
            if (v < layer->lo) v = layer->lo;
            if (v > layer->hi) v = layer->hi;
            out[i] = v;
        }
        x += layer->x_pitch;
        out += y->pitch;
    }
}
