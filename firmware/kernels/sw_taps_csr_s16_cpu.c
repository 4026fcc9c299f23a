// SPDX-License-Identifier: Apache-2.0
#include "sw_index.h"

void sw_taps_csr_s16_cpu(sw_unpack_t *u) {
    for (; u->count > 0; u->count--) {
        sw_unpack_advance(u, (int16_t)(sw_next_code(&u->codes, 15) + 1));
        sw_unpack_write(u, u->offset, (int16_t)sw_load_u16(u->weights));
        u->weights += 2;
    }
}
