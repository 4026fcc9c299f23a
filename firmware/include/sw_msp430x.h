// SPDX-License-Identifier: Apache-2.0
// Instructions that LLVM's assembler lacks (MSP430X, and MOV @Rn+ to memory), encoded after SLAU445 4.5.2 and
// 4.6.1; GNU as accepts the same text. Registers are written r0..r15. MPY32 registers: SLAU367, base 0x04C0.
#ifndef SW_MSP430X_H
#define SW_MSP430X_H

#define MPYS 0x04C2
#define MACS 0x04C6
#define OP2 0x04C8
#define RESLO 0x04CA
#define RESHI 0x04CC

    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .set R_r\n, \n
    .endr

/* mov.w @rS+, &abs16 */
    .macro MOVP_ABS s, abs
    .word 0x40B2 | (R_\s << 8), \abs
    .endm
/* mov.w @rS+, x(rD) */
    .macro MOVP_IDX s, x, d
    .word 0x40B0 | (R_\s << 8) | R_\d, \x
    .endm
/* movx.w @rS+, &abs16; rS holds 20 bits */
    .macro MOVXP_ABS s, abs
    .word 0x1840, 0x40B2 | (R_\s << 8), \abs
    .endm
/* movx.w @rS+, x(rD) */
    .macro MOVXP_IDX s, x, d
    .word 0x1840, 0x40B0 | (R_\s << 8) | R_\d, \x
    .endm
/* movx.b @rS+, rD */
    .macro MOVXP_B s, d
    .word 0x1840, 0x4070 | (R_\s << 8) | R_\d
    .endm
/* movx.b @rS, rD */
    .macro MOVX_B s, d
    .word 0x1840, 0x4060 | (R_\s << 8) | R_\d
    .endm
/* movx.w @rS, rD */
    .macro MOVX_W s, d
    .word 0x1840, 0x4020 | (R_\s << 8) | R_\d
    .endm
/* mova x(rS), rD: 20 bits from four bytes */
    .macro MOVA_LOAD x, s, d
    .word 0x0030 | (R_\s << 8) | R_\d, \x
    .endm
/* mova rS, x(rD) */
    .macro MOVA_STORE s, x, d
    .word 0x0070 | (R_\s << 8) | R_\d, \x
    .endm
/* pushm.w #n, rD pushes rD, rD-1, ...; popm.w #n, rD pops them */
    .macro PUSHM_W n, d
    .word 0x1500 | ((\n - 1) << 4) | R_\d
    .endm
    .macro POPM_W n, d
    .word 0x1700 | ((\n - 1) << 4) | ((R_\d - \n + 1) & 15)
    .endm

/* Code that runs from SRAM: no wait states, and FRAM's cache is left to the data. */
    .macro RAM_FUNCTION name
    .section .ramtext.\name, "ax", @progbits
    .balign 2
    .globl \name
    .type \name, @function
\name:
    .endm
    .macro FUNCTION name
    .section .text.\name, "ax", @progbits
    .balign 2
    .globl \name
    .type \name, @function
\name:
    .endm

#endif
