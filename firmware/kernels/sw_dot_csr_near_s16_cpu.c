// SPDX-License-Identifier: Apache-2.0
#include "sw_index.h"

void sw_dot_csr_near_s16_cpu(sw_dot_t *dot) {
    for (; dot->runs > 0; dot->runs--) {
        const int16_t *x = dot->x;
        sw_codes_t codes = {dot->index, 0, 0};
        for (uint16_t left = sw_next_count(dot); left > 0; left--) {
            x += sw_next_code(&codes, 15);
            dot->acc += (int32_t)(int16_t)sw_load_u16(dot->weights) * *x++;
            dot->weights += 2;
        }
        dot->index = codes.index;
    }
}
