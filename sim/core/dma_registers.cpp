// SPDX-License-Identifier: Apache-2.0
// Registers of the DMA controller (TI header msp430fr5994.h; SLAU367P 11.3).
//
// Modelled / Not modelled: see dma.h.
#include "dma.h"
#include "dma_fields.h"
#include "machine.h"

namespace sw {

namespace {

// Trigger numbers that somebody raises (TI header msp430fr5994.h, DMAxTSEL).
bool modelled(int number) {
    return number <= 9 || (number >= 14 && number <= 19) || number == 26 || number == 27 ||
           number >= Dma::kMpyTrigger;
}

// Register of the peripheral behind a trigger that siblings lack; 0: all have it.
uint32_t owner(int number) {
    return number == 9 ? 0x7C0 : number == 27 ? 0xA80 : 0; // Timer_A4, LEA
}

} // namespace

void Dma::listeners_changed(Machine &m) {
    uint32_t now = 0;
    for (int i = 0; i < kChannels; ++i)
        if (channel[i].ctl & kDmaEn) now |= 1u << source(i);
    now &= ~1u;
    if (now == awaited) return;
    awaited = now;
    m.reschedule();
}

uint16_t Dma::read(Machine &, uint32_t address) {
    if (address < 0x510) {
        switch (address) {
        case 0x500:
        case 0x502:
        case 0x504: return select[(address - 0x500) / 2];
        case 0x508: return control;
        case 0x50E: // DMAIV: highest-priority flag with its interrupt enabled; reading clears it
            for (int i = 0; i < kChannels; ++i) {
                if ((channel[i].ctl & (kDmaIe | kDmaIfg)) != (kDmaIe | kDmaIfg)) continue;
                channel[i].ctl &= static_cast<uint16_t>(~kDmaIfg);
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

void Dma::write_select(Machine &m, uint32_t address, uint16_t value) {
    int pair = static_cast<int>(address - 0x500) / 2;
    uint16_t changed = static_cast<uint16_t>(select[pair] ^ value);
    for (int half = 0; half < 2; ++half)
        if ((channel[2 * pair + half].ctl & kDmaEn) && (changed >> (8 * half) & 0x1F))
            raise(FaultKind::Unmodelled, address,
                  "trigger of DMA channel %d selected while it is enabled, which SLAU367 11.2.3 calls "
                  "unpredictable; clear DMAEN first",
                  2 * pair + half);
    select[pair] = value;
    listeners_changed(m);
}

void Dma::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    auto merge = [&](uint16_t old) { return static_cast<uint16_t>((old & ~lanes) | (value & lanes)); };
    if (address < 0x510) {
        switch (address) {
        case 0x500:
        case 0x502:
        case 0x504: return write_select(m, address, merge(select[(address - 0x500) / 2]));
        case 0x508:
            control = merge(control) & 7;
            if (!(control & kRoundRobin)) first = 0;
            return;
        case 0x50E: // any write to DMAIV clears all pending flags
            for (Channel &c : channel) c.ctl &= static_cast<uint16_t>(~kDmaIfg);
            return;
        default:
            raise(FaultKind::Unmodelled, address, "DMA register 0x%05X written as 0x%04X is not modelled",
                  address, value);
        }
    }
    int index = static_cast<int>((address - 0x510) / 16);
    Channel &c = channel[index];
    if ((address & 0xF) != 0 && lanes != 0xFFFF)
        raise(FaultKind::Unmodelled, address, "byte write to DMA register 0x%05X; write words", address);
    switch (address & 0xF) {
    case 0x0: return write_control(m, index, address, merge(c.ctl));
    case 0x2: c.source = value; return; // a 16-bit write clears bits 19:16; the upper word follows
    case 0x4: c.source = (c.source & 0xFFFF) | static_cast<uint32_t>(value & 0xF) << 16; return;
    case 0x6: c.destination = value; return;
    case 0x8: c.destination = (c.destination & 0xFFFF) | static_cast<uint32_t>(value & 0xF) << 16; return;
    case 0xA: c.size = value; return;
    default: raise(FaultKind::Unmodelled, address, "DMA has no modelled register at 0x%05X", address);
    }
}

void Dma::check(const Machine &m, int index, uint32_t address) const {
    const Channel &c = channel[index];
    int number = source(index);
    if (!modelled(number))
        raise(FaultKind::Unmodelled, address, "DMA channel %d enabled with trigger %d, which is not modelled",
              index, number);
    if (owner(number) && m.is_absent(owner(number)))
        raise(FaultKind::Vacant, address, "DMA channel %d enabled with trigger %d: this device has no %s",
              index, number, peripheral_name(owner(number)));
    if ((c.ctl & kDmaLevel) && (number != kPinTrigger || dma_mode(c.ctl) >= 4))
        raise(FaultKind::Unmodelled, address,
              "DMA%dCTL = 0x%04X, trigger %d: level triggers work only with DMAE0 (31) and in modes that are "
              "not repeated (SLAU367 11.2.3.2)",
              index, c.ctl, number);
}

void Dma::write_control(Machine &m, int index, uint32_t address, uint16_t value) {
    Channel &c = channel[index];
    for (Timer &t : m.timers) t.sync(m); // flags from before do not trigger
    bool flagged = (value & kDmaIfg) && !(c.ctl & kDmaIfg);
    c.ctl = static_cast<uint16_t>(value & ~(kDmaReq | kDmaIfg)) | (c.ctl & value & kDmaIfg);
    if (flagged) raise_flag(m, index);
    if ((c.ctl & kDmaIfg) && (c.ctl & kDmaIe)) m.attention();
    if (!(c.ctl & kDmaEn)) {
        c.latched = false;
        drop(index); // also how a burst-block is stopped
        return listeners_changed(m);
    }
    check(m, index, address);
    if (!c.latched) {
        c.now_source = c.source;
        c.now_destination = c.destination;
        c.left = c.size;
        c.latched = true;
    }
    listeners_changed(m);
    bool level = (c.ctl & kDmaLevel) && pin_high && c.left > 0;
    if (!(value & kDmaReq) && !level) return;
    if (c.left == 0) raise(FaultKind::Unmodelled, address, "DMA channel %d triggered with DMAxSZ = 0", index);
    if (!(c.ctl & kDmaAbort)) request(m, index);
}

} // namespace sw
