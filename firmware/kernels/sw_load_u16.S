// SPDX-License-Identifier: Apache-2.0
// uint16_t sw_load_u16(sw_addr_t address): the address comes in r13:r12 and goes through the stack, the only
// way to join two registers to 20 bits.
#include "sw_msp430x.inc"

    FUNCTION sw_load_u16
    push r13
    push r12
    MOVA_LOAD 0, r1, r12
    add #4, r1
    MOVX_W r12, r12
    ret
