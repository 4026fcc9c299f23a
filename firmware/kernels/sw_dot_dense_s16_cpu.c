// SPDX-License-Identifier: Apache-2.0
#include "sw_index.h"

void sw_dot_dense_s16_cpu(sw_dot_t *dot) {
    for (; dot->runs > 0; dot->runs--) {
        uint16_t count = sw_next_count(dot);
        for (uint16_t i = 0; i < count; i++) {
            dot->acc += (int32_t)(int16_t)sw_load_u16(dot->weights) * dot->x[i];
            dot->weights += 2;
        }
    }
}
