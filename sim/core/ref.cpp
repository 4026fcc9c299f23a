// SPDX-License-Identifier: Apache-2.0
// REFCTL0: REFON 0, REFOUT 1, REFTCOFF 3, REFVSEL 5:4, REFGENOT 6, REFBGOT 7, REFGENACT 8, REFBGACT
// 9, REFGENBUSY 10, BGMODE 11, REFGENRDY 12, REFBGRDY 13 (TI header msp430fr6989.h, REF_A; SLAU367
// REF_A chapter).
//
// Modelled / Not modelled: see ref.h.
#include "ref.h"
#include "machine.h"

namespace sw {

namespace {
constexpr uint16_t kOn = 1, kOut = 2, kTriggers = 0x00C0, kStored = 0x0039;
constexpr uint16_t kActive = 0x0300, kBusy = 0x0400, kReady = 0x3000;
} // namespace

void Ref::update(Machine &m) {
    bool now = (ctl & kOn) || m.adc.uses_reference() || m.comp.uses_reference();
    if (now && !on) ready_s = m.now_s() + settle_s;
    on = now;
}

bool Ref::ready(const Machine &m) const {
    return on && m.now_s() >= ready_s - 1e-9; // an event at that time may come a rounding early
}

uint16_t Ref::read(Machine &m, uint32_t address) const {
    if (address != 0x1B0) raise(FaultKind::Unmodelled, address, "REF_A has no register at 0x%05X", address);
    return static_cast<uint16_t>(ctl | (on ? kActive : 0) | (ready(m) ? kReady : 0) |
                                 (m.adc.uses_reference() ? kBusy : 0));
}

void Ref::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    if (address != 0x1B0) raise(FaultKind::Unmodelled, address, "REF_A has no register at 0x%05X", address);
    if (m.adc.uses_reference())
        raise(FaultKind::NotReady, address,
              "REFCTL0 written while a conversion uses the reference (REFGENBUSY); silicon ignores it; wait "
              "until REFGENBUSY is 0");
    uint16_t v = static_cast<uint16_t>((ctl & ~lanes) | (value & lanes));
    if (v & (kOut | kTriggers))
        raise(FaultKind::Unmodelled, address,
              "REFCTL0 = 0x%04X: REFOUT, REFGENOT and REFBGOT are not modelled; set REFON", v);
    bool other = (ctl ^ v) & 0x30;
    ctl = v & kStored;
    if (other && on) ready_s = m.now_s() + settle_s;
    update(m);
}

} // namespace sw
