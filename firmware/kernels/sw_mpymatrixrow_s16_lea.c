// SPDX-License-Identifier: Apache-2.0
#include "sw_lea.h"

void sw_mpymatrixrow_s16_lea(uint16_t row, uint16_t block) {
    const sw_lea_block_t *b = (const sw_lea_block_t *)(const void *)SW_LEA_ADDRESS(block);
    const int16_t *x = SW_LEA_ADDRESS(row);
    int16_t *y = SW_LEA_ADDRESS(b->result);
    for (uint16_t j = 0; j < b->col_size; j++) {
        const int16_t *m = SW_LEA_ADDRESS(b->matrix) + j;
        int32_t sum = 0;
        for (uint16_t i = 0; i < b->row_size; i++, m += b->col_size) sum += (int32_t)x[i] * *m;
        y[j] = (int16_t)(sum >> 15);
    }
}
