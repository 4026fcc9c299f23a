// SPDX-License-Identifier: Apache-2.0
// void sw_conv2d_taps_s16_cpu(const sw_conv_row_t *row)
// 10 cycles a tap (SLAU445 table 4-10: 2 + 4 + 4) + 3 per 8 taps; about 42 a window.
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_conv2d_taps_s16_cpu
    PUSHM_W 7, r10
    POINTER r12, r4 // x of this window
    mov @r12+, r5 // step
    mov @r12+, r6 // windows left
    POINTER r12, r7 // taps
    mov @r12+, r8 // tap_count, then whole blocks of 8
    POINTER r12, r9 // init
    mov @r12+, r10 // init_step
    mov @r12, r11 // acc
    // The first, partial block is entered so far before its end as tap_count % 8 taps need.
    mov r8, r12
    and #7, r12
    rla r12
    mov r12, r14
    rla r14
    rla r14
    add r14, r12
    mov #.Lblock_end, r13
    sub r12, r13
    rra r8
    rra r8
    rra r8
    tst r6
    jz .Ldone
.Lwindow:
    mov @r9, &RESLO
    mov 2(r9), &RESHI
    add r10, r9
    mov r4, r14
    mov r7, r15
    mov r8, r12
    br r13
.Lblock:
    .rept 8
    add @r15+, r14
    MOVP_ABS r15, MACS
    mov @r14, &OP2
    .endr
.Lblock_end:
    dec r12
    jge .Lblock
    mov &RESLO, 0(r11)
    mov &RESHI, 2(r11)
    add #4, r11
    add r5, r4
    dec r6
    jnz .Lwindow
.Ldone:
    POPM_W 7, r10
    ret
