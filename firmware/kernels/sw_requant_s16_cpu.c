// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_requant_s16_cpu(const int32_t *acc, int16_t *y, uint16_t count, const sw_requant_t *requant) {
    for (uint16_t i = 0; i < count; i++) {
        int32_t v = acc[i] >> requant->shift; // arithmetic on every compiler we accept (sw_weights.c)
        if (v < requant->lo) v = requant->lo;
        if (v > requant->hi) v = requant->hi;
        y[i] = (int16_t)v;
    }
}
