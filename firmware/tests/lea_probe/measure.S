// SPDX-License-Identifier: Apache-2.0
// What must be exact to a cycle, in SRAM so that FRAM's wait states do not show: starting a command, sleeping in LPM0,
// reading the timer in the interrupt routine. Timer_A0 counts SMCLK = MCLK.
//
// The interrupt routines leave their reading in r11, which nothing else uses while interrupts are on.
#include "sw_msp430x.inc"

#define TA0CCTL0 0x0342
#define TA0R 0x0350
#define TA0CCR0 0x0352
#define LEAPMCB 0x0AD0
#define LEAIFG 0x0AF8
#define CCIE 0x0010
#define GIE_CPUOFF 0x0018

    .macro SLEEP
    bis #GIE_CPUOFF, r2
    nop
    dint
    nop
    .endm

/* uint16_t probe_run(uint16_t command) */
    RAM_FUNCTION probe_run
    mov &TA0R, r13
    mov r12, &LEAPMCB
    SLEEP
    mov r11, r12
    sub r13, r12
    ret

/* uint16_t probe_wake(uint16_t ticks): the routine's reading less the time at which the timer fired */
    RAM_FUNCTION probe_wake
    add &TA0R, r12
    mov r12, &TA0CCR0
    mov #CCIE, &TA0CCTL0
    SLEEP
    sub r12, r11
    mov r11, r12
    ret

/* uint16_t probe_load(uint16_t command, uint16_t address, uint16_t *end) */
    RAM_FUNCTION probe_load
    mov &TA0R, r15
    mov r12, &LEAPMCB
    .rept 64
    mov @r13, r12
    .endr
    mov &TA0R, r12
    SLEEP
    sub r15, r11
    mov r11, 0(r14)
    sub r15, r12
    ret

/* uint16_t probe_store(uint16_t command, uint16_t address, uint16_t *end) */
    RAM_FUNCTION probe_store
    mov &TA0R, r15
    mov r12, &LEAPMCB
    .rept 64
    mov r12, 0(r13)
    .endr
    mov &TA0R, r12
    SLEEP
    sub r15, r11
    mov r11, 0(r14)
    sub r15, r12
    ret

    RAM_FUNCTION probe_lea_interrupt
    mov &TA0R, r11
    mov &LEAIFG, &probe_flags
    mov #0x001F, &LEAIFG // write 1 to clear
    bic #GIE_CPUOFF, 0(r1)
    reti

    RAM_FUNCTION probe_timer_interrupt
    mov &TA0R, r11
    clr &TA0CCTL0
    bic #GIE_CPUOFF, 0(r1)
    reti

    .section .bss.probe_flags, "aw", @nobits
    .balign 2
    .globl probe_flags
probe_flags:
    .skip 2
