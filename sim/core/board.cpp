// SPDX-License-Identifier: Apache-2.0
// Registers of SFR 0x100, PMM 0x120, RAMCTL 0x158, SYS 0x180, ports 0x200-0x27F and PJ 0x320
// (TI header msp430fr5994.h).
//
// Modelled / Not modelled: see board.h.
#include "board.h"
#include "machine.h"

namespace sw {

namespace {

uint16_t merge(uint16_t old, uint16_t value, uint16_t lanes) {
    return static_cast<uint16_t>((old & ~lanes) | (value & lanes));
}

constexpr double kSvshDown = 1.80, kBorDown = 1.66;

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
    case kOut:
    case kDir:
    case kRen:
    case kSel0:
    case kSel1:
    case kSelc:
    case kIes:
    case kIe:
    case kIfg: return p[reg];
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
        if (address >= 0x320) raise(FaultKind::Unmodelled, address, "port J has no interrupts");
        p[kIe] = merge(p[kIe], value, lanes);
        return;
    default: raise(FaultKind::Unmodelled, address, "port register 0x%05X cannot be written", address);
    }
}

} // namespace

void Board::reset(ResetKind kind) {
    Board old = *this;
    *this = Board{};
    for (int i = 0; i < 5; ++i) { // the world outside goes on
        driven[i] = old.driven[i];
        level[i] = old.level[i];
    }
    if (kind == ResetKind::Lpm5) { // the pins stay as they were, and say which of them woke the device
        pmmifg = 0x8000;           // PMMLPM5IFG
        frozen = true;
        for (int i = 0; i < 5; ++i) {
            frozen_out[i] = old.frozen_out[i];
            frozen_dir[i] = old.frozen_dir[i];
            gpio[i][kIfg] = old.gpio[i][kIfg];
        }
    }
    if (kind == ResetKind::Puc || kind == ResetKind::Por) { // outputs and the pin lock survive
        pm5ctl0 = old.pm5ctl0;
        pmmifg = old.pmmifg;
        for (int port = 0; port < 5; ++port) gpio[port][kOut] = old.gpio[port][kOut];
    }
}

void Board::freeze() {
    frozen = true;
    pm5ctl0 = 1;
    for (int i = 0; i < 5; ++i) {
        frozen_out[i] = gpio[i][kOut];
        frozen_dir[i] = gpio[i][kDir];
    }
}

double Board::lowest_supply_v() const {
    return pmmctl0 & 0x40 ? kSvshDown : kBorDown;
}

uint16_t Board::inputs(int pair) const {
    const uint16_t *p = gpio[pair];
    uint16_t outside =
        static_cast<uint16_t>((driven[pair] & level[pair]) | (~driven[pair] & p[kRen] & p[kOut]));
    return static_cast<uint16_t>((p[kDir] & p[kOut]) | (~p[kDir] & outside));
}

void Board::set_pin(Machine &m, int port, int pin, bool high) {
    int pair = port == 9 ? 4 : (port - 1) / 2;
    uint16_t bit = static_cast<uint16_t>(1u << (pin + (port != 9 && port % 2 == 0 ? 8 : 0)));
    uint16_t before = inputs(pair);
    driven[pair] |= bit;
    level[pair] = static_cast<uint16_t>(high ? level[pair] | bit : level[pair] & ~bit);
    uint16_t after = inputs(pair);
    uint16_t fell = static_cast<uint16_t>(before & ~after), rose = static_cast<uint16_t>(after & ~before);
    uint16_t *p = gpio[pair]; // PxIES: 1 is the falling edge
    if (pair < 4) p[kIfg] |= static_cast<uint16_t>((p[kIes] & fell) | (~p[kIes] & rose));
    lines(m);
    m.pins_changed();
}

bool Board::dma_trigger() const { // DMAE0; ASSUMPTION dma-pin: P1.0 as input, P1SEL1:P1SEL0 = 10
    const uint16_t *p = gpio[0];
    return !(pm5ctl0 & 1) && !(p[kDir] & 1) && (p[kSel1] & 1) && !(p[kSel0] & 1) && (inputs(0) & 1);
}

bool Board::output(int port, int pin) const {
    int pair = port == 9 ? 4 : (port - 1) / 2;
    const uint16_t *p = gpio[pair];
    int bit = pin + (port != 9 && port % 2 == 0 ? 8 : 0);
    if (frozen) return !(frozen_dir[pair] >> bit & 1) || (frozen_out[pair] >> bit & 1);
    if ((pm5ctl0 & 1) || !(p[kDir] >> bit & 1)) return true;
    return p[kOut] >> bit & 1;
}

void Board::lines(Machine &m) {
    if ((sfrifg & sfrie & 2) != 0) user_nmi |= 1u << 2; // SYSUNIV 4: oscillator fault
    constexpr Irq kPorts[8] = {Irq::P1, Irq::P2, Irq::P3, Irq::P4, Irq::P5, Irq::P6, Irq::P7, Irq::P8};
    for (int i = 0; i < 8; ++i)
        m.set_line(kPorts[i], (gpio[i / 2][kIe] & gpio[i / 2][kIfg]) >> (i % 2 * 8) & 0xFF);
    m.set_line(Irq::Wdt, sfrifg & sfrie & 1);
    m.set_line(Irq::Unmi, user_nmi != 0);
    m.set_line(Irq::Snmi, system_nmi != 0);
}

