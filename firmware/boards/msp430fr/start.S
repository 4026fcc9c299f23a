// SPDX-License-Identifier: Apache-2.0
// Reset to main, sleep, and the vector table of an MSP430FR; device.h of the board numbers its vectors.
//
// 0xFF80-0xFF8F (JTAG, BSL and IPE signatures) are never emitted: a wrong value there locks a board.
#include "device.h"
#include "sw_start.inc"

// Vectors without a handler end here: asleep with interrupts off, until reset.
_unexpected:
    bis #0x00F0, r2 // LPM4: CPUOFF, OSCOFF, SCG0, SCG1
    jmp _unexpected

// void sw_board_wait(const volatile uint16_t *flag)
// The test is made with interrupts off, and GIE and CPUOFF are set by one instruction, so that an interrupt
// which sets the flag between test and sleep still wakes the CPU. sw_idle is where a simulator waits.
    FUNCTION sw_board_wait
    push r2
    .globl sw_idle
    .type sw_idle, @function
sw_idle:
    dint
    nop
    cmp #0, 0(r12)
    jnz .Lawake
    .globl sw_asleep
    .type sw_asleep, @function
sw_asleep: // nothing to do: where a simulator knows that a request is answered
    bis #0x0018, r2 // GIE | CPUOFF: LPM0
    nop
    jmp sw_idle
.Lawake:
    pop r2 // GIE as it was
    nop
    ret

    .weak sw_lea_isr // a model without LEA kernels has none
    .set sw_lea_isr, _unexpected
    .weak sw_dma_isr // a model without external memory has none
    .set sw_dma_isr, _unexpected

    .weak sw_port1_isr // an application's
    .set sw_port1_isr, _unexpected
    .weak sw_timer1_a0_isr
    .set sw_timer1_a0_isr, _unexpected
    .weak sw_adc12_isr // without supply.c
    .set sw_adc12_isr, _unexpected

    .weak sw_timer0_a1_isr
    .set sw_timer0_a1_isr, _unexpected

/* Vectors up to number `n`, which is `isr`'s. */
    .macro VECTOR n, isr
    .rept \n - vectors
    .word _unexpected
    .endr
    .word \isr
    .set vectors, \n + 1
    .endm

    .section .vectors, "a", @progbits
    .set vectors, 0
#ifdef VECTOR_LEA
    VECTOR VECTOR_LEA, sw_lea_isr
#endif
    VECTOR VECTOR_PORT1, sw_port1_isr
    VECTOR VECTOR_TIMER1_A0, sw_timer1_a0_isr
    VECTOR VECTOR_DMA, sw_dma_isr
    VECTOR VECTOR_TIMER0_A1, sw_timer0_a1_isr
    VECTOR VECTOR_ADC12, sw_adc12_isr
    VECTOR 55, _start // reset, 0xFFFE
