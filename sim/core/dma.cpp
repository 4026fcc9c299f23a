// SPDX-License-Identifier: Apache-2.0
// Transfers and registers of the DMA controller (TI header msp430fr5994.h; SLAU367 DMA chapter).
//
// Modelled / Not modelled: see dma.h.
#include "dma.h"
#include "machine.h"

#include <algorithm>
#include <string>

namespace sw {

namespace {
constexpr uint16_t kReq = 1u << 0, kAbort = 1u << 1, kIe = 1u << 2, kIfg = 1u << 3, kEn = 1u << 4,
                   kLevel = 1u << 5;
constexpr uint16_t kSourceByte = 1u << 6, kDestinationByte = 1u << 7;

int mode(uint16_t ctl) {
    return (ctl >> 12) & 7;
} // 0 single 1 block 2,3 burst 4 rep. single 5 rep. block 6,7

int step(uint16_t ctl, int shift, bool byte) {
    static constexpr int kSign[4] = {0, 0, -1, 1};
    return kSign[(ctl >> shift) & 3] * (byte ? 1 : 2);
}

// Trigger numbers somebody raises (TI header msp430fr5994.h, DMAxTSEL).
bool modelled(int number) {
    return number <= 9 || (number >= 14 && number <= 19) || number == 27;
}
} // namespace

bool Dma::irq() const {
    for (const Channel &c : channel)
        if ((c.ctl & (kIe | kIfg)) == (kIe | kIfg)) return true;
    return false;
}

bool Dma::listens(int number) const {
    for (int i = 0; i < kChannels; ++i)
        if (number != 0 && (channel[i].ctl & kEn) && source(i) == number) return true;
    return false;
}

void Dma::trigger(Machine &m, int number, unsigned channels) {
    for (int i = 0; i < kChannels; ++i) {
        if (!(channels >> i & 1)) continue;
        if (!(channel[i].ctl & kEn) || source(i) != number || channel[i].left == 0) continue;
        requested = static_cast<uint8_t>(requested | (1u << i));
        m.attention();
    }
}

void Dma::transfer(Machine &m, Channel &c) {
    bool from_byte = c.ctl & kSourceByte, to_byte = c.ctl & kDestinationByte;
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

void Dma::finish(Channel &c) {
    c.ctl |= kIfg;
    c.latched = false;
    if (mode(c.ctl) < 4) {
        c.ctl &= static_cast<uint16_t>(~kEn);
    } else { // repeated modes reload and stay enabled
        c.now_source = c.source;
        c.now_destination = c.destination;
        c.left = c.size;
        c.latched = true;
    }
}

void Dma::run_channel(Machine &m, int index) {
    Channel &c = channel[index];
    if (resume_at == 0) m.n.cycles += kSyncCycles;
    uint32_t count = c.left; // block
    if (mode(c.ctl) == 0 || mode(c.ctl) == 4) count = 1;
    if (mode(c.ctl) == 2 || mode(c.ctl) == 3) count = std::min(c.left, 4u); // then two cycles for the CPU
    try {
        while (count--) transfer(m, c);
    } catch (Fault &f) {
        f.message = "DMA channel " + std::to_string(index) + ": " + f.message;
        throw;
    }
}

void Dma::service(Machine &m) {
    uint64_t start = m.n.cycles;
    m.in_dma = true;
    for (int i = 0; i < kChannels; ++i) { // channel 0 has the highest priority
        if (!(requested & (1u << i))) continue;
        requested = static_cast<uint8_t>(requested & ~(1u << i)); // its own accesses may trigger it again
        run_channel(m, i);
        Channel &c = channel[i];
        resume_at = 0;
        if (c.left == 0) {
            finish(c);
            if (!(c.ctl & kEn)) requested = static_cast<uint8_t>(requested & ~(1u << i));
        } else if (mode(c.ctl) == 2 || mode(c.ctl) == 3) {
            requested = static_cast<uint8_t>(requested | 1u << i);
            resume_at = m.n.cycles + 2;
            break;
        }
    }
    m.in_dma = false;
    m.n.dma_cycles += m.n.cycles - start;
}

uint16_t Dma::read(Machine &, uint32_t address) {
    if (address < 0x510) {
        switch (address) {
        case 0x500:
        case 0x502:
        case 0x504: return select[(address - 0x500) / 2];
        case 0x508: return 0;
        case 0x50E: // DMAIV: highest-priority flag with its interrupt enabled; reading clears it
            for (int i = 0; i < kChannels; ++i) {
                if ((channel[i].ctl & (kIe | kIfg)) != (kIe | kIfg)) continue;
                channel[i].ctl &= static_cast<uint16_t>(~kIfg);
                return static_cast<uint16_t>(2 * (i + 1));
            }
            return 0;
        default: raise(FaultKind::Unmodelled, address, "DMA has no modelled register at 0x%05X", address);
        }
    }
    Channel &c = channel[(address - 0x510) / 16];
    switch (address & 0xF) {
    case 0x0: return c.ctl;
    case 0x2: return static_cast<uint16_t>(c.source);
    case 0x4: return static_cast<uint16_t>(c.source >> 16);
    case 0x6: return static_cast<uint16_t>(c.destination);
    case 0x8: return static_cast<uint16_t>(c.destination >> 16);
    case 0xA: return static_cast<uint16_t>(c.latched ? c.left : c.size);
    default: raise(FaultKind::Unmodelled, address, "DMA has no modelled register at 0x%05X", address);
    }
}

void Dma::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    auto merge = [&](uint16_t old) { return static_cast<uint16_t>((old & ~lanes) | (value & lanes)); };
    if (address < 0x510) {
        if (address <= 0x504) {
            uint16_t &t = select[(address - 0x500) / 2];
            t = merge(t);
            m.reschedule();
            return;
        }
        if (address == 0x508 && merge(0) == 0) return;
        if (address == 0x50E) { // any write to DMAIV clears all pending flags
            for (Channel &c : channel) c.ctl &= static_cast<uint16_t>(~kIfg);
            return;
        }
        raise(FaultKind::Unmodelled, address, "DMA register 0x%05X written as 0x%04X is not modelled",
              address, value);
    }
    int index = static_cast<int>((address - 0x510) / 16);
    Channel &c = channel[index];
    if ((address & 0xF) != 0 && lanes != 0xFFFF)
        raise(FaultKind::Unmodelled, address, "byte write to DMA register 0x%05X; write words", address);
    switch (address & 0xF) {
    case 0x2: c.source = value; return; // a 16-bit write clears bits 19:16; the upper word follows
    case 0x4: c.source = (c.source & 0xFFFF) | static_cast<uint32_t>(value & 0xF) << 16; return;
    case 0x6: c.destination = value; return;
    case 0x8: c.destination = (c.destination & 0xFFFF) | static_cast<uint32_t>(value & 0xF) << 16; return;
    case 0xA: c.size = value; return;
    case 0x0: break;
    default: raise(FaultKind::Unmodelled, address, "DMA has no modelled register at 0x%05X", address);
    }
    for (Timer &t : m.timers) t.sync(m); // flags from before do not trigger
    c.ctl = static_cast<uint16_t>(merge(c.ctl));
    bool request = c.ctl & kReq;
    c.ctl &= static_cast<uint16_t>(~kReq); // clears itself
    if (c.ctl & kAbort) raise(FaultKind::Unmodelled, address, "DMAABORT is not modelled");
    if ((c.ctl & kIfg) && (c.ctl & kIe)) m.attention();
    if (!(c.ctl & kEn)) {
        c.latched = false;
        requested = static_cast<uint8_t>(requested & ~(1u << index));
        m.reschedule();
        return;
    }
    if ((c.ctl & kLevel) || mode(c.ctl) >= 6)
        raise(FaultKind::Unmodelled, address,
              "DMA%dCTL = 0x%04X: level triggers and repeated bursts are not modelled", index, c.ctl);
    if (!modelled(source(index)))
        raise(FaultKind::Unmodelled, address, "DMA channel %d enabled with trigger %d, which is not modelled",
              index, source(index));
    if (!c.latched) {
        c.now_source = c.source;
        c.now_destination = c.destination;
        c.left = c.size;
        c.latched = true;
    }
    m.reschedule();
    if (request) {
        if (c.left == 0)
            raise(FaultKind::Unmodelled, address, "DMA channel %d triggered with DMAxSZ = 0", index);
        requested = static_cast<uint8_t>(requested | (1u << index));
        m.attention();
    }
}

} // namespace sw
