// SPDX-License-Identifier: Apache-2.0
// void sw_zero_s16_dma(sw_addr_t to, uint16_t words)
// A block whose source stays at a zero in SRAM. The address comes in r13:r12, words in r14.
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_zero_s16_dma
    push r13
    push r12
    MOVA_LOAD 0, r1, r13
    add #4, r1
    mov #0, &DMACTL0
    mov #.Lzero, &DMA0SA // clears bits 19:16
    MOVA_ABS r13, DMA0DA
    mov r14, &DMA0SZ
    mov #DMA_BLOCK_FIXED_SOURCE, &DMA0CTL // the CPU stands still until the block is done
    ret
.Lzero:
    .word 0
