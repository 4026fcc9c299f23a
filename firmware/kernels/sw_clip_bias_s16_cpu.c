// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_clip_bias_s16_cpu(const sw_clip_t *c) {
    const int16_t *x = c->x;
    int16_t *y = c->y;
    for (uint16_t r = c->height; r > 0; r--) {
        for (uint16_t i = 0; i < c->width; i++) {
            int16_t v = (int16_t)(x[i] + c->bias);
            if (v < c->lo) v = c->lo;
            if (v > c->hi) v = c->hi;
            y[i] = v;
        }
        x += c->x_pitch;
        y += c->y_pitch;
    }
}
