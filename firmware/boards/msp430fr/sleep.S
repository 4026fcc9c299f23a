// SPDX-License-Identifier: Apache-2.0
// Sleep in LPM3, for an event or some ticks of ACLK: timer A1 and the VLO.
#include "sw_msp430x.inc"

#define CSCTL0_H 0x0161
#define CSKEY_H 0xA5
#define CSCTL2 0x0164
#define SELA 0x0700
#define SELA_VLO 0x0100
#define TA1CTL 0x0380
#define TA1CCTL0 0x0382
#define TA1CCR0 0x0392
#define TASSEL_ACLK_UP_CLEAR 0x0114
#define CCIE 0x0010
#define LPM 0x00F0 /* CPUOFF, OSCOFF, SCG0, SCG1 */
#define LPM3_GIE 0x00D8

// void sw_board_sleep(uint16_t ticks, const volatile uint16_t *event)
// The event is looked at with GIE clear, and GIE and the LPM bits are set by one instruction: what comes
// between is pending and ends the sleep at once.
    FUNCTION sw_board_sleep
    push r2
    dint
    nop
    tst r13
    jz .Lclock
    tst 0(r13)
    jnz .Lawake
.Lclock:
    tst r12
    jz .Lsleep
    mov.b #CSKEY_H, &CSCTL0_H
    bic #SELA, &CSCTL2
    bis #SELA_VLO, &CSCTL2
    clr.b &CSCTL0_H
    mov r12, &TA1CCR0
    mov #CCIE, &TA1CCTL0
    mov #TASSEL_ACLK_UP_CLEAR, &TA1CTL
.Lsleep:
    bis #LPM3_GIE, r2
    nop
    dint
    nop
    clr &TA1CTL
    clr &TA1CCTL0
.Lawake:
    pop r2 // GIE as it was
    nop
    ret

    FUNCTION sw_timer1_a0_isr
    bic #LPM, 0(r1)
    reti
