// SPDX-License-Identifier: Apache-2.0
// void sw_dot_csr_s16_cpu(sw_dot_t *dot)
// 14 cycles an entry (3 + 1 + 1 + 5 + 4) + 3 per 4 entries, and FRAM's wait states for weights and deltas.
// r11 and r13 hold 20-bit addresses.
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_dot_csr_s16_cpu
    PUSHM_W 2, r10
    mov @r12, &RESLO
    mov 2(r12), &RESHI
    mov 4(r12), r14
    mov 6(r12), r15
    MOVA_LOAD 8, r12, r13
    MOVA_LOAD 12, r12, r11
    // enter the first block so far before its end as count % 4 entries of 18 bytes need
    mov r15, r10
    and #3, r10
    rla r10
    mov r10, r9
    rla r9
    rla r9
    rla r9
    add r9, r10
    mov #.Lblock_end, r9
    sub r10, r9
    rra r15
    rra r15
    br r9
.Lblock:
    .rept 4
    MOVXP_B r11, r10
    add r10, r14
    add r10, r14
    MOVXP_ABS r13, MACS
    mov @r14, &OP2
    .endr
.Lblock_end:
    dec r15
    jge .Lblock
    mov &RESLO, 0(r12)
    mov &RESHI, 2(r12)
    MOVA_STORE r13, 8, r12
    MOVA_STORE r11, 12, r12
    POPM_W 2, r10
    ret
