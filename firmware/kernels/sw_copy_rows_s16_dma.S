// SPDX-License-Identifier: Apache-2.0
// void sw_copy_rows_s16_dma(const sw_rows_t *rows)
#include "sw_rows.inc"

    RAM_FUNCTION sw_copy_rows_s16_dma
    COPY_ROWS DMA_BLOCK
