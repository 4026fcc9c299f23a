// SPDX-License-Identifier: Apache-2.0
// Serial interfaces eUSCI_A0-A3 and eUSCI_B0-B3: UART (A) and SPI master (A and B).
//
// Modelled: UART with 7 or 8 bits, parity, one or two stop bits, bit timing with oversampling and both
//   modulations, loopback; SPI master, 3 pins, 8 bits, bit time UCBRW; double-buffered transmission, RXIFG,
//   TXIFG, TXCPTIFG, overrun, UCxIV, interrupts, DMA triggers; one log of everything a UART sent.
// Not modelled (raise): I2C, SPI slave and 4-pin modes, 7-bit SPI, UART multiprocessor, address and automatic
//   baud-rate modes, breaks, external clock, IrDA. Pin functions (PxSEL) are not checked.
// ASSUMPTION uart-modulation: bit i of a frame, start bit first, is one clock longer if UCBRS bit i mod 8 is
// set; the host sends back to back, at the configured rate, as soon as the receiver is out of reset.
// ASSUMPTION serial-start: a byte moves from the buffer to an idle shift register at once.
#pragma once

#include "clocks.h"
#include "irq.h"
#include <vector>

namespace sw {

struct Machine;

struct SerialByte { // one byte a UART sent, when its last stop bit ended
    uint8_t port, value;
    uint64_t cycle;
    double time_s;
};

struct Eusci {
    static constexpr uint16_t kRx = 1, kTx = 2, kComplete = 8; // UCxIFG
    static constexpr uint16_t kListen = 0x80;                  // UCxSTATW.UCLISTEN
    uint8_t id = 0;                                            // 0-3: A0-A3, 4-7: B0-B3
    uint16_t ctl = 1, brw = 0, mctl = 0, stat = 0, ie = 0, ifg = kTx, rxbuf = 0, txbuf = 0;
    uint8_t shift = 0, arriving = 0;
    bool tx_busy = false, tx_full = false, rx_busy = false;
    uint64_t tx_end = 0, rx_end = 0; // tick of the clock at which the byte is complete
    std::vector<uint8_t> input;      // bytes the host sends, oldest first

    void reset(int index);
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);
    void receive(Machine &m, const std::vector<uint8_t> &bytes); // from the host
    void sent(Machine &m);                                       // events
    void received(Machine &m);
    void schedule(Machine &m);
    bool uses(Clk c) const { return (tx_busy || rx_busy) && clock() == c; }
    bool is_b() const { return id >= 4; }
    bool spi() const { return ctl & 0x0100; }

  private:
    bool held() const { return ctl & 1; }
    Clk clock() const { return (ctl >> 6 & 3) == 1 ? Clk::Aclk : Clk::Smclk; }
    uint64_t now(const Machine &m) const;
    uint64_t byte_ticks() const;
    void load(Machine &m, uint64_t start);
    void listen(Machine &m, uint64_t start);
    void store(Machine &m, uint8_t value);
    void raise_flag(Machine &m, uint16_t flag);
    void control(Machine &m, uint16_t value);
    void lines(Machine &m);
    uint32_t offset(uint32_t address) const;
};

const char *eusci_name(int id);

} // namespace sw
