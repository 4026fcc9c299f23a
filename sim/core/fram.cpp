// SPDX-License-Identifier: Apache-2.0
// Registers of FRCTL_A: FRCTL0 0x140, GCCTL0 0x144, GCCTL1 0x146 (TI header msp430fr5994.h; SLAU367 FRCTL_A).
//
// Modelled / Not modelled: see fram.h.
#include "fram.h"
#include "machine.h"

namespace sw {

namespace {
constexpr uint16_t kPassword = 0xA5;
}

uint16_t Frctl::read(Machine &, uint32_t address) {
    switch (address) {
    case 0x140: return static_cast<uint16_t>(0x9600 | (nwaits << 4)); // the password reads as 96h
    case 0x144: return gcctl0;
    case 0x146: return gcctl1;
    default: raise(FaultKind::Unmodelled, address, "FRCTL_A has no modelled register at 0x%05X", address);
    }
}

void Frctl::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    if (address == 0x140) {
        bool key = (value >> 8) == kPassword;
        if (lanes == 0xFF00) { // byte access: A5h opens, anything else closes without a reset
            unlocked = key;
            return;
        }
        if (lanes == 0xFFFF) {
            if (!key)
                return m.violation(
                    address, 0x1A,
                    "FRCTL0 written as 0x%04X without the password A5h in the high byte; silicon "
                    "would reset (SYSRSTIV 1Ah); write 0xA5nn",
                    value);
            unlocked = true;
        } else if (!unlocked) {
            raise(FaultKind::Password, address,
                  "FRCTL0 low byte written while locked; write A5h to FRCTL0_H first");
        }
        if (value & 0x0F)
            raise(FaultKind::Unmodelled, address,
                  "FRCTL0 = 0x%04X sets AUTO, WPROT or a reserved bit, none of which is modelled", value);
        nwaits = (value >> 4) & 0xF;
        m.cs.check(m);
        return;
    }
    if (!unlocked)
        raise(FaultKind::Password, address,
              "FRCTL_A register 0x%05X written while locked; write A5h to FRCTL0_H first", address);
    switch (address) {
    case 0x144:
        gcctl0 = static_cast<uint16_t>((gcctl0 & ~lanes) | (value & lanes));
        if (gcctl0 & ~0x0004)
            raise(FaultKind::Unmodelled, address,
                  "GCCTL0 = 0x%04X: only FRPWR is modelled, error detection is not", gcctl0);
        return;
    case 0x146: gcctl1 = static_cast<uint16_t>((gcctl1 & ~lanes) | (value & lanes)); return;
    default: raise(FaultKind::Unmodelled, address, "FRCTL_A has no modelled register at 0x%05X", address);
    }
}

} // namespace sw
