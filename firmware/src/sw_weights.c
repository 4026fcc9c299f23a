// SPDX-License-Identifier: Apache-2.0
// Finds rows in packed weights.
#include "sw_index.h"
#include "sw_layers.h"
#include "sw_offsets.h"

#include <stddef.h>

// `>>` of a negative number must be arithmetic, as on every compiler for this chip and every common host.
SW_STATIC_ASSERT(arithmetic_shift, -3 >> 1 == -2);

#ifdef __MSP430__
// The assembly kernels rely on these offsets.
SW_STATIC_ASSERT(unpack_weights, offsetof(sw_unpack_t, weights) == UNPACK_WEIGHTS);
SW_STATIC_ASSERT(unpack_index, offsetof(sw_unpack_t, codes.index) == UNPACK_INDEX);
SW_STATIC_ASSERT(unpack_word, offsetof(sw_unpack_t, codes.word) == UNPACK_WORD);
SW_STATIC_ASSERT(unpack_codes, offsetof(sw_unpack_t, codes.left) == UNPACK_CODES);
SW_STATIC_ASSERT(unpack_offset, offsetof(sw_unpack_t, offset) == UNPACK_OFFSET);
SW_STATIC_ASSERT(unpack_previous, offsetof(sw_unpack_t, previous) == UNPACK_PREVIOUS);
SW_STATIC_ASSERT(unpack_left, offsetof(sw_unpack_t, left) == UNPACK_LEFT);
SW_STATIC_ASSERT(unpack_rows, offsetof(sw_unpack_t, rows) == UNPACK_ROWS);
SW_STATIC_ASSERT(unpack_kernel_w, offsetof(sw_unpack_t, kernel_w) == UNPACK_KERNEL_W);
SW_STATIC_ASSERT(unpack_kernel_h, offsetof(sw_unpack_t, kernel_h) == UNPACK_KERNEL_H);
SW_STATIC_ASSERT(unpack_row_skip, offsetof(sw_unpack_t, row_skip) == UNPACK_ROW_SKIP);
SW_STATIC_ASSERT(unpack_plane_skip, offsetof(sw_unpack_t, plane_skip) == UNPACK_PLANE_SKIP);
SW_STATIC_ASSERT(unpack_unit, offsetof(sw_unpack_t, unit) == UNPACK_UNIT);
SW_STATIC_ASSERT(unpack_unit_left, offsetof(sw_unpack_t, unit_left) == UNPACK_UNIT_LEFT);
SW_STATIC_ASSERT(unpack_patterns, offsetof(sw_unpack_t, patterns) == UNPACK_PATTERNS);
SW_STATIC_ASSERT(unpack_tap, offsetof(sw_unpack_t, tap) == UNPACK_TAP);
SW_STATIC_ASSERT(dot, offsetof(sw_dot_t, weights) == DOT_WEIGHTS && offsetof(sw_dot_t, index) == DOT_INDEX);
SW_STATIC_ASSERT(dot_unit, offsetof(sw_dot_t, unit) == DOT_UNIT && offsetof(sw_dot_t, counts) == DOT_COUNTS);
SW_STATIC_ASSERT(dot_runs,
                 offsetof(sw_dot_t, count_bytes) == DOT_COUNT_BYTES && offsetof(sw_dot_t, runs) == DOT_RUNS);
SW_STATIC_ASSERT(packed, offsetof(sw_packed_t, weight_bytes) == 2 && offsetof(sw_packed_t, count_bytes) == 3);
SW_STATIC_ASSERT(packed_words, offsetof(sw_packed_t, word_shift) == 5 && offsetof(sw_packed_t, cols) == 8);
SW_STATIC_ASSERT(cursor, offsetof(sw_cursor_t, weights) == 2 && offsetof(sw_cursor_t, counts) == 10);
SW_STATIC_ASSERT(dot_x, offsetof(sw_dot_t, x) == DOT_X && offsetof(sw_dot_t, count) == DOT_COUNT);
SW_STATIC_ASSERT(clip, offsetof(sw_clip_t, bias) == CLIP_BIAS);
SW_STATIC_ASSERT(conv_row, offsetof(sw_conv_row_t, init) == 6 + 2 * sizeof(void *) &&
                               offsetof(sw_conv_row_t, acc) == 8 + 3 * sizeof(void *));
SW_STATIC_ASSERT(requant, offsetof(sw_requant_t, hi) == 4);
SW_STATIC_ASSERT(pool, offsetof(sw_pool_t, multiplier) == 16 && offsetof(sw_pool_t, hi) == 22);
#endif

extern const uint16_t sw_level_count;

uint16_t sw_run_count(const sw_packed_t *packed) {
    return packed->count_bytes ? sw_level_count : 1;
}

void sw_cursor_reset(sw_cursor_t *cursor, const sw_packed_t *packed) {
    sw_addr_t blob = sw_blobs[packed->blob];
    cursor->row = 0;
    cursor->weights = blob;
    cursor->index = blob + packed->index;
    cursor->counts = blob + packed->counts;
}

uint16_t sw_cursor_count(const sw_cursor_t *cursor, const sw_packed_t *packed) {
    return sw_load_count(cursor->counts, packed->count_bytes, packed->cols);
}

void sw_cursor_next(sw_cursor_t *cursor, const sw_packed_t *packed) {
    cursor->row++;
    if (!packed->shared) return;
    cursor->index = sw_blobs[packed->blob] + packed->index;
    cursor->counts = sw_blobs[packed->blob] + packed->counts;
}

void sw_cursor_seek(sw_cursor_t *cursor, const sw_packed_t *packed, uint16_t row) {
    uint16_t first = 0; // the last row before it whose place is listed
    if (packed->marks) first = (row >> packed->mark_shift) << packed->mark_shift;
    if (row < cursor->row || cursor->row < first) {
        sw_cursor_reset(cursor, packed);
        if (first) {
            const sw_mark_t *mark = &packed->marks[row >> packed->mark_shift];
            cursor->row = first;
            cursor->weights += mark->weights;
            cursor->index += mark->index;
            if (!packed->shared)
                cursor->counts += sw_mul_u16(first, sw_run_count(packed) * packed->count_bytes);
        }
    }
    while (cursor->row < row) {
        sw_skip_runs(cursor, packed, sw_run_count(packed));
        sw_cursor_next(cursor, packed);
    }
}
