// SPDX-License-Identifier: Apache-2.0
// void sw_add_s16_cpu(const sw_add_t *add)
// 37 cycles an element; 16 where both factors are 2^14 and 15 where they are 2^14 and 0, which have loops of their own;
// FRAM's wait states besides.
// r13, r14 and r15 hold 20-bit addresses: register indirect takes all of them, and an index from a base above 64 KB
// stays there (SLAU445 4.4.2, 4.4.4).
//
// Both loops end with the low 16 bits of a 17-bit result in r5 and its sign in N xor V. What is not negative is compared
// with hi as an unsigned number; what is negative is below lo if the unsigned r5 is at most lo - 1.
#include "sw_msp430x.inc"

#define A_SKIP 12
#define B_SKIP 14
#define Y_SKIP 16
#define WIDTH 18
#define HEIGHT 20
#define A_FACTOR 22
#define B_FACTOR 24
#define LO 26
#define HI 28

    RAM_FUNCTION sw_add_s16_cpu
    PUSHM_W 7, r10
    MOVA_LOAD 0, r12, r15 // a
    MOVA_LOAD 4, r12, r14 // b
    MOVA_LOAD 8, r12, r13 // y
    mov HEIGHT(r12), r5
    push r5 // 0(sp): rows left
    mov A_FACTOR(r12), r11
    mov B_FACTOR(r12), r10
    mov LO(r12), r9
    dec r9
    mov HI(r12), r8
    mov #2, r4
.Lrow:
    mov WIDTH(r12), r7
    cmp #0x4000, r11
    jne .Lelement
    cmp #0x4000, r10
    jeq .Lequal
    tst r10
    jz .Lalone
.Lelement:
    MOVP_ABS r15, MPYS
    mov r11, &OP2
    MOVP_ABS r14, MACS
    mov r10, &OP2
    mov &RESLO, r6
    mov &RESHI, r5
    add #0x2000, r6
    adc r5
    rla r6
    rlc r5 // fits: a sum is at least -2^30 and below 2^30
    rla r6
    rlc r5
    jl .Lnegative
    cmp r5, r8
    jhs .Lstore
    mov r8, r5
.Lstore:
    mov r5, 0(r13)
    ADDA r4, r13
    dec r7
    jnz .Lelement
.Lnext_row:
    mov A_SKIP(r12), r5
    ADDA r5, r15
    mov B_SKIP(r12), r5
    ADDA r5, r14
    mov Y_SKIP(r12), r5
    ADDA r5, r13
    dec 0(r1)
    jnz .Lrow
    incd r1
    POPM_W 7, r10
    ret
.Lnegative:
    cmp r5, r9
    jlo .Lstore
    mov r9, r5
    inc r5
    jmp .Lstore

.Lequal:
    mov @r15+, r5
    add @r14+, r5
    jl .Lequal_negative
    cmp r5, r8
    jhs .Lequal_store
    mov r8, r5
.Lequal_store:
    mov r5, 0(r13)
    ADDA r4, r13
    dec r7
    jnz .Lequal
    jmp .Lnext_row
.Lequal_negative:
    cmp r5, r9
    jlo .Lequal_store
    mov r9, r5
    inc r5
    jmp .Lequal_store

.Lalone:
    mov @r15+, r5
    tst r5
    jn .Lalone_negative
    cmp r5, r8
    jhs .Lalone_store
    mov r8, r5
.Lalone_store:
    mov r5, 0(r13)
    ADDA r4, r13
    dec r7
    jnz .Lalone
    jmp .Lnext_row
.Lalone_negative:
    cmp r5, r9
    jlo .Lalone_store
    mov r9, r5
    inc r5
    jmp .Lalone_store
