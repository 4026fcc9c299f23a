// SPDX-License-Identifier: Apache-2.0
#include "sw_index.h"

void sw_taps_block_s16_cpu(sw_unpack_t *u) {
    for (; u->count > 0; u->count--) {
        uint16_t skipped = 0;
        if (u->unit_left == 0) {
            skipped = (uint16_t)(sw_next_code(&u->codes, 15) * u->unit);
            u->unit_left = u->unit;
        }
        u->unit_left--;
        sw_unpack_advance(u, (int16_t)(skipped + 1));
        sw_unpack_write(u, u->offset, (int16_t)sw_load_u16(u->weights));
        u->weights += 2;
    }
}
