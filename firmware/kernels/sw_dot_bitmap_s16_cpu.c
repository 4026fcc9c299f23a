// SPDX-License-Identifier: Apache-2.0
#include "sw_index.h"

void sw_dot_bitmap_s16_cpu(sw_dot_t *dot) {
    for (; dot->runs > 0; dot->runs--) {
        (void)sw_next_count(dot); // the bitmap says it too
        for (uint16_t i = 0; i < dot->unit; i++) {
            uint16_t present = sw_load_u8(dot->index);
            dot->index += 1;
            for (uint16_t bit = 0; bit < 8; bit++) {
                if (!(present >> bit & 1)) continue;
                dot->acc += (int32_t)(int16_t)sw_load_u16(dot->weights) * dot->x[8 * i + bit];
                dot->weights += 2;
            }
        }
    }
}
