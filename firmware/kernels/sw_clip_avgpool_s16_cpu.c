// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

static uint16_t clip(int16_t v, const sw_clip_t *c) {
    if (v < c->lo) v = c->lo;
    if (v > c->hi) v = c->hi;
    return (uint16_t)v;
}

void sw_clip_avgpool_s16_cpu(const sw_clip_t *c) {
    const int16_t *x = c->x;
    int16_t *y = c->y;
    for (uint16_t r = c->height; r > 0; r--) {
        const int16_t *below = x + c->x_pitch;
        for (uint16_t i = 0; i < c->width; i++) {
            uint32_t sum = (uint32_t)clip(x[2 * i], c) + clip(x[2 * i + 1], c);
            sum += (uint32_t)clip(below[2 * i], c) + clip(below[2 * i + 1], c);
            y[i] = (int16_t)(sum >> 2);
        }
        x = below + c->x_pitch;
        y += c->y_pitch;
    }
}
