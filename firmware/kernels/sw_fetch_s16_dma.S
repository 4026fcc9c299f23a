// SPDX-License-Identifier: Apache-2.0
// void sw_fetch_s16_dma(int16_t *to, sw_addr_t from, uint16_t words)
// 2.25 cycles a word (one wait state for each line of FRAM) and about 40. The address comes in r14:r13 and goes
// through the stack, the only way to join two registers to 20 bits; words in r15.
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_fetch_s16_dma
    push r14
    push r13
    MOVA_LOAD 0, r1, r13
    add #4, r1
    mov #0, &DMACTL0
    MOVA_ABS r13, DMA0SA
    mov r12, &DMA0DA // clears bits 19:16
    mov r15, &DMA0SZ
    mov #DMA_BLOCK, &DMA0CTL // the CPU stands still until the block is done
    ret
