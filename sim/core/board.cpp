// SPDX-License-Identifier: Apache-2.0
// Registers of SFR 0x100, PMM 0x120, RAMCTL 0x158, WDT_A 0x15C, SYS 0x180, ports 0x200-0x27F and PJ 0x320
// (TI header msp430fr5994.h).
//
// Modelled / Not modelled: see board.h.
#include "board.h"
#include "machine.h"

namespace sw {

namespace {

// WDTCTL (SLAU367 WDT_A): password 5Ah, reads 69h; WDTHOLD 7, WDTSSEL 6:5, WDTTMSEL 4, WDTCNTCL 3, WDTIS 2:0.
constexpr uint8_t kIntervalLog2[8] = {31, 27, 23, 19, 15, 13, 9, 6};

uint16_t merge(uint16_t old, uint16_t value, uint16_t lanes) {
    return static_cast<uint16_t>((old & ~lanes) | (value & lanes));
}

enum PortRegister {
    kIn = 0,
    kOut = 1,
    kDir = 2,
    kRen = 3,
    kSel0 = 5,
    kSel1 = 6,
    kIvOdd = 7,
    kSelc = 11,
    kIes = 12,
    kIe = 13,
    kIfg = 14,
    kIvEven = 15
};

uint16_t port_read(const uint16_t *p, int reg, uint32_t address) {
    switch (reg) {
    case kIn: return static_cast<uint16_t>(p[kOut] & (p[kDir] | p[kRen]));
    case kOut:
    case kDir:
    case kRen:
    case kSel0:
    case kSel1:
    case kSelc:
    case kIes:
    case kIe:
    case kIfg: return p[reg];
    case kIvOdd:
    case kIvEven: return 0;
    default: raise(FaultKind::Unmodelled, address, "port register 0x%05X does not exist", address);
    }
}

void port_write(uint16_t *p, int reg, uint32_t address, uint16_t value, uint16_t lanes) {
    switch (reg) {
    case kOut:
    case kDir:
    case kRen:
    case kSel0:
    case kSel1:
    case kIes:
    case kIfg: p[reg] = merge(p[reg], value, lanes); return;
    case kSelc: // complements both select bits where 1
        p[kSel0] ^= static_cast<uint16_t>(value & lanes);
        p[kSel1] ^= static_cast<uint16_t>(value & lanes);
        return;
    case kIe:
        if ((value & lanes) == 0) {
            p[kIe] = merge(p[kIe], value, lanes);
            return;
        }
        raise(FaultKind::Unmodelled, address,
              "port interrupt enabled at 0x%05X; GPIO interrupts are not modelled", address);
    default: raise(FaultKind::Unmodelled, address, "port register 0x%05X cannot be written", address);
    }
}

} // namespace

uint64_t Wdt::expires() const {
    if (ctl & kHold) return ~0ull;
    return cleared_at + (1ull << kIntervalLog2[ctl & 7]);
}

uint16_t Wdt::read(Machine &, uint32_t) {
    return static_cast<uint16_t>(0x6900 | ctl);
}

void Wdt::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    if (lanes != 0xFFFF || (value >> 8) != 0x5A)
        raise(FaultKind::Password, address,
              "WDTCTL written as 0x%04X without the password 5Ah; silicon would reset (SYSRSTIV 18h); write "
              "0x5Ann as "
              "a word",
              value);
    uint8_t v = static_cast<uint8_t>(value);
    if (!(v & kHold) && ((v & 0x10) || (v & 0x60)))
        raise(FaultKind::Unmodelled, address,
              "WDTCTL = 0x%04X: interval mode and clocks other than SMCLK are not modelled; hold the "
              "watchdog (0x5A80)",
              value);
    if (v & 0x08) cleared_at = m.n.cycles;
    ctl = static_cast<uint8_t>(v & ~0x08);
    m.attention();
}

