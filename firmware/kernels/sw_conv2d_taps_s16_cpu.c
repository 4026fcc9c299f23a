// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_conv2d_taps_s16_cpu(const sw_conv_row_t *row) {
    for (uint16_t i = 0; i < row->count; i++) {
        const int16_t *x = row->x + (uint32_t)i * row->step / 2;
        int32_t acc = row->init[(uint32_t)i * row->init_step / 4];
        for (uint16_t t = 0; t < row->tap_count; t++) {
            x += row->taps[t].delta / 2;
            acc += (int32_t)row->taps[t].weight * *x;
        }
        row->acc[i] = acc;
    }
}
