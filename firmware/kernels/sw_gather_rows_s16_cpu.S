// SPDX-License-Identifier: Apache-2.0
// void sw_gather_rows_s16_cpu(const sw_gather_t *gather)
// 11 cycles an element, and FRAM's wait states.
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_gather_rows_s16_cpu
    PUSHM_W 7, r10
    MOVA_LOAD 0, r12, r15 // x
    add #4, r12
    POINTER r12, r14 // taps
    mov @r12+, r13 // count
    POINTER r12, r11 // to
    mov @r12+, r9  // width
    mov @r12+, r8  // height
    mov @r12+, r7  // pitch
    mov @r12, r6   // stride
    rla r6
    decd r6 // what @r5+ leaves of a stride
    tst r13
    jz .Ldone
.Ltap:
    mov @r14+, r12
    ADDA r15, r12
    mov r8, r4
.Lrow:
    MOVA r12, r5
    mov r9, r10
.Lelement:
    MOVXP_IDX r5, 0, r11
    incd r11
    ADDA r6, r5
    dec r10
    jnz .Lelement
    ADDA r7, r12
    dec r4
    jnz .Lrow
    dec r13
    jnz .Ltap
.Ldone:
    POPM_W 7, r10
    ret
