// SPDX-License-Identifier: Apache-2.0
// Registers of ADC12_B: ADC12CTL0-3 800-806, ADC12LO 808, ADC12HI 80A, ADC12IFGR0-2 80C-810, ADC12IER0-2
// 812-816, ADC12IV 818, ADC12MCTL0-31 820-85E, ADC12MEM0-31 860-89E (TI header msp430fr6989.h for bits and
// order; SLAU367 ADC12_B register table).
//
// Modelled / Not modelled: see adc12.h.
#include "adc12.h"
#include "machine.h"

namespace sw {

namespace {
constexpr uint16_t kSc = 1, kEnc = 2, kOn = 0x10, kMsc = 0x80;

uint16_t half(uint32_t word, int upper) {
    return static_cast<uint16_t>(upper ? word >> 16 : word);
}
} // namespace

uint16_t Adc12::read(Machine &m, uint32_t address) {
    uint32_t reg = address - 0x800;
    if (reg >= 0x60) {
        flags &= ~(1u << (reg - 0x60) / 2);
        lines(m);
        return memory[(reg - 0x60) / 2];
    }
    if (reg >= 0x20) return control[(reg - 0x20) / 2];
    switch (reg) {
    case 0x00:
    case 0x04:
    case 0x06: return ctl[reg / 2];
    case 0x02: return static_cast<uint16_t>(ctl[1] | (busy || in_sequence ? 1 : 0)); // ADC12BUSY
    case 0x08: return low;
    case 0x0A: return high;
    case 0x0C:
    case 0x0E: return half(flags, reg == 0x0E);
    case 0x10: return other_flags;
    case 0x12:
    case 0x14: return half(enables, reg == 0x14);
    case 0x16: return other_enables;
    case 0x18: return take_vector(m);
    default: raise(FaultKind::Unmodelled, address, "ADC12_B has no register at 0x%05X", address);
    }
}

// What is not modelled raises when conversions are enabled: until then a program may write in any order.
void Adc12::check(uint32_t address) const {
    if ((ctl[1] & 0x1D00) || !(ctl[1] & 0x0200) || (ctl[1] >> 3 & 3) == 2)
        raise(FaultKind::Unmodelled, address,
              "ADC12CTL1 = 0x%04X: only ADC12SC as trigger with the sampling timer (ADC12SHS = 0, ADC12SHP = "
              "1), not "
              "inverted, clocked by MODCLK, ACLK or SMCLK, is modelled",
              ctl[1]);
    if ((ctl[2] & 8) || (ctl[2] >> 4 & 3) == 3)
        raise(FaultKind::Unmodelled, address,
              "ADC12CTL2 = 0x%04X: signed results (ADC12DF) and ADC12RES = 3 are not modelled", ctl[2]);
    if (ctl[3] & 0x0F00)
        raise(FaultKind::Unmodelled, address, "ADC12CTL3 = 0x%04X: the channels ADC12ICH0-3 are not modelled",
              ctl[3]);
}

void Adc12::control_write(Machine &m, int index, uint32_t address, uint16_t v) {
    if (index == 0) {
        uint16_t changed = (ctl[0] ^ v) & static_cast<uint16_t>(~(kSc | kEnc));
        if ((ctl[0] & v & kEnc) && changed)
            raise(
                FaultKind::NotReady, address,
                "ADC12CTL0 changed to 0x%04X while ADC12ENC is set; silicon ignores it; clear ADC12ENC first",
                v);
        ctl[0] = static_cast<uint16_t>(v & (0xFF00 | kMsc | kOn | kEnc));
        if (!(v & kEnc)) { // a single conversion ends at once, others at their next boundary
            if (mode() == 0) busy = false;
            if (!busy) in_sequence = false;
            schedule(m);
            m.ref.update(m);
        }
        if (v & kEnc) check(address);
        if (v & kSc) trigger(m, address);
        return;
    }
    if ((ctl[0] & kEnc) && ctl[index] != v)
        raise(FaultKind::NotReady, address,
              "ADC12CTL%d changed to 0x%04X while ADC12ENC is set; silicon ignores it; clear ADC12ENC first",
              index, v);
    ctl[index] = index == 1 ? v & 0xFFFE : v;
}

void Adc12::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    uint32_t reg = address - 0x800;
    auto merge = [&](uint16_t old) { return static_cast<uint16_t>((old & ~lanes) | (value & lanes)); };
    auto into = [&](uint32_t &word, int upper) {
        uint32_t v = merge(half(word, upper));
        word = upper ? (word & 0xFFFF) | v << 16 : (word & 0xFFFF0000) | v;
    };
    if (reg >= 0x60) {
        memory[(reg - 0x60) / 2] = merge(memory[(reg - 0x60) / 2]);
    } else if (reg >= 0x20) {
        uint16_t &c = control[(reg - 0x20) / 2];
        uint16_t v = merge(c);
        if ((ctl[0] & kEnc) && v != c)
            raise(FaultKind::NotReady, address,
                  "ADC12MCTL%u changed while ADC12ENC is set; silicon ignores it; clear ADC12ENC first",
                  (reg - 0x20) / 2);
        if ((v & 0x2000) || (v >> 8 & 0xF) > 1)
            raise(FaultKind::Unmodelled, address,
                  "ADC12MCTL%u = 0x%04X: differential inputs and external references are not modelled",
                  (reg - 0x20) / 2, v);
        c = v;
    } else {
        switch (reg) {
        case 0x00:
        case 0x02:
        case 0x04:
        case 0x06:
            control_write(m, static_cast<int>(reg / 2), address,
                          merge(reg == 0 ? ctl[0] & static_cast<uint16_t>(~kSc) : ctl[reg / 2]));
            break;
        case 0x08: low = merge(low); break;
        case 0x0A: high = merge(high); break;
        case 0x0C:
        case 0x0E: into(flags, reg == 0x0E); break;
        case 0x10: other_flags = merge(other_flags) & 0x7E; break;
        case 0x12:
        case 0x14: into(enables, reg == 0x14); break;
        case 0x16: other_enables = merge(other_enables) & 0x7E; break;
        case 0x18: take_vector(m); break;
        default: raise(FaultKind::Unmodelled, address, "ADC12_B has no register at 0x%05X", address);
        }
    }
    lines(m);
}

} // namespace sw
