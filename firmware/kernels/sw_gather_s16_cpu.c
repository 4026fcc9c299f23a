// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_gather_s16_cpu(const int16_t *x, const uint16_t *taps, int16_t *to, uint16_t count) {
    for (uint16_t i = 0; i < count; i++) to[i] = x[taps[i] / 2];
}
