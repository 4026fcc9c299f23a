// SPDX-License-Identifier: Apache-2.0
// void sw_avgpool_s16_cpu(const int16_t *x, int16_t *y, const sw_pool_t *pool)
// The multiplier stays in MACS; each element written to OP2 adds element * multiplier to the 32-bit result.
// 49 cycles for a window of 2 x 2 with stride 2 and no multiplier, which has a loop of its own, about 80 and 11 for
// each element otherwise.
#include "sw_msp430x.inc"

#define X_PITCH 0
#define Y_PITCH 2
#define OUT_H 4
#define OUT_W 6
#define KERNEL_H 8
#define KERNEL_W 10
#define STRIDE_H 12
#define STRIDE_W 14
#define MULTIPLIER 16
#define SHIFT 18
#define LO 20
#define HI 22

    RAM_FUNCTION sw_avgpool_s16_cpu
    PUSHM_W 7, r10
    mov STRIDE_H(r14), &MPYS
    mov X_PITCH(r14), &OP2
    mov &RESLO, r11
    rla r11
    push r11 // 2(sp): bytes from one row of windows to the next
    mov OUT_H(r14), r11
    push r11 // 0(sp): rows left
    mov X_PITCH(r14), r10
    sub KERNEL_W(r14), r10
    rla r10 // bytes from the end of a window's row to its next row
    mov MULTIPLIER(r14), &MACS
    cmp #2, KERNEL_H(r14)
    jne .Lrow
    cmp #2, KERNEL_W(r14)
    jne .Lrow
    cmp #2, STRIDE_W(r14)
    jne .Lrow
    cmp #1, MULTIPLIER(r14)
    jne .Lrow
    cmp #2, SHIFT(r14)
    jeq .Lrow_2x2
.Lrow:
    mov r12, r4 // window
    mov r13, r9 // output
    mov OUT_W(r14), r8
.Lwindow:
    mov r4, r5
    mov #0, &RESLO
    mov #0, &RESHI
    mov KERNEL_H(r14), r7
.Lkernel_row:
    mov KERNEL_W(r14), r6
.Lelement:
    MOVP_ABS r5, OP2
    dec r6
    jnz .Lelement
    add r10, r5
    dec r7
    jnz .Lkernel_row
    mov &RESLO, r11
    mov &RESHI, r15
    mov SHIFT(r14), r6
    cmp #15, r6
    jeq .Lshift15
    tst r6
    jz .Lclip
.Lshift:
    rra r15
    rrc r11
    dec r6
    jnz .Lshift
    jmp .Lclip
.Lshift15: // a rounded multiplier can carry the mean just beyond int16
    cmp #-16384, r15
    jl .Llowest
    cmp #16384, r15
    jge .Lhighest
    rla r11
    rlc r15
    mov r15, r11
    jmp .Lclip
.Llowest:
    mov #-32768, r11
    jmp .Lclip
.Lhighest:
    mov #32767, r11
.Lclip:
    cmp LO(r14), r11
    jge .Lnot_below
    mov LO(r14), r11
.Lnot_below:
    cmp HI(r14), r11
    jl .Lnot_above
    mov HI(r14), r11
.Lnot_above:
    mov r11, 0(r9)
    incd r9
    add STRIDE_W(r14), r4
    add STRIDE_W(r14), r4
    dec r8
    jnz .Lwindow
    add 2(r1), r12
    add Y_PITCH(r14), r13
    add Y_PITCH(r14), r13
    dec 0(r1)
    jnz .Lrow
.Ldone:
    add #4, r1
    POPM_W 7, r10
    ret

.Lrow_2x2:
    mov LO(r14), r7
    mov HI(r14), r10
.Lnext_row_2x2:
    mov r12, r4 // upper row of the windows
    mov r12, r5 // lower row
    add X_PITCH(r14), r5
    add X_PITCH(r14), r5
    mov r13, r9 // output
    mov OUT_W(r14), r8
.Lwindow_2x2:
    mov #0, &RESLO
    mov #0, &RESHI
    MOVP_ABS r4, OP2
    MOVP_ABS r4, OP2
    MOVP_ABS r5, OP2
    MOVP_ABS r5, OP2
    mov &RESLO, r11
    mov &RESHI, r15
    rra r15
    rrc r11
    rra r15
    rrc r11
    cmp r7, r11
    jge .Lnot_below_2x2
    mov r7, r11
.Lnot_below_2x2:
    cmp r11, r10
    jge .Lnot_above_2x2
    mov r10, r11
.Lnot_above_2x2:
    mov r11, 0(r9)
    incd r9
    dec r8
    jnz .Lwindow_2x2
    add 2(r1), r12
    add Y_PITCH(r14), r13
    add Y_PITCH(r14), r13
    dec 0(r1)
    jnz .Lnext_row_2x2
    jmp .Ldone
