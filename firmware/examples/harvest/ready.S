// SPDX-License-Identifier: Apache-2.0
// The interrupt that announces a sample. It touches no register but the stacked SR.
#include "sw_msp430x.inc"

#define P1IFG 0x021C
#define TA0CTL 0x0340
#define TACLR 0x0004
#define LPM 0x00F0 /* CPUOFF, OSCOFF, SCG0, SCG1 */
#define READY 0x10

    FUNCTION sw_port1_isr
    bic.b #READY, &P1IFG
    bis #TACLR, &TA0CTL
    mov #1, &app_timed
    bic #LPM, 0(r1)
    reti
