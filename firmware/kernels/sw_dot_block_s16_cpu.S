// SPDX-License-Identifier: Apache-2.0
// void sw_dot_block_s16_cpu(sw_dot_t *dot)
// 9 cycles a weight + 3 per 8, about 55 a block; FRAM's wait states.
// r4 counts blocks of 8 products, r7 says where a run of weights enters them, r8 the codes left in r10, the word of gap
// codes; r9 is free. r11 and r13 hold 20-bit addresses.
#include "sw_dot.inc"

    RAM_FUNCTION sw_dot_block_s16_cpu
    DOT_BEGIN 7
.Lrun:
    DOT_RUN .Ldone
    clr r8
.Lunit:
    tst r15
    jz .Lrun
    tst r8
    jnz .Lcode
    MOVXP_W r11, r10
    mov #4, r8
.Lcode:
    mov r10, r9
    and #15, r9
    jz .Lplaced
.Lgap:
    add DOT_UNIT(r12), r14
    add DOT_UNIT(r12), r14
    dec r9
    jnz .Lgap
.Lplaced:
    swpb r10 // the next code, in the order 3-0, 11-8, 7-4, 15-12
    dec r8
    bit #1, r8
    jnz .Lswapped
    RRUM_W4 r10
.Lswapped:
    mov r15, r9
    sub DOT_UNIT(r12), r15
    jhs .Lwhole
    clr r15 // the last block of a row is short
    jmp .Lsized
.Lwhole:
    mov DOT_UNIT(r12), r9
.Lsized:
    // enter the first 8 products so far before their end as r9 % 8 products of 10 bytes need
    mov r9, r4
    and #7, r9
    rla r9
    mov r9, r7
    rla r7
    rla r7
    add r9, r7
    mov #.Lblock_end, r9
    sub r7, r9
    rra r4
    rra r4
    rra r4
    br r9
.Lblock:
    .rept 8
    WEIGHT_S16
    MOVP_ABS r14, OP2
    .endr
.Lblock_end:
    dec r4
    jge .Lblock
    jmp .Lunit
.Ldone:
    DOT_END 7
