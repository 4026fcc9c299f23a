// SPDX-License-Identifier: Apache-2.0
// What the assembly versions of sw_taps_*_s16_cpu share: the layout of sw_unpack_t on the MSP430 (checked in
// sw_weights.c) and its registers: r4 out, r5 count, r6 weights (20 bits), r8 offset, r9 previous, r10 left,
// r11 rows, r13 kernel_w, r14 row_skip; r12 points to the struct, r15 is free.
#ifndef SW_UNPACK_H
#define SW_UNPACK_H

#define UNPACK_OUT 0
#define UNPACK_COUNT 2
#define UNPACK_WEIGHTS 4
#define UNPACK_DELTAS 8
#define UNPACK_OFFSET 12
#define UNPACK_PREVIOUS 14
#define UNPACK_LEFT 16
#define UNPACK_ROWS 18
#define UNPACK_KERNEL_W 20
#define UNPACK_KERNEL_H 22
#define UNPACK_ROW_SKIP 24
#define UNPACK_PLANE_SKIP 26

#ifdef __ASSEMBLER__
    .macro UNPACK_LOAD
    mov UNPACK_OUT(r12), r4
    mov UNPACK_COUNT(r12), r5
    MOVA_LOAD UNPACK_WEIGHTS, r12, r6
    mov UNPACK_OFFSET(r12), r8
    mov UNPACK_PREVIOUS(r12), r9
    mov UNPACK_LEFT(r12), r10
    mov UNPACK_ROWS(r12), r11
    mov UNPACK_KERNEL_W(r12), r13
    mov UNPACK_ROW_SKIP(r12), r14
    .endm
    .macro UNPACK_STORE
    mov r4, UNPACK_OUT(r12)
    mov r5, UNPACK_COUNT(r12)
    MOVA_STORE r6, UNPACK_WEIGHTS, r12
    mov r8, UNPACK_OFFSET(r12)
    mov r9, UNPACK_PREVIOUS(r12)
    mov r10, UNPACK_LEFT(r12)
    mov r11, UNPACK_ROWS(r12)
    .endm
/* out->delta = offset - previous; out->weight = *weights++; previous = offset; out++ */
    .macro UNPACK_WRITE
    mov r8, r15
    sub r9, r15
    mov r15, 0(r4)
    mov r8, r9
    MOVXP_IDX r6, 2, r4
    add #4, r4
    .endm
/* the window position moves to the next row of the kernel, or of the next channel's */
    .macro UNPACK_NEXT_ROW
    add r13, r10
    add r14, r8
    dec r11
    jnz .Lsame_plane\@
    mov UNPACK_KERNEL_H(r12), r11
    add UNPACK_PLANE_SKIP(r12), r8
.Lsame_plane\@:
    .endm
#endif

#endif
