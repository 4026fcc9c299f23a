// SPDX-License-Identifier: Apache-2.0
// Sleep in LPM3, and the two interrupts that end it. They touch no register but the stacked SR.
#include "sw_msp430x.inc"

#define P1IFG 0x021C
#define TA0CTL 0x0340
#define TACLR 0x0004
#define TA1CTL 0x0380
#define TA1CCTL0 0x0382
#define TA1CCR0 0x0392
#define TASSEL_ACLK_UP_CLEAR 0x0114
#define CCIE 0x0010
#define LPM 0x00F0 /* CPUOFF, OSCOFF, SCG0, SCG1 */
#define LPM3_GIE 0x00D8
#define READY 0x10

// void app_sleep(uint16_t ticks)
// What came since the caller looked is pending, GIE being clear: the sleep ends at once then.
    FUNCTION app_sleep
    tst r12
    jz .Lsleep
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
    ret

    FUNCTION sw_port1_isr
    bic.b #READY, &P1IFG
    bis #TACLR, &TA0CTL
    mov #1, &app_timed
    bic #LPM, 0(r1)
    reti

    FUNCTION sw_timer1_a0_isr
    bic #LPM, 0(r1)
    reti
