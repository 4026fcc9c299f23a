// SPDX-License-Identifier: Apache-2.0
// Finds rows in packed weights.
#include "sw_layers.h"
#include "sw_unpack.h"

#include <stddef.h>

// `>>` of a negative number must be arithmetic, as on every compiler for this chip and every common host.
SW_STATIC_ASSERT(arithmetic_shift, -3 >> 1 == -2);

#ifdef __MSP430__
// The assembly kernels rely on these offsets.
SW_STATIC_ASSERT(unpack_weights, offsetof(sw_unpack_t, weights) == UNPACK_WEIGHTS);
SW_STATIC_ASSERT(unpack_deltas, offsetof(sw_unpack_t, deltas) == UNPACK_DELTAS);
SW_STATIC_ASSERT(unpack_left, offsetof(sw_unpack_t, left) == UNPACK_LEFT);
SW_STATIC_ASSERT(unpack_plane_skip, offsetof(sw_unpack_t, plane_skip) == UNPACK_PLANE_SKIP);
SW_STATIC_ASSERT(dot, offsetof(sw_dot_t, weights) == 8 && offsetof(sw_dot_t, deltas) == 12);
SW_STATIC_ASSERT(conv_row, offsetof(sw_conv_row_t, init) == 10 && offsetof(sw_conv_row_t, acc) == 14);
SW_STATIC_ASSERT(requant, offsetof(sw_requant_t, hi) == 4);
SW_STATIC_ASSERT(pool, offsetof(sw_pool_t, multiplier) == 16 && offsetof(sw_pool_t, hi) == 22);
#endif

extern const uint16_t sw_level_count;

uint16_t sw_cursor_count(sw_cursor_t *cursor, const sw_packed_t *packed) {
    sw_addr_t at = cursor->counts;
    cursor->counts = at + packed->count_bytes;
    return packed->count_bytes == 1 ? sw_load_u8(at) : sw_load_u16(at);
}

void sw_cursor_reset(sw_cursor_t *cursor, const sw_packed_t *packed) {
    sw_addr_t blob = sw_blobs[packed->blob];
    cursor->row = 0;
    cursor->weights = blob;
    cursor->deltas = blob + packed->deltas;
    cursor->counts = blob + packed->counts;
}

void sw_cursor_seek(sw_cursor_t *cursor, const sw_packed_t *packed, uint16_t row) {
    if (row < cursor->row) sw_cursor_reset(cursor, packed);
    for (; cursor->row < row; cursor->row++) {
        uint16_t entries = packed->cols;
        if (packed->encoding == SW_CSR) {
            entries = 0;
            for (uint16_t k = 0; k < sw_level_count; k++) entries += sw_cursor_count(cursor, packed);
            cursor->deltas += entries;
        }
        cursor->weights += 2 * (uint32_t)entries;
    }
}
