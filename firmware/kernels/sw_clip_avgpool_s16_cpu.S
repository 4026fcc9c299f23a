// SPDX-License-Identifier: Apache-2.0
// void sw_clip_avgpool_s16_cpu(const sw_clip_t *clip)
// 50 to 58 cycles an output. With lo >= 0 a pair of elements fits 16 bits and the carry of two pairs is the
// 17th bit of their sum.
#include "sw_clip.inc"

/* r13 = clip(@from+) */
    .macro CLIP_NEXT from
    mov @\from+, r13
    CLIP
    .endm

    RAM_FUNCTION sw_clip_avgpool_s16_cpu
    CLIP_ARGUMENTS
    rla r10 // bytes of a row
    push r10
    push r8
.Lrow:
    mov r15, r11
    add 2(r1), r11 // the row below
    mov 0(r1), r8
    mov r14, r12
.Lnext:
    CLIP_NEXT r15
    mov r13, r4
    CLIP_NEXT r15
    add r13, r4
    CLIP_NEXT r11
    mov r13, r10
    CLIP_NEXT r11
    add r13, r10
    add r10, r4
    rrc r4
    clrc
    rrc r4
    mov r4, 0(r12)
    incd r12
    dec r8
    jnz .Lnext
    // r11 stands at the end of the lower row's windows; the next pair starts x_pitch rows below its start
    mov r11, r15
    sub 0(r1), r15
    sub 0(r1), r15
    sub 0(r1), r15
    sub 0(r1), r15
    add 2(r1), r15
    add r9, r14
    add r9, r14
    dec r7
    jnz .Lrow
    add #4, r1
    POPM_W 7, r10
    ret
