// SPDX-License-Identifier: Apache-2.0
// Lines over eUSCI_A0: `TAG kind field ... *CRC`, fields in hex. The CRC-16 (polynomial 0x1021, start
// 0xFFFF) covers everything from the tag to the blank before `*`.
//
// Needs SMCLK at 16 MHz. 115200 baud: 16 MHz / 115200 = 138.9 = 16 * 8 + 10 (SLAU367, eUSCI_A baud-rate
// table).
#include "uart.h"

#define UCA0CTLW0 REG16(0x05C0)
#define UCA0BRW REG16(0x05C6)
#define UCA0MCTLW REG16(0x05C8)
#define UCA0STATW REG16(0x05CA)
#define UCA0TXBUF REG16(0x05CE)
#define UCA0IFG REG16(0x05DC)
#define P2SEL REG16(0x020A) // P1SEL0 low byte, P2SEL0 high byte
#define P2SEL1 REG16(0x020C)

#define UCSWRST 0x0001
#define UCSSEL_SMCLK 0x0080
#define UCTXIFG 0x0002
#define UCBUSY 0x0001
#define BRS_BRF_OS16 0xF7A1 // UCBRS = F7h, UCBRF = 10, UCOS16

static uint16_t crc;

void uart_setup(void) {
    UCA0CTLW0 = UCSWRST;
    UCA0CTLW0 = UCSSEL_SMCLK | UCSWRST;
    UCA0BRW = 8;
    UCA0MCTLW = BRS_BRF_OS16;
    P2SEL &= (uint16_t)~0x0300; // P2.0 UCA0TXD, P2.1 UCA0RXD: SEL1 = 1, SEL0 = 0
    P2SEL1 |= 0x0300;
    UCA0CTLW0 = UCSSEL_SMCLK;
}

static void send(char c) {
    while (!(UCA0IFG & UCTXIFG)) {
        // the byte before moves to the shift register
    }
    UCA0TXBUF = (uint8_t)c;
}

static void put(char c) {
    crc ^= (uint16_t)((uint8_t)c << 8);
    for (uint8_t i = 0; i < 8; i++) crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    send(c);
}

static void digits(uint16_t value) {
    for (int8_t shift = 12; shift >= 0; shift = (int8_t)(shift - 4))
        put("0123456789ABCDEF"[value >> shift & 15]);
}

void line_text(const char *text) {
    while (*text) put(*text++);
}

void line_begin(const char *kind) {
    crc = 0xFFFF;
    line_text(line_tag);
    put(' ');
    line_text(kind);
}

void line_hex(uint16_t value) {
    put(' ');
    digits(value);
}

void line_words(uint16_t address, uint16_t words) {
    for (uint16_t i = 0; i < words;) {
        uint16_t low = REG16(address + 4 * i), high = REG16(address + 4 * i + 2), count = 1;
        while (i + count < words && REG16(address + 4 * (i + count)) == low &&
               REG16(address + 4 * (i + count) + 2) == high)
            count++;
        put(i ? ',' : ' ');
        digits(high);
        digits(low);
        if (count > 1) {
            put('*');
            digits(count);
        }
        i = (uint16_t)(i + count);
    }
    if (words == 0) line_text(" -");
}

void line_end(void) {
    uint16_t sum = crc;
    send(' ');
    send('*');
    digits(sum);
    send('\r');
    send('\n');
    while (UCA0STATW & UCBUSY) {
        // nothing of the UART runs beside a measurement
    }
}