void Board::raise_nmi(Machine &m, int sysnmi_vector) {
    system_nmi |= 1u << (sysnmi_vector / 2);
    lines(m);
}

namespace {
uint16_t take_lowest(uint32_t &pending) {
    for (int n = 1; n < 32; ++n) {
        if (!(pending >> n & 1)) continue;
        pending &= ~(1u << n);
        return static_cast<uint16_t>(2 * n);
    }
    return 0;
}
} // namespace

uint16_t Board::read(Machine &m, uint32_t address) {
    bool pj = address >= 0x320 && address < 0x340;
    if (pj || (address >= 0x200 && address < 0x280)) {
        int pair = pj ? 4 : static_cast<int>((address - 0x200) >> 5), reg = (address & 0x1F) >> 1;
        if (reg == kIn) return inputs(pair);
        if (reg == kIvOdd || reg == kIvEven) { // the lowest enabled pin; reading clears it
            uint16_t due = gpio[pair][kIe] & gpio[pair][kIfg];
            for (int i = reg == kIvOdd ? 0 : 8, pin = 0; pin < 8; ++i, ++pin) {
                if (!(due >> i & 1)) continue;
                gpio[pair][kIfg] = static_cast<uint16_t>(gpio[pair][kIfg] & ~(1u << i));
                lines(m);
                return static_cast<uint16_t>(2 * (pin + 1));
            }
            return 0;
        }
        return port_read(gpio[pair], reg, address);
    }
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
    case 0x19C: { // the highest pending source; reading clears it
        uint16_t v = take_lowest(address == 0x19A ? user_nmi : system_nmi);
        if (address == 0x19A && v == 4) sfrie = static_cast<uint16_t>(sfrie & ~2u);
        lines(m);
        return v;
    }
    case 0x19E: { // takes the flag with it
        uint16_t v = m.causes.take();
        pmmifg &= static_cast<uint16_t>(v == 0x08 ? ~0x8000u : v == 0x0E ? ~0x2000u : ~0u);
        return v;
    }
    default:
        raise(FaultKind::Unmodelled, address, "register 0x%05X (%s) is not modelled", address,
              peripheral_name(address));
    }
}

void Board::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    bool pj = address >= 0x320 && address < 0x340;
    if (pj || (address >= 0x200 && address < 0x280)) {
        port_write(gpio[pj ? 4 : (address - 0x200) >> 5], (address & 0x1F) >> 1, address, value, lanes);
        lines(m);
        return m.pins_changed();
    }
    switch (address) {
    case 0x100:
        sfrie = merge(sfrie, value, lanes);
        if (sfrie & ~3)
            raise(FaultKind::Unmodelled, address,
                  "SFRIE1 = 0x%04X: only WDTIE and OFIE are modelled, not the other interrupts", sfrie);
        return this->lines(m);
    case 0x102: sfrifg = merge(sfrifg, value, lanes); return this->lines(m);
    case 0x104: sfrrpcr = merge(sfrrpcr, value, lanes); return;
    case 0x120: {
        bool key = (value >> 8) == 0xA5;
        if (lanes == 0xFFFF && !key)
            return m.violation(address, 0x20,
                               "PMMCTL0 written as 0x%04X without the key A5h; silicon would reset (SYSRSTIV "
                               "20h); write 0xA5nn",
                               value);
        if (lanes & 0xFF00) pmm_unlocked = key;
        if (!(lanes & 0x00FF)) return;
        if (!pmm_unlocked)
            raise(FaultKind::Password, address, "PMMCTL0 written while locked; write A5h to PMMCTL0_H first");
        if (value & 0x04) return m.request_reset(ResetKind::Bor, 0x06); // PMMSWBOR
        if (value & 0x08) return m.request_reset(ResetKind::Por, 0x14); // PMMSWPOR
        pmmctl0 = static_cast<uint16_t>(value & 0x50);                  // SVSHE, PMMREGOFF
        return;
    }
    case 0x12A: pmmifg = merge(pmmifg, value, lanes); return;
    case 0x130:
        pm5ctl0 = static_cast<uint16_t>(merge(pm5ctl0, value, lanes) & 1);
        if (!pm5ctl0) frozen = m.rtc.masked = false;
        m.rtc.lines(m);
        return m.pins_changed();
    case 0x158:
        if (lanes != 0xFFFF || (value >> 8) != 0x5A)
            raise(FaultKind::Password, address, "RCCTL0 written as 0x%04X without the key 5Ah; write 0x5Ann",
                  value);
        rcctl = static_cast<uint8_t>(value);
        if (rcctl)
            raise(FaultKind::Unmodelled, address, "RAM power-down (RCCTL0 = 0x%04X) is not modelled", value);
        return;
    case 0x180: sysctl = merge(sysctl, value, lanes); return;
    case 0x19A: take_lowest(user_nmi); return this->lines(m); // a write clears like a read
    case 0x19C: take_lowest(system_nmi); return this->lines(m);
    case 0x19E: m.causes.take(); return;
    default:
        raise(FaultKind::Unmodelled, address, "register 0x%05X (%s) is not modelled", address,
              peripheral_name(address));
    }
}

} // namespace sw
