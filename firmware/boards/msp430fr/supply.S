// SPDX-License-Identifier: Apache-2.0
// The wait for ADC12_B.
#include "sw_msp430x.inc"

#define ADC12IER0 0x0812

// void sw_supply_wait(void)
// An interrupt of somebody else may end the sleep early: only ours clears ADC12IER0.
    FUNCTION sw_supply_wait
    push r2
.Lwait:
    dint
    nop
    tst &ADC12IER0
    jz .Ldone
    bis #0x0018, r2 // GIE | CPUOFF: LPM0
    nop
    jmp .Lwait
.Ldone:
    pop r2 // GIE as it was
    nop
    ret

    FUNCTION sw_adc12_isr
    clr &ADC12IER0
    bic #0x0010, 0(r1) // CPUOFF
    reti
