// SPDX-License-Identifier: Apache-2.0
// Integer helpers that clang's MSP430 code calls (MSP430 EABI, SLAA534 section 6); GCC brings its own.
// Multiplications use MPY32 without masking interrupts: an interrupt routine must not touch MPY32.
#include "sw_msp430x.inc"

/* r12 * r13 -> r12 */
    FUNCTION __mspabi_mpyi
    mov r12, &0x04C0 // MPY
    mov r13, &OP2
    mov &RESLO, r12
    ret

/* r13:r12 * r15:r14 -> r13:r12 */
    FUNCTION __mspabi_mpyl
    mov r12, &0x04D0 // MPY32L
    mov r13, &0x04D2 // MPY32H
    mov r14, &0x04E0 // OP2L
    mov r15, &0x04E2 // OP2H starts
    mov &0x04E4, r12 // RES0
    mov &0x04E6, r13 // RES1
    ret

/* r13:r12 shifted by r14 */
    FUNCTION __mspabi_slll
    tst r14
    jz .Lsll_done
.Lsll:
    rla r12
    rlc r13
    dec r14
    jnz .Lsll
.Lsll_done:
    ret

    FUNCTION __mspabi_srll
    tst r14
    jz .Lsrl_done
.Lsrl:
    clrc
    rrc r13
    rrc r12
    dec r14
    jnz .Lsrl
.Lsrl_done:
    ret

    FUNCTION __mspabi_sral
    tst r14
    jz .Lsra_done
.Lsra:
    rra r13
    rrc r12
    dec r14
    jnz .Lsra
.Lsra_done:
    ret

/* unsigned r12 / r13: quotient r12, remainder r14; restoring division, one bit a round */
    FUNCTION sw_udivmod16
    clr r14
    mov #16, r15
.Ludm16:
    rla r12
    rlc r14
    cmp r13, r14
    jlo .Ludm16_skip
    sub r13, r14
    bis #1, r12
.Ludm16_skip:
    dec r15
    jnz .Ludm16
    ret

    FUNCTION __mspabi_divu
    call #sw_udivmod16
    ret

    FUNCTION __mspabi_remu
    call #sw_udivmod16
    mov r14, r12
    ret

/* signed: the quotient is negative if the signs differ, the remainder has the sign of the dividend */
    FUNCTION sw_sdivmod16
    mov r12, r11 // sign of the remainder
    push r11
    xor r13, 0(r1) // sign of the quotient
    tst r12
    jge .Lsdm16_n
    inv r12
    inc r12
.Lsdm16_n:
    tst r13
    jge .Lsdm16_d
    inv r13
    inc r13
.Lsdm16_d:
    call #sw_udivmod16
    tst r11
    jge .Lsdm16_r
    inv r14
    inc r14
.Lsdm16_r:
    pop r11
    tst r11
    jge .Lsdm16_q
    inv r12
    inc r12
.Lsdm16_q:
    ret

    FUNCTION __mspabi_divi
    call #sw_sdivmod16
    ret

    FUNCTION __mspabi_remi
    call #sw_sdivmod16
    mov r14, r12
    ret

/* unsigned r13:r12 / r15:r14: quotient r13:r12, remainder r15:r14 */
    FUNCTION sw_udivmod32
    push r10
    push r9
    clr r10 // remainder low
    clr r11 // remainder high
    mov #32, r9
.Ludm32:
    rla r12
    rlc r13
    rlc r10
    rlc r11
    cmp r15, r11
    jlo .Ludm32_skip
    jne .Ludm32_take
    cmp r14, r10
    jlo .Ludm32_skip
.Ludm32_take:
    sub r14, r10
    subc r15, r11
    bis #1, r12
.Ludm32_skip:
    dec r9
    jnz .Ludm32
    mov r10, r14
    mov r11, r15
    pop r9
    pop r10
    ret

    FUNCTION __mspabi_divul
    call #sw_udivmod32
    ret

    FUNCTION __mspabi_remul
    call #sw_udivmod32
    mov r14, r12
    mov r15, r13
    ret

    FUNCTION sw_sdivmod32
    push r13 // sign of the remainder
    mov r13, r11
    xor r15, r11
    push r11 // sign of the quotient
    tst r13
    jge .Lsdm32_n
    inv r12
    inv r13
    inc r12
    adc r13
.Lsdm32_n:
    tst r15
    jge .Lsdm32_d
    inv r14
    inv r15
    inc r14
    adc r15
.Lsdm32_d:
    call #sw_udivmod32
    pop r11
    tst r11
    jge .Lsdm32_q
    inv r12
    inv r13
    inc r12
    adc r13
.Lsdm32_q:
    pop r11
    tst r11
    jge .Lsdm32_r
    inv r14
    inv r15
    inc r14
    adc r15
.Lsdm32_r:
    ret

    FUNCTION __mspabi_divli
    call #sw_sdivmod32
    ret

    FUNCTION __mspabi_remli
    call #sw_sdivmod32
    mov r14, r12
    mov r15, r13
    ret
