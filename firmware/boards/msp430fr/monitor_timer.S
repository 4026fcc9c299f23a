// SPDX-License-Identifier: Apache-2.0
// The clock of monitor.c: timer A0 at SMCLK / 8, its rounds counted by an interrupt. Registers: msp430fr5994.h v1206.
#include "sw_msp430x.inc"

#define TA0CTL 0x0340
#define TA0R 0x0350
#define TASSEL_SMCLK_ID_8_MC_CONTINUOUS_TACLR_TAIE 0x02E6
#define MC 0x0030
#define TAIFG 0x0001

// void sw_monitor_start(void): interrupts are on afterwards
    FUNCTION sw_monitor_start
    clr &sw_monitor_rounds
    mov #TASSEL_SMCLK_ID_8_MC_CONTINUOUS_TACLR_TAIE, &TA0CTL
    nop
    eint
    nop
    ret

// uint32_t sw_monitor_stop(void): ticks since the start, interrupts are off afterwards
    FUNCTION sw_monitor_stop
    bic #MC, &TA0CTL
    dint
    nop
    mov &TA0R, r12
    mov &sw_monitor_rounds, r13
    bit #TAIFG, &TA0CTL // a round that ended since interrupts are off
    jz .Lcounted
    inc r13
.Lcounted:
    ret

    FUNCTION sw_timer0_a1_isr
    inc &sw_monitor_rounds
    bic #TAIFG, &TA0CTL
    reti

    .section .bss.sw_monitor_rounds, "aw", @nobits
    .balign 2
sw_monitor_rounds:
    .space 2
