// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

uint16_t sw_argmax_s16_cpu(const int16_t *x, uint16_t count) {
    uint16_t best = 0;
    for (uint16_t i = 1; i < count; i++) {
        if (x[i] > x[best]) best = i;
    }
    return best;
}
