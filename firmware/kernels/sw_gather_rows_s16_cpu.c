// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_gather_rows_s16_cpu(const sw_gather_t *g) {
    int16_t *to = g->to;
    for (uint16_t i = 0; i < g->count; i++) {
        sw_addr_t row = g->x + g->taps[i];
        for (uint16_t y = 0; y < g->height; y++) {
            sw_addr_t x = row;
            for (uint16_t n = g->width; n > 0; n--, x += 2 * g->stride) *to++ = (int16_t)sw_load_u16(x);
            row += g->pitch;
        }
    }
}
