// SPDX-License-Identifier: Apache-2.0
// What external.c can't say in C: 20-bit addresses for the DMA, sleep until it is done, and its interrupt.
#include "sw_msp430x.inc"

#define UCA3RXBUF 0x062C
#define UCA3TXBUF 0x062E
#define DMA3CTL 0x0540
#define DMA3SA 0x0542
#define DMA3DA 0x0546
#define DMA4SA 0x0552
#define DMA4DA 0x0556
#define DMAEN 0x0010
#define DMAIE_DMAIFG 0x000C

// void sw_external_addresses(sw_addr_t rx_to, sw_addr_t tx_from): r13:r12 and r15:r14; both go through the stack,
// the only way to join two registers to 20 bits.
    FUNCTION sw_external_addresses
    push r13
    push r12
    MOVA_LOAD 0, r1, r12
    MOVA_ABS r12, DMA3DA
    mov r15, 2(r1)
    mov r14, 0(r1)
    MOVA_LOAD 0, r1, r12
    MOVA_ABS r12, DMA4SA
    add #4, r1
    mov #UCA3RXBUF, &DMA3SA // a 16-bit write clears bits 19:16
    mov #UCA3TXBUF, &DMA4DA
    ret

// void sw_external_wait(void): returns when channel 3 is done. DMAEN is tested with interrupts off, and GIE and
// CPUOFF are set by one instruction, so that an interrupt in between still wakes the CPU.
    FUNCTION sw_external_wait
    push r2
.Lcheck:
    dint
    nop
    bit #DMAEN, &DMA3CTL
    jz .Ldone
    bis #0x0018, r2 // GIE | CPUOFF: LPM0, SMCLK and DMA go on
    nop
    jmp .Lcheck
.Ldone:
    mov #0, &DMA3CTL // a transfer that ended before the test left its interrupt pending
    pop r2 // GIE as it was
    nop
    ret

    FUNCTION sw_dma_isr
    bic #0x0010, 0(r1) // CPUOFF of the interrupted code
    bic #DMAIE_DMAIFG, &DMA3CTL
    reti
