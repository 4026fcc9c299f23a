// SPDX-License-Identifier: Apache-2.0
#include "sw_index.h"

void sw_taps_dense_s8_cpu(sw_unpack_t *u) {
    for (; u->count > 0; u->count--) {
        sw_unpack_advance(u, 1);
        sw_unpack_write(u, u->offset, (int8_t)sw_load_u8(u->weights));
        u->weights += 1;
    }
}
