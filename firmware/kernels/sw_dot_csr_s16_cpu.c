// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_dot_csr_s16_cpu(sw_dot_t *dot) {
    const int16_t *x = dot->x;
    for (uint16_t i = 0; i < dot->count; i++) {
        x += sw_load_u8(dot->deltas);
        dot->acc += (int32_t)(int16_t)sw_load_u16(dot->weights) * *x;
        dot->deltas += 1;
        dot->weights += 2;
    }
}
