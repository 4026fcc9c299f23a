// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_maxpool_s16_cpu(const int16_t *x, int16_t *y, const sw_pool_t *pool) {
    for (uint16_t oy = 0; oy < pool->out_h; oy++) {
        const int16_t *window = x;
        for (uint16_t ox = 0; ox < pool->out_w; ox++) {
            const int16_t *row = window;
            int16_t best = window[0];
            for (uint16_t ky = 0; ky < pool->kernel_h; ky++) {
                for (uint16_t kx = 0; kx < pool->kernel_w; kx++) {
                    if (row[kx] > best) best = row[kx];
                }
                row += pool->x_pitch;
            }
            if (best < pool->lo) best = pool->lo;
            if (best > pool->hi) best = pool->hi;
            y[ox] = best;
            window += pool->stride_w;
        }
        x += (uint16_t)(pool->stride_h * pool->x_pitch);
        y += pool->y_pitch;
    }
}
