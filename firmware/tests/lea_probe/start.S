// SPDX-License-Identifier: Apache-2.0
// Reset to main, and the vectors of the probe: LEA (index 18) and Timer_A0 CCR0 (45).
#include "sw_msp430x.inc"

#define WDTCTL 0x015C

    .section .init, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    mov #__stack_top, r1
    mov #0x5A80, &WDTCTL // WDTPW | WDTHOLD
    call #sw_board_init // 16 MHz, SMCLK = MCLK
    mov #__bss_start, r12
.Lclear:
    cmp #__bss_end, r12
    jhs .Lcleared
    clr 0(r12)
    incd r12
    jmp .Lclear
.Lcleared:
    mov #__data_load, r13
    mov #__data_start, r12
.Lcopy:
    cmp #__data_end, r12
    jhs .Lcopied
    MOVP_IDX r13, 0, r12
    incd r12
    jmp .Lcopy
.Lcopied:
    call #main
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
