// SPDX-License-Identifier: Apache-2.0
// void sw_taps_pattern_s16_cpu(sw_unpack_t *unpack)
// r10 points to the next tap of the open kernel, r11 counts those that are left.
#include "sw_unpack.inc"

    FUNCTION sw_taps_pattern_s16_cpu
    UNPACK_LOAD
    mov UNPACK_TAP(r12), r10
    mov UNPACK_UNIT_LEFT(r12), r11
    tst r5
    jz .Ldone
.Lentry:
    tst r11
    jnz .Lwrite
    add UNPACK_ROW_SKIP(r12), r8
    tst r14
    jnz .Lcode
    MOVXP_W r7, r13
    mov #4, r14
    cmp #15, UNPACK_UNIT(r12)
    jeq .Lcode
    mov #2, r14
.Lcode:
    mov r13, r15
    and UNPACK_UNIT(r12), r15
    UNPACK_CODE_USED
    rla r15
    add UNPACK_PATTERNS(r12), r15
    mov @r15+, r10
    mov @r15, r11
    sub r10, r11
    rla r10
    add UNPACK_PATTERNS(r12), r10
    jmp .Lentry
.Lwrite:
    TAP_S16
    tst r15
    jz .Lzero
    mov r15, 2(r4)
    mov @r10, r15
    add r8, r15
    mov r15, 0(r4)
    sub r9, 0(r4)
    mov r15, r9
    add #4, r4
.Lzero:
    incd r10
    dec r11
    dec r5
    jnz .Lentry
.Ldone:
    mov r10, UNPACK_TAP(r12)
    mov r11, UNPACK_UNIT_LEFT(r12)
    mov UNPACK_LEFT(r12), r10
    mov UNPACK_ROWS(r12), r11
    UNPACK_STORE
