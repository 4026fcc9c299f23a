// SPDX-License-Identifier: Apache-2.0
// Registers of eUSCI_A (5C0, 5E0, 600, 620) and eUSCI_B (640, 680, 6C0, 700) (TI header msp430fr5994.h).
//
// Modelled / Not modelled: see eusci.h.
#include "eusci.h"
#include "machine.h"

namespace sw {

namespace {
enum Register : uint32_t { // offsets of eUSCI_A; those of B are mapped to them
    kCtl = 0x00,
    kCtl1 = 0x02,
    kBrw = 0x06,
    kMctl = 0x08,
    kStat = 0x0A,
    kRxBuf = 0x0C,
    kTxBuf = 0x0E,
    kIe = 0x1A,
    kIfg = 0x1C,
    kIv = 0x1E,
    kNone = 0xFF
};
} // namespace

uint32_t Eusci::offset(uint32_t address) const {
    uint32_t at = address & (is_b() ? 0x3F : 0x1F);
    if (!is_b()) return at;
    switch (at) {
    case 0x00:
    case 0x02:
    case 0x06:
    case 0x0C:
    case 0x0E: return at;
    case 0x08: return kStat;
    case 0x2A:
    case 0x2C:
    case 0x2E: return at - 0x10;
    default: return kNone;
    }
}

uint16_t Eusci::read(Machine &m, uint32_t address) {
    switch (offset(address)) {
    case kCtl: return ctl;
    case kCtl1: return 0x0003; // deglitch time, reset value
    case kBrw: return brw;
    case kMctl: return mctl;
    case kStat: return static_cast<uint16_t>(stat | (tx_busy || rx_busy ? 1 : 0));
    case kRxBuf:
        ifg &= static_cast<uint16_t>(~kRx);
        stat &= kListen;
        lines(m);
        return rxbuf;
    case kTxBuf: return txbuf;
    case kIe: return ie;
    case kIfg: return ifg;
    case kIv: {
        uint16_t due = ie & ifg;
        for (int bit = 0; bit < 4; ++bit) { // RX, TX, STT, TXCPT: 2, 4, 6, 8
            if (!(due >> bit & 1)) continue;
            ifg &= static_cast<uint16_t>(~(1u << bit));
            lines(m);
            return static_cast<uint16_t>(2 * (bit + 1));
        }
        return 0;
    }
    default:
        raise(FaultKind::Unmodelled, address, "%s register 0x%05X is not modelled", eusci_name(id), address);
    }
}

void Eusci::control(Machine &m, uint16_t value) {
    bool was_held = held();
    ctl = value;
    if (held()) { // UCSWRST: flags to their reset values, transfers abandoned (SLAU367 eUSCI initialisation)
        tx_busy = tx_full = rx_busy = false;
        ie = 0;
        ifg = kTx;
        stat &= kListen;
        return schedule(m);
    }
    bool bad = spi() ? (value & 0x0602) || !(value & 0x0800) || (value & 0x1000) : is_b() || (value & 0x263E);
    if (bad || (value >> 6 & 3) == 0)
        raise(FaultKind::Unmodelled, 0,
              "%sCTLW0 = 0x%04X: only UART (plain, LSB first) and 3-pin 8-bit SPI master from ACLK or SMCLK "
              "are "
              "modelled",
              eusci_name(id), value);
    if (was_held) listen(m, now(m));
    schedule(m);
}

void Eusci::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    auto merge = [&](uint16_t old) { return static_cast<uint16_t>((old & ~lanes) | (value & lanes)); };
    switch (offset(address)) {
    case kCtl: return control(m, merge(ctl));
    case kCtl1: return;
    case kBrw: brw = merge(brw); return;
    case kMctl: mctl = merge(mctl); return;
    case kStat: stat = static_cast<uint16_t>((stat & ~kListen) | (merge(stat) & kListen)); return;
    case kTxBuf:
        if (held())
            raise(FaultKind::Unmodelled, address,
                  "%sTXBUF written while UCSWRST is set; the byte would be lost", eusci_name(id));
        txbuf = static_cast<uint16_t>(value & 0xFF);
        ifg &= static_cast<uint16_t>(~kTx);
        if (tx_busy) {
            tx_full = true;
            return lines(m);
        }
        return load(m, now(m));
    case kIe:
        ie = merge(ie);
        if (ie & ~0x000F) raise(FaultKind::Unmodelled, address, "%sIE = 0x%04X", eusci_name(id), ie);
        return lines(m);
    case kIfg: {
        uint16_t v = merge(ifg), rising = static_cast<uint16_t>(v & ~ifg);
        ifg = static_cast<uint16_t>(v & ~rising);
        for (uint16_t bit = 1; bit <= kComplete; bit = static_cast<uint16_t>(bit << 1))
            if (rising & bit) raise_flag(m, bit);
        return lines(m);
    }
    case kRxBuf: return;
    case kIv: read(m, address); return; // a write clears like a read
    default:
        raise(FaultKind::Unmodelled, address, "%s register 0x%05X is not modelled", eusci_name(id), address);
    }
}

} // namespace sw
