// SPDX-License-Identifier: Apache-2.0
// Reading an external FRAM, and what external.c can't say in C: 20-bit addresses for the DMA, sleep until it is done,
// and its interrupt.
#include "sw_msp430x.inc"

#define P6OUT 0x0243
#define CS 0x08
#define UCA3CTLW0 0x0620
#define UCA3BRW 0x0626
#define UCA3STATW 0x062A
#define UCA3RXBUF 0x062C
#define UCA3TXBUF 0x062E
#define UCA3IFG 0x063C
#define SPI_MASTER 0x6980 // external.c
#define UCBUSY 0x0001
#define UCTXIFG 0x0002
#define READ 0x03
#define DMA3CTL 0x0540
#define DMA3DA 0x0546
#define DMA3SZ 0x054A
#define DMA4CTL 0x0550
#define DMA4SA 0x0552
#define DMA4SZ 0x055A
#define DMAEN 0x0010
#define DMAIE_DMAIFG 0x000C
#define RX_TO_MEMORY 0x0CD0 // single transfers of bytes, destination counts up, DMAEN
#define TX_DUMMY 0x00D4     // single transfers of bytes, DMAEN, DMAIE

    .macro SEND byte
.Lsend\@:
    bit #UCTXIFG, &UCA3IFG
    jz .Lsend\@
    mov.b \byte, &UCA3TXBUF
    .endm

// Where `bytes` is: behind four registers and the return address.
#ifdef __MSP430X_LARGE__
#define BYTES 12
#else
#define BYTES 10
#endif

// void sw_external_read(sw_addr_t to, uint32_t address, uint16_t bytes): r13:r12, r15:r14, stack; about 190 cycles
// and 8 UCBRW for each byte. The DMA is prepared while the command is on the bus. `to` goes through the stack, the
// only way to join two registers to 20 bits.
    FUNCTION sw_external_read
    cmp #SPI_MASTER, &UCA3CTLW0
    jeq .Lready
    PUSHM_W 4, r15
    call #sw_external_set_up
    POPM_W 4, r15
.Lready:
    PUSHM_W 4, r15 // for another try
    bic.b #CS, &P6OUT
    SEND #READ
    push r13
    push r12
    SEND r15
    MOVA_LOAD 0, r1, r12
    add #4, r1
    MOVA_ABS r12, DMA3DA
    mov BYTES(r1), r13
    swpb r14
    SEND r14
    mov r13, &DMA3SZ
    dec r13
    mov r13, &DMA4SZ
    mov #UCA3BRW, &DMA4SA // what is sent during a read does not matter; this is no wait state away
    swpb r14
    SEND r14
.Lbusy:
    bit #UCBUSY, &UCA3STATW
    jnz .Lbusy
    mov.b &UCA3RXBUF, r12 // dropped: the next byte that is received is the first of data
    mov #RX_TO_MEMORY, &DMA3CTL
    tst r13
    jz .Lsingle
    mov #TX_DUMMY, &DMA4CTL
.Lsingle:
    mov.b #0, &UCA3TXBUF // starts the bus; the DMA sends the rest
    call #sw_external_wait
    bis.b #CS, &P6OUT
    tst r12
    jz .Lread
    POPM_W 4, r15
    jmp .Lready
.Lread:
    add #8, r1
    ret

// void sw_external_addresses(sw_addr_t rx_to, sw_addr_t tx_from): r13:r12 and r15:r14
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
    ret

// uint16_t sw_external_wait(void): sleeps until channel 4 has sent all, then waits for the last two bytes. Returns 1 if a
// byte was received before the one before it had been taken: an interrupt routine held the DMA off with an instruction
// longer than a byte. DMAEN is tested with interrupts off, and GIE and CPUOFF are set by one instruction, so that an
// interrupt in between still wakes the CPU.
    FUNCTION sw_external_wait
    push r2
.Lcheck:
    dint
    nop
    bit #DMAEN, &DMA4CTL
    jz .Lsent
    bis #0x0018, r2 // GIE | CPUOFF: LPM0, SMCLK and DMA go on
    nop
    jmp .Lcheck
.Lsent:
    mov #0, &DMA4CTL // a transfer that ended before the test left its interrupt pending
    pop r2 // GIE as it was
    clr r12
.Llast:
    bit #DMAEN, &DMA3CTL
    jz .Ldone
    bit #UCBUSY, &UCA3STATW
    jnz .Llast
    nop // the DMA takes the last byte
    nop
    nop
    bit #DMAEN, &DMA3CTL
    jz .Ldone
    mov #0, &DMA3CTL
    inc r12
.Ldone:
    ret

    FUNCTION sw_dma_isr
    bic #0x0010, 0(r1) // CPUOFF of the interrupted code
    bic #DMAIE_DMAIFG, &DMA4CTL
    reti
