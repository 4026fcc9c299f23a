// SPDX-License-Identifier: Apache-2.0
// uint32_t sw_mul_u16(uint16_t a, uint16_t b)
#include "sw_msp430x.inc"

    FUNCTION sw_mul_u16
    mov r12, &MPY
    mov r13, &OP2
    mov &RESLO, r12
    mov &RESHI, r13
    ret
