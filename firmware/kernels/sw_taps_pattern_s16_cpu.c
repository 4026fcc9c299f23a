// SPDX-License-Identifier: Apache-2.0
#include "sw_index.h"

void sw_taps_pattern_s16_cpu(sw_unpack_t *u) {
    while (u->count > 0) {
        if (u->unit_left == 0) {
            uint16_t code = sw_next_code(&u->codes, u->unit);
            u->offset = (int16_t)(u->offset + u->row_skip);
            u->tap = u->patterns + u->patterns[code];
            u->unit_left = (uint16_t)(u->patterns[code + 1] - u->patterns[code]);
            continue;
        }
        sw_unpack_write(u, (int16_t)(u->offset + *u->tap), (int16_t)sw_load_u16(u->weights));
        u->tap++;
        u->unit_left--;
        u->weights += 2;
        u->count--;
    }
}
