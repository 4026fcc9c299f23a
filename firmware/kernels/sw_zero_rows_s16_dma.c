// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_zero_rows_s16_dma(const sw_rows_t *r) {
    sw_addr_t to = r->to;
    for (uint16_t y = r->height; y > 0; y--, to += r->to_pitch) {
        int16_t *at = (int16_t *)(uintptr_t)to;
        for (uint16_t i = 0; i < r->width; i++) at[i] = 0;
    }
}
