// SPDX-License-Identifier: Apache-2.0
// void sw_gather_s16_cpu(const int16_t *x, const uint16_t *taps, int16_t *to, uint16_t count)
// 11 cycles an element, and FRAM's wait states.
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_gather_s16_cpu
    tst r15
    jz .Ldone
.Lnext:
    mov @r13+, r11
    add r12, r11
    mov @r11, 0(r14)
    incd r14
    dec r15
    jnz .Lnext
.Ldone:
    ret
