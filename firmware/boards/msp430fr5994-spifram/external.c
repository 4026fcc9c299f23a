// SPDX-License-Identifier: Apache-2.0
// An FRAM of the CY15B10xQ kind on UCA3: P6.0 SIMO, P6.1 SOMI, P6.2 CLK, P6.3 chip select, as on the
// published boards with this memory (target.toml, [external]). Registers: msp430fr5994.h v1206.
//
// Bytes are moved by two DMA channels, so that the CPU can sleep: channel 3 takes what UCA3 received, channel
// 4 feeds it. Channel 3 goes first and needs fewer cycles than a byte on the bus, so no byte is overrun.
#include "sw_external.h"
#include "sw_kernels.h"

#define REG16(address) (*(volatile uint16_t *)(address))
#define REG8(address) (*(volatile uint8_t *)(address))

#define P6OUT REG8(0x0243)
#define P6DIR REG8(0x0245)
#define P6SEL0 REG8(0x024B)
#define UCA3CTLW0 REG16(0x0620)
#define UCA3BRW REG16(0x0626)
#define UCA3STATW REG16(0x062A)
#define UCA3RXBUF REG16(0x062C)
#define UCA3TXBUF REG16(0x062E)
#define UCA3IFG REG16(0x063C)
#define DMACTL1 REG16(0x0502)
#define DMACTL2 REG16(0x0504)
#define DMA3CTL REG16(0x0540)
#define DMA3SA REG16(0x0542)
#define DMA3SZ REG16(0x054A)
#define DMA4CTL REG16(0x0550)
#define DMA4DA REG16(0x0556)
#define DMA4SZ REG16(0x055A)

#define CS 0x08
#define SIMO_SOMI_CLK 0x07
// SPI mode 3 (UCCKPL), UCMSB, UCMST, UCSYNC, SMCLK
#define SPI_MASTER 0x6980
#define UCSWRST 0x0001
#define UCA3RXBUF_ADDRESS 0x062C
#define UCA3TXBUF_ADDRESS 0x062E
#define UCBUSY 0x0001
#define UCTXIFG 0x0002
#define DMA3TSEL_UCA3RX 0x1000
#define DMA3TSEL_MASK 0x1F00
#define DMA4TSEL_UCA3TX 0x0011
#define DMA4TSEL_MASK 0x001F
// single transfers of bytes: DMASRCBYTE, DMADSTBYTE
#define DMA_BYTES 0x00C0
#define DMA_EN 0x0010
#define DMA_IE 0x0004
#define DMASRCINCR_UP 0x0300

enum { WRITE = 0x02, WREN = 0x06 };

// external_dma.S: DMAxSA and DMAxDA take 20 bits, which C can't write.
void sw_external_addresses(sw_addr_t rx_to, sw_addr_t tx_from);
// Sleeps until all is sent; not 0 if a received byte was lost, which does not matter when writing.
uint16_t sw_external_wait(void);

void sw_external_set_up(void);

// Registers are at their reset values after a reboot: then reading and writing call this.
void sw_external_set_up(void) {
    P6OUT |= CS;
    P6DIR |= CS;
    P6SEL0 |= SIMO_SOMI_CLK;
    UCA3CTLW0 = SPI_MASTER | UCSWRST;
    UCA3BRW = sw_external_ucbrw;
    UCA3CTLW0 = SPI_MASTER;
    DMACTL1 = (DMACTL1 & (uint16_t)~DMA3TSEL_MASK) | DMA3TSEL_UCA3RX;
    DMACTL2 = (DMACTL2 & (uint16_t)~DMA4TSEL_MASK) | DMA4TSEL_UCA3TX;
    DMA3SA = UCA3RXBUF_ADDRESS; // a 16-bit write clears bits 19:16
    DMA4DA = UCA3TXBUF_ADDRESS;
}

static void send(uint8_t byte) {
    while (!(UCA3IFG & UCTXIFG)) {
    }
    UCA3TXBUF = byte;
}

// Waits for what was sent and drops what came back.
static void sent(void) {
    while (UCA3STATW & UCBUSY) {
    }
    (void)UCA3RXBUF;
}

void sw_external_write(uint32_t address, sw_addr_t from, uint16_t bytes) {
    uint8_t received;
    if (UCA3CTLW0 != SPI_MASTER) sw_external_set_up();
    P6OUT &= (uint8_t)~CS;
    send(WREN);
    sent();
    P6OUT |= CS; // the part sets its write enable when chip select rises
    P6OUT &= (uint8_t)~CS;
    send(WRITE);
    send((uint8_t)(address >> 16));
    send((uint8_t)(address >> 8));
    send((uint8_t)address);
    sent();
    sw_external_addresses((uintptr_t)&received, from + 1);
    DMA3SZ = bytes;
    DMA3CTL = DMA_BYTES | DMA_EN;
    if (bytes > 1) {
        DMA4SZ = bytes - 1;
        DMA4CTL = DMA_BYTES | DMA_EN | DMA_IE | DMASRCINCR_UP;
    }
    UCA3TXBUF = sw_load_u8(from); // starts the bus; the DMA sends the rest
    (void)sw_external_wait();
    P6OUT |= CS;
}
