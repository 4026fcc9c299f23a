// SPDX-License-Identifier: Apache-2.0
// void sw_requant15_s16_cpu(const int32_t *acc, int16_t *y, uint16_t count, const sw_requant_t *requant)
// 20 to 22 cycles an output.
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_requant15_s16_cpu
    PUSHM_W 2, r10
    mov 2(r15), r10 // lo
    mov 4(r15), r15 // hi
    tst r14
    jz .Ldone
.Lnext:
    mov @r12+, r9
    mov @r12+, r11
    rla r9
    rlc r11 // acc >> 15: fits, since |acc| < 2^30
    cmp r10, r11
    jge .Lnot_below
    mov r10, r11
.Lnot_below:
    cmp r11, r15
    jge .Lnot_above
    mov r15, r11
.Lnot_above:
    mov r11, 0(r13)
    incd r13
    dec r14
    jnz .Lnext
.Ldone:
    POPM_W 2, r10
    ret
