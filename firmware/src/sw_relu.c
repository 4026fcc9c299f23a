// SPDX-License-Identifier: Apache-2.0
// A relu or a clip that no other clip could absorb.
#include "sw_layers.h"

void sw_relu_prepare(const void *desc, uint16_t level) {
    (void)level;
    const sw_relu_t *layer = desc;
    sw_image_clear_border(&layer->y);
}

void sw_relu_step(const void *desc, uint16_t step, uint16_t level) {
    (void)level;
    const sw_relu_t *layer = desc;
    const sw_image_t *y = &layer->y;
    const int16_t *x = layer->x + (uint16_t)(step * layer->x_plane);
    int16_t *first = sw_place_near(&y->data) + (uint16_t)(step * y->plane);
    for (uint16_t row = 0; row < y->height; row++) {
        int16_t *out = first + (uint16_t)(row * y->pitch);
        for (uint16_t i = 0; i < y->width; i++) {
            int16_t v = x[i];
            if (v < layer->lo) v = layer->lo;
            if (v > layer->hi) v = layer->hi;
            out[i] = v;
        }
        x += layer->x_pitch;
    }
}
