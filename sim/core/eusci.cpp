// SPDX-License-Identifier: Apache-2.0
// Bytes, flags and their timing in eUSCI (TI header msp430fr5994.h; SLAU367 eUSCI_A and eUSCI_B).
//
// Modelled / Not modelled: see eusci.h. Registers: eusci_registers.cpp.
#include "eusci.h"
#include "machine.h"

namespace sw {

namespace {
// DMA trigger number of the receiver (the transmitter is the next one) and the channels that have it (TI
// header msp430fr5994.h, DMAxTSEL: UCB1 on channel 3, UCB2 on 4, UCB3 on 5).
constexpr uint8_t kTrigger[8] = {14, 16, 14, 16, 18, 18, 18, 18};
constexpr uint8_t kChannels[8] = {0x07, 0x07, 0x38, 0x38, 0x07, 0x08, 0x10, 0x20};
constexpr Irq kIrq[8] = {Irq::Uca0, Irq::Uca1, Irq::Uca2, Irq::Uca3,
                         Irq::Ucb0, Irq::Ucb1, Irq::Ucb2, Irq::Ucb3};
constexpr uint16_t kOverrun = 0x20, kError = 0x04;
} // namespace

const char *eusci_name(int id) {
    static const char *const names[8] = {"UCA0", "UCA1", "UCA2", "UCA3", "UCB0", "UCB1", "UCB2", "UCB3"};
    return names[id];
}

void Eusci::reset(int index) {
    std::vector<uint8_t> waiting = std::move(input);
    *this = Eusci{};
    id = static_cast<uint8_t>(index);
    input = std::move(waiting);
}

uint64_t Eusci::now(const Machine &m) const {
    return m.clocks.of(clock()).ticks(m.n.cycles);
}

// SPI: 8 * UCBRW. UART (SLAU367 eUSCI_A, baud-rate settings): per bit UCBR, or with oversampling
// 16 * UCBR + UCBRF, plus the modulation of that bit.
uint64_t Eusci::byte_ticks() const {
    if (spi()) return 8u * std::max<uint64_t>(brw, 1);
    int bits = 1 + (ctl & 0x1000 ? 7 : 8) + (ctl & 0x8000 ? 1 : 0) + (ctl & 0x0800 ? 2 : 1);
    uint64_t per_bit =
        mctl & 1 ? 16u * std::max<uint64_t>(brw, 1) + (mctl >> 4 & 15) : std::max<uint64_t>(brw, 1);
    uint64_t total = 0;
    for (int i = 0; i < bits; ++i) total += per_bit + (mctl >> (8 + i % 8) & 1);
    return total;
}

void Eusci::lines(Machine &m) {
    m.set_line(kIrq[id], (ie & ifg) != 0);
}

void Eusci::raise_flag(Machine &m, uint16_t flag) {
    bool edge = !(ifg & flag);
    ifg |= flag;
    lines(m);
    if (edge && !(ie & flag) && (flag & (kRx | kTx)))
        m.dma.trigger(m, kTrigger[id] + (flag == kTx ? 1 : 0), kChannels[id]);
}

void Eusci::load(Machine &m, uint64_t start) {
    shift = static_cast<uint8_t>(txbuf);
    tx_full = false;
    tx_busy = true;
    tx_end = start + byte_ticks();
    schedule(m);
    raise_flag(m, kTx);
}

void Eusci::store(Machine &m, uint8_t value) {
    if (ifg & kRx) stat |= kOverrun | kError;
    rxbuf = value;
    raise_flag(m, kRx);
}

void Eusci::sent(Machine &m) {
    uint64_t end = tx_end;
    tx_busy = false;
    if (spi()) {
        ++m.n.spi_bytes;
        uint8_t answer = m.spi_exchange(id, shift); // power may be cut in there
        store(m, stat & kListen ? shift : answer);
    } else {
        m.uart_log.push_back({id, shift, m.n.cycles, m.cs.time_s(m.n.cycles)});
        if (stat & kListen) store(m, shift);
    }
    if (tx_full)
        load(m, end);
    else if (!tx_busy && !spi()) // not reloaded by the DMA meanwhile
        raise_flag(m, kComplete);
}

void Eusci::listen(Machine &m, uint64_t start) {
    if (rx_busy || input.empty() || held() || spi() || is_b()) return;
    arriving = input.front();
    input.erase(input.begin());
    rx_busy = true;
    rx_end = start + byte_ticks();
    schedule(m);
}

void Eusci::receive(Machine &m, const std::vector<uint8_t> &bytes) {
    input.insert(input.end(), bytes.begin(), bytes.end());
    listen(m, now(m));
}

void Eusci::received(Machine &m) {
    uint64_t end = rx_end;
    rx_busy = false;
    store(m, ctl & 0x1000 ? arriving & 0x7F : arriving);
    listen(m, end);
}

void Eusci::schedule(Machine &m) {
    const Domain &d = m.clocks.of(clock());
    auto at = [&](bool busy, uint64_t end) { return busy ? d.cycle_of(end) : kNever; };
    m.schedule(static_cast<Ev>(static_cast<int>(Ev::Tx0) + id), at(tx_busy, tx_end));
    m.schedule(static_cast<Ev>(static_cast<int>(Ev::Rx0) + id), at(rx_busy, rx_end));
    lines(m);
}

} // namespace sw
