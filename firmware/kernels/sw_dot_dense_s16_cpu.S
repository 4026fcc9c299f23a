// SPDX-License-Identifier: Apache-2.0
// void sw_dot_dense_s16_cpu(sw_dot_t *dot)
// 9 cycles a product (5 + 4) + 3 per 8, and FRAM's wait states for the weights. r13 holds a 20-bit address.
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_dot_dense_s16_cpu
    mov @r12, &RESLO
    mov 2(r12), &RESHI
    mov 4(r12), r14
    mov 6(r12), r15
    MOVA_LOAD 8, r12, r13
    // enter the first block so far before its end as count % 8 products of 10 bytes need
    push r10
    mov r15, r11
    and #7, r11
    rla r11
    mov r11, r10
    rla r10
    rla r10
    add r10, r11
    mov #.Lblock_end, r10
    sub r11, r10
    rra r15
    rra r15
    rra r15
    br r10
.Lblock:
    .rept 8
    MOVXP_ABS r13, MACS
    MOVP_ABS r14, OP2
    .endr
.Lblock_end:
    dec r15
    jge .Lblock
    mov &RESLO, 0(r12)
    mov &RESHI, 2(r12)
    MOVA_STORE r13, 8, r12
    pop r10
    ret
