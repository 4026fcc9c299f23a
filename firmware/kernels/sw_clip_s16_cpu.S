// SPDX-License-Identifier: Apache-2.0
// void sw_clip_s16_cpu(const sw_clip_t *clip)
// 14 to 16 cycles an element.
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_clip_s16_cpu
    PUSHM_W 7, r10
    mov @r12+, r15 // x
    mov @r12+, r14 // y
    mov @r12+, r10 // x_pitch
    mov @r12+, r9  // y_pitch
    mov @r12+, r8  // width
    mov @r12+, r7  // height
    mov @r12+, r6  // lo
    mov @r12, r5   // hi
    sub r8, r10
    rla r10 // bytes from the end of a row to the next
    sub r8, r9
    rla r9
.Lrow:
    mov r8, r12
.Lnext:
    mov @r15+, r13
    cmp r6, r13
    jge .Lnot_below
    mov r6, r13
.Lnot_below:
    cmp r13, r5
    jge .Lnot_above
    mov r5, r13
.Lnot_above:
    mov r13, 0(r14)
    incd r14
    dec r12
    jnz .Lnext
    add r10, r15
    add r9, r14
    dec r7
    jnz .Lrow
    POPM_W 7, r10
    ret
