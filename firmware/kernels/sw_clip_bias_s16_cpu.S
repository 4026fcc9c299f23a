// SPDX-License-Identifier: Apache-2.0
// void sw_clip_bias_s16_cpu(const sw_clip_t *clip)
// 15 to 17 cycles an element.
#include "sw_clip.inc"

    RAM_FUNCTION sw_clip_bias_s16_cpu
    mov 16(r12), r11 // bias
    CLIP_ARGUMENTS
    sub r8, r10
    rla r10 // bytes from the end of a row to the next
    sub r8, r9
    rla r9
.Lrow:
    mov r8, r12
.Lnext:
    mov @r15+, r13
    add r11, r13
    CLIP
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
