// SPDX-License-Identifier: Apache-2.0
// void sw_gather_rows_s16_dma(const sw_gather_t *gather)
// A block transfer for each run: 2.25 cycles a word from FRAM and about 20; the CPU stands still meanwhile.
// Block mode clears DMAEN at the end and reloads DMA0SZ, so a run needs two addresses and DMA0CTL (SLAU367,
// DMA Controller, Block Transfer).
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_gather_rows_s16_dma
    PUSHM_W 4, r10
    MOVA_LOAD 0, r12, r15 // x
    add #4, r12
    POINTER r12, r14 // taps
    mov @r12+, r13 // count
    POINTER r12, r11 // to
    mov @r12+, r9  // width
    mov @r12+, r8  // height
    mov @r12, r7   // pitch
    mov #DMA_BLOCK, r10
    mov #0, &DMACTL0
    mov r9, &DMA0SZ
    rla r9 // bytes of a run
    tst r13
    jz .Ldone
.Ltap:
    mov @r14+, r12
    ADDA r15, r12
    push r8
.Lrow:
    MOVA_ABS r12, DMA0SA
    mov r11, &DMA0DA
    mov r10, &DMA0CTL
    add r9, r11
    ADDA r7, r12
    dec r8
    jnz .Lrow
    pop r8
    dec r13
    jnz .Ltap
.Ldone:
    POPM_W 4, r10
    ret
