// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_dot_dense_s16_cpu(sw_dot_t *dot) {
    for (uint16_t i = 0; i < dot->count; i++) {
        dot->acc += (int32_t)(int16_t)sw_load_u16(dot->weights) * dot->x[i];
        dot->weights += 2;
    }
}
