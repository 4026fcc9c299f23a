// SPDX-License-Identifier: Apache-2.0
// Pooling: one channel a step.
#include "sw_layers.h"

void sw_pool_prepare(const void *desc, uint16_t level) {
    (void)level;
    const sw_pool_layer_t *layer = desc;
    sw_image_clear_border(&layer->y);
}

void sw_pool_step(const void *desc, uint16_t step, uint16_t level) {
    (void)level;
    const sw_pool_layer_t *layer = desc;
    layer->kernel(layer->x + (uint16_t)(step * layer->x_plane),
                  sw_place_near(&layer->y.data) + (uint16_t)(step * layer->y.plane), &layer->pool);
}
