// SPDX-License-Identifier: Apache-2.0
// Steps that the portable versions of sw_taps_* and sw_dot_* share: codes of an index, counts, positions in a
// window.
#ifndef SW_INDEX_H
#define SW_INDEX_H

#include "sw_kernels.h"

// The next code under `mask`: 15 for four codes in a word (bits 3-0, 11-8, 7-4, 15-12), 255 for two (low byte
// first).
static inline uint16_t sw_next_code(sw_codes_t *codes, uint16_t mask) {
    if (codes->left == 0) {
        codes->word = sw_load_u16(codes->index);
        codes->index += 2;
        codes->left = mask == 15 ? 4 : 2;
    }
    uint16_t code = codes->word & mask;
    codes->word = (uint16_t)(codes->word >> 8 | codes->word << 8);
    if (--codes->left % 2 == 0) codes->word >>= 4;
    return code;
}

// A count of `bytes` 0, 1 or 2; `all` where none is stored.
static inline uint16_t sw_load_count(sw_addr_t at, uint16_t bytes, uint16_t all) {
    if (bytes == 0) return all;
    return bytes == 1 ? sw_load_u8(at) : sw_load_u16(at);
}

// The count of the next run.
static inline uint16_t sw_next_count(sw_dot_t *dot) {
    uint16_t count = sw_load_count(dot->counts, dot->count_bytes, dot->count);
    dot->counts += dot->count_bytes;
    return count;
}

// Moves `count` positions on, over the ends of kernel rows and channels.
static inline void sw_unpack_advance(sw_unpack_t *u, int16_t count) {
    u->offset = (int16_t)(u->offset + 2 * count);
    u->left = (int16_t)(u->left - count);
    while (u->left <= 0) {
        u->left = (int16_t)(u->left + u->kernel_w);
        u->offset = (int16_t)(u->offset + u->row_skip);
        if (--u->rows == 0) {
            u->rows = u->kernel_h;
            u->offset = (int16_t)(u->offset + u->plane_skip);
        }
    }
}

// Writes a tap at `offset`, unless its weight is 0: padding has done its work with the position.
static inline void sw_unpack_write(sw_unpack_t *u, int16_t offset, int16_t weight) {
    if (weight == 0) return;
    u->out->delta = (int16_t)(offset - u->previous);
    u->out->weight = weight;
    u->previous = offset;
    u->out++;
}

#endif
