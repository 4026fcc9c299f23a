// SPDX-License-Identifier: Apache-2.0
// Power and time as the world outside gives them: supply voltage, loss of power, time in which no
// cycle is counted.
//
// Modelled: COMP_E follows the supply; below the level of SVSH or BOR the device is off until a
//   power cycle; SVSHIFG and SYSRSTIV after it; clocks that go on while the CPU sleeps.
//
// Not modelled: slew rates, and a supply that dips below the level and comes back without a power
//   cycle.
//
// ASSUMPTION svsh-cause: after a power cycle SYSRSTIV gives BOR (02h) and then SVSH (0Eh) where
// SVSH was enabled.
#include "machine.h"

namespace sw {

void Machine::set_supply(double volts) {
    analog.supply_v = volts;
    if (volts < board.lowest_supply_v())
        dead = true; // SVSH or BOR holds it in reset: only a power cycle helps
    comp.update(*this);
}

void Machine::brown_out(bool counted) {
    bool svsh = board.pmmctl0 & 0x40;
    reset(true);
    if (!counted) --n.resets;
    if (!svsh) return;
    causes.add(0x0E);
    board.pmmifg |= 0x2000;
}

void Machine::pass_time(double seconds) {
    cs.base_s += seconds;
    if (r[kSr] & kCpuOff) clocks.skip(*this, seconds); // a sleeping device's clocks go on
}

bool Machine::wakes() const {
    return (deep() ? (lines & deep_sources()) != 0 : pending_interrupt() >= 0) ||
           reset_due != ResetKind::None;
}

uint64_t Machine::cycle_at(double time_s) const {
    double left = (time_s - now_s()) * cs.mclk_hz;
    return left <= 0 ? n.cycles : n.cycles + static_cast<uint64_t>(left + 0.999);
}

} // namespace sw
