// SPDX-License-Identifier: Apache-2.0
// Transfers of the DMA controller (TI header msp430fr5994.h; SLAU367P chapter 11). Registers:
// dma_registers.cpp.
//
// Modelled / Not modelled: see dma.h.
#include "dma.h"
#include "dma_fields.h"
#include "machine.h"

#include <algorithm>
#include <string>

namespace sw {

namespace {

int step(uint16_t ctl, int shift, bool byte) {
    static constexpr int kSign[4] = {0, 0, -1, 1};
    return kSign[(ctl >> shift) & 3] * (byte ? 1 : 2);
}

} // namespace

void Dma::reset() {
    bool pin = pin_high; // the world outside goes on
    *this = Dma{};
    pin_high = pin;
}

bool Dma::irq() const {
    for (const Channel &c : channel)
        if ((c.ctl & (kDmaIe | kDmaIfg)) == (kDmaIe | kDmaIfg)) return true;
    return false;
}

void Dma::request(Machine &m, int index) {
    requested = static_cast<uint8_t>(requested | 1u << index);
    m.attention();
}

void Dma::drop(int index) {
    requested = static_cast<uint8_t>(requested & ~(1u << index));
    if (bursting != index) return;
    bursting = -1;
    resume_at = 0;
}

void Dma::trigger(Machine &m, int number, unsigned channels) {
    for (int i = 0; i < kChannels; ++i) {
        const Channel &c = channel[i];
        if (!(channels >> i & 1) || !(c.ctl & kDmaEn) || source(i) != number || c.left == 0) continue;
        if (!(c.ctl & kDmaAbort)) request(m, i);
    }
}

void Dma::pin(Machine &m, bool high) {
    bool rises = high && !pin_high;
    pin_high = high;
    if (rises) trigger(m, kPinTrigger); // also what a level trigger left over (11.2.3.2)
}

bool Dma::held(int index) const { // a level trigger is low (11.2.3.2)
    return (channel[index].ctl & kDmaLevel) && !pin_high;
}

void Dma::transfer(Machine &m, Channel &c) {
    bool from_byte = c.ctl & kDmaSourceByte, to_byte = c.ctl & kDmaDestinationByte;
    m.n.cycles += 2; // one read and one write cycle; FRAM waits are added by the accesses
    m.n.dma_words += 1;
    uint32_t v = from_byte ? m.read<Size::B>(c.now_source) : m.read<Size::W>(c.now_source);
    if (to_byte)
        m.write<Size::B>(c.now_destination, v & 0xFF);
    else
        m.write<Size::W>(c.now_destination, v); // byte to word clears the upper byte (SLAU367 DMA)
    c.now_source = (c.now_source + static_cast<uint32_t>(step(c.ctl, 8, from_byte))) & kAddressMask;
    c.now_destination = (c.now_destination + static_cast<uint32_t>(step(c.ctl, 10, to_byte))) & kAddressMask;
    --c.left;
}

void Dma::raise_flag(Machine &m, int index) {
    uint16_t &ctl = channel[index].ctl;
    bool rises = !(ctl & kDmaIfg);
    ctl |= kDmaIfg;
    // DMA0IFG triggers channel 1, DMA1IFG 2, DMA2IFG 0, and likewise 3 to 5 (table 11-2, TI header)
    if (rises) trigger(m, kFlagTrigger, 1u << (index / 3 * 3 + (index + 1) % 3));
}

void Dma::finish(Machine &m, int index) {
    Channel &c = channel[index];
    int mode = dma_mode(c.ctl);
    c.latched = false;
    if (mode < 4) {
        c.ctl &= static_cast<uint16_t>(~kDmaEn);
        drop(index);
    } else { // repeated modes reload and stay enabled
        c.now_source = c.source;
        c.now_destination = c.destination;
        c.left = c.size;
        c.latched = true;
    }
    raise_flag(m, index);
    if (mode < 4) listeners_changed(m);
}

// False: an NMI stopped it.
bool Dma::run_channel(Machine &m, int index) {
    Channel &c = channel[index];
    int mode = dma_mode(c.ctl);
    if (bursting != index) m.n.cycles += kSyncCycles;
    uint32_t count = mode == 0 || mode == 4 ? 1 : dma_bursts(mode) ? std::min(c.left, 4u) : c.left;
    try {
        while (count--) {
            transfer(m, c);
            if (!(control & kEnnmi)) continue;
            m.fire_due(); // time passes inside a block
            if (count > 0 && m.nmi_pending()) return false;
        }
    } catch (Fault &f) {
        f.message = "DMA channel " + std::to_string(index) + ": " + f.message;
        throw;
    }
    return true;
}

int Dma::next_channel() const { // transfers in progress are not halted by others (11.2.5)
    if (bursting >= 0) return bursting;
    for (int i = 0; i < kChannels; ++i) {
        int index = (first + i) % kChannels;
        if (requested >> index & 1) return index;
    }
    return -1;
}

void Dma::service(Machine &m) {
    int index = next_channel();
    if (held(index)) return drop(index);
    uint64_t start = m.n.cycles;
    Channel &c = channel[index];
    bool burst = dma_bursts(dma_mode(c.ctl));
    bool endless = burst && dma_mode(c.ctl) >= 6; // needs no further trigger
    if (!burst) drop(index);                      // before it runs: its own accesses may trigger it again
    m.in_dma = true;
    bool whole = run_channel(m, index);
    m.in_dma = false;
    m.n.dma_cycles += m.n.cycles - start;
    if (!whole) {
        c.ctl |= kDmaAbort;
        return drop(index);
    }
    bool done = c.left == 0;
    if (burst && (!done || endless)) {
        bursting = done ? -1 : static_cast<int8_t>(index);
        resume_at = m.n.cycles + 2;
    }
    if (done) finish(m, index);
    if ((control & kRoundRobin) && bursting < 0) first = static_cast<uint8_t>((index + 1) % kChannels);
    if (!done && (c.ctl & kDmaLevel) && !burst) request(m, index); // as long as the pin is high
}

} // namespace sw
