// SPDX-License-Identifier: Apache-2.0
#include "sw_index.h"

void sw_taps_bitmap_s16_cpu(sw_unpack_t *u) {
    while (u->count > 0) {
        if (u->codes.left == 0) {
            u->codes.word = sw_load_u8(u->codes.index);
            u->codes.index += 1;
            u->codes.left = 8;
        }
        sw_unpack_advance(u, 1);
        uint16_t present = u->codes.word & 1;
        u->codes.word >>= 1;
        u->codes.left--;
        if (!present) continue;
        sw_unpack_write(u, u->offset, (int16_t)sw_load_u16(u->weights));
        u->weights += 2;
        u->count--;
    }
}
