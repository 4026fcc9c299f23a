// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

static int16_t max(int16_t a, int16_t b) {
    return a > b ? a : b;
}

void sw_clip_maxpool_2x2_s16_cpu(const sw_clip_t *c) {
    const int16_t *x = c->x;
    int16_t *y = c->y;
    for (uint16_t r = c->height; r > 0; r--) {
        const int16_t *below = x + c->x_pitch;
        for (uint16_t i = 0; i < c->width; i++) {
            int16_t v = max(x[2 * i], x[2 * i + 1]);
            v = max(v, max(below[2 * i], below[2 * i + 1]));
            if (v < c->lo) v = c->lo;
            if (v > c->hi) v = c->hi;
            y[i] = v;
        }
        x = below + c->x_pitch;
        y += c->y_pitch;
    }
}
