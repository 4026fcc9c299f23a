// SPDX-License-Identifier: Apache-2.0
#include "sw_index.h"
#include "sw_layers.h"

void sw_skip_runs(sw_cursor_t *cursor, const sw_packed_t *packed, uint16_t runs) {
    uint16_t rest = (uint16_t)((1U << packed->word_shift) - 1);
    for (; runs > 0; runs--) {
        uint16_t count = sw_load_count(cursor->counts, packed->count_bytes, packed->cols);
        cursor->counts += packed->count_bytes;
        cursor->weights += (sw_addr_t)count * packed->weight_bytes;
        cursor->index += packed->run_bytes;
        if (rest) cursor->index += 2 * (sw_addr_t)((uint16_t)(count + rest) >> packed->word_shift);
    }
}