uint16_t Board::read(Machine &, uint32_t address) {
    if (address >= 0x200 && address < 0x280)
        return port_read(gpio[(address - 0x200) >> 5], (address & 0x1F) >> 1, address);
    if (address >= 0x320 && address < 0x340) return port_read(gpio[4], (address & 0x1F) >> 1, address);
    switch (address) {
    case 0x100: return sfrie;
    case 0x102: return sfrifg;
    case 0x104: return sfrrpcr;
    case 0x120: return static_cast<uint16_t>(0x9600 | (pmmctl0 & 0xFF));
    case 0x12A: return pmmifg;
    case 0x130: return pm5ctl0;
    case 0x158: return static_cast<uint16_t>(0x6900 | rcctl);
    case 0x180: return sysctl;
    case 0x19A:
    case 0x19C: return 0; // SYSUNIV, SYSSNIV: nothing pending
    case 0x19E: {
        uint16_t v = sysrstiv;
        sysrstiv = 0; // reading clears the highest pending cause
        return v;
    }
    default:
        raise(FaultKind::Unmodelled, address, "register 0x%05X (%s) is not modelled", address,
              peripheral_name(address));
    }
}

void Board::write(Machine &, uint32_t address, uint16_t value, uint16_t lanes) {
    if (address >= 0x200 && address < 0x280)
        return port_write(gpio[(address - 0x200) >> 5], (address & 0x1F) >> 1, address, value, lanes);
    if (address >= 0x320 && address < 0x340)
        return port_write(gpio[4], (address & 0x1F) >> 1, address, value, lanes);
    switch (address) {
    case 0x100:
        sfrie = merge(sfrie, value, lanes);
        if (sfrie)
            raise(FaultKind::Unmodelled, address, "SFRIE1 = 0x%04X: these interrupts are not modelled",
                  sfrie);
        return;
    case 0x102: sfrifg = merge(sfrifg, value, lanes); return;
    case 0x104: sfrrpcr = merge(sfrrpcr, value, lanes); return;
    case 0x120: {
        bool key = (value >> 8) == 0xA5;
        if (lanes == 0xFFFF && !key)
            raise(FaultKind::Password, address,
                  "PMMCTL0 written as 0x%04X without the key A5h; silicon would reset (SYSRSTIV 20h); write "
                  "0xA5nn",
                  value);
        if (lanes & 0xFF00) pmm_unlocked = key;
        if (!(lanes & 0x00FF)) return;
        if (!pmm_unlocked)
            raise(FaultKind::Password, address, "PMMCTL0 written while locked; write A5h to PMMCTL0_H first");
        if (value & 0x0C)
            raise(FaultKind::Unmodelled, address, "software reset through PMMCTL0 is not modelled");
        if (value & 0x10) raise(FaultKind::Unmodelled, address, "PMMREGOFF (LPM3.5, LPM4.5) is not modelled");
        pmmctl0 = static_cast<uint16_t>(value & 0x40);
        return;
    }
    case 0x12A: pmmifg = merge(pmmifg, value, lanes); return;
    case 0x130: pm5ctl0 = static_cast<uint16_t>(merge(pm5ctl0, value, lanes) & 1); return;
    case 0x158:
        if (lanes != 0xFFFF || (value >> 8) != 0x5A)
            raise(FaultKind::Password, address, "RCCTL0 written as 0x%04X without the key 5Ah; write 0x5Ann",
                  value);
        rcctl = static_cast<uint8_t>(value);
        if (rcctl)
            raise(FaultKind::Unmodelled, address, "RAM power-down (RCCTL0 = 0x%04X) is not modelled", value);
        return;
    case 0x180: sysctl = merge(sysctl, value, lanes); return;
    case 0x19E: sysrstiv = 0; return;
    default:
        raise(FaultKind::Unmodelled, address, "register 0x%05X (%s) is not modelled", address,
              peripheral_name(address));
    }
}

} // namespace sw
