// SPDX-License-Identifier: Apache-2.0
// Reset to main, and the vectors of the probe: LEA (index 18) and Timer_A0 CCR0 (45).
#include "sw_start.inc"

    .globl probe_done
    .type probe_done, @function
probe_done:
_unexpected:
    bis #0x00F0, r2 // LPM4, interrupts off
    jmp _unexpected

    .section .vectors, "a", @progbits
    .rept 18
    .word _unexpected
    .endr
    .word probe_lea_interrupt // 18
    .rept 26
    .word _unexpected
    .endr
    .word probe_timer_interrupt // 45
    .rept 9
    .word _unexpected
    .endr
    .word _start
