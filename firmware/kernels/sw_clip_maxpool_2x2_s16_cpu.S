// SPDX-License-Identifier: Apache-2.0
// void sw_clip_maxpool_2x2_s16_cpu(const sw_clip_t *clip)
// 31 to 36 cycles an output.
#include "sw_clip.inc"

    RAM_FUNCTION sw_clip_maxpool_2x2_s16_cpu
    CLIP_ARGUMENTS
    rla r10 // bytes of a row
    mov r10, r11
    sub r8, r11
    sub r8, r11
    sub r8, r11
    sub r8, r11
    add r10, r11
    push r11 // from the end of a row's windows to the row after the next
    sub r8, r9
    rla r9
.Lrow:
    mov r15, r11
    add r10, r11 // the row below
    mov r8, r12
.Lnext:
    mov @r15+, r13
    MAX r15
    MAX r11
    MAX r11
    CLIP
    mov r13, 0(r14)
    incd r14
    dec r12
    jnz .Lnext
    add @r1, r15
    add r9, r14
    dec r7
    jnz .Lrow
    incd r1
    POPM_W 7, r10
    ret
