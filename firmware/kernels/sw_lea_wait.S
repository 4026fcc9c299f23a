// SPDX-License-Identifier: Apache-2.0
// void sw_lea_wait(void)
// LEABUSY is tested with interrupts off, and GIE and CPUOFF are set by one instruction, so that a completion in
// between still wakes the CPU. Another interrupt may wake it too: then LEABUSY sends it back to sleep.
#include "sw_msp430x.inc"

    RAM_FUNCTION sw_lea_wait
    push r2
.Lcheck:
    dint
    nop
    bit #LEABUSY, &LEACNF1
    jz .Ldone
    bis #0x0018, r2 // GIE | CPUOFF: LPM0
    nop
    jmp .Lcheck
.Ldone:
    mov #LEAPMCMDIFG, &LEAIFG // cleared by writing 1; else it would end the next sleep at once
    pop r2 // GIE as it was
    nop
    ret

    RAM_FUNCTION sw_lea_isr
    mov #LEAPMCMDIFG, &LEAIFG
    bic #0x0010, 0(r1) // CPUOFF of the interrupted code
    reti
