// SPDX-License-Identifier: Apache-2.0
// void sw_store_s16_dma(sw_addr_t to, const int16_t *from, uint16_t words)
// The counterpart of sw_fetch_s16_dma: the address comes in r13:r12, the source in r14, words in r15.
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_store_s16_dma
    push r13
    push r12
    MOVA_LOAD 0, r1, r13
    add #4, r1
    mov #0, &DMACTL0
    mov r14, &DMA0SA // clears bits 19:16
    MOVA_ABS r13, DMA0DA
    mov r15, &DMA0SZ
    mov #DMA_BLOCK, &DMA0CTL // the CPU stands still until the block is done
    ret
