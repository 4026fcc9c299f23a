// SPDX-License-Identifier: Apache-2.0
// void sw_fir_s16_lea(uint16_t x, uint16_t block)
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_fir_s16_lea
    mov r13, &LEAPMS1
    mov r12, &LEAPMS0
    mov #LEA_FIR | LEAITFLG1, &LEAPMCB // interrupt on completion
    ret
