// SPDX-License-Identifier: Apache-2.0
// Low-power modes: time jumps to the next event that matters; which clocks stop; what waking costs.
//
// Modelled: LPM0-LPM4 by the SR bits; a clock that a running peripheral requests stays on (CSCTL6) and lifts
//   the mode to the one that has it; time, wake-ups and their cycles per mode; halt when nothing can wake.
// Not modelled: LPM3.5 and LPM4.5 are in lpm5.cpp.
// ASSUMPTION clock-request: Timer_A/B, WDT_A and eUSCI request their clock as long as they run (SLAU367 CS).
// ASSUMPTION lpm-wake: waking takes 6 us from LPM1-2 and 6.6 us + 2 / fDCO from LPM3-4 (SLASE54 wake-up
// times); from LPM0 nothing beyond the interrupt (measured on boards at 16 MHz), option `lpm0_wake_ns`.
#include "machine.h"

namespace sw {

int Machine::requested_by(Clk c) const {
    int users = wdt.uses(c) + adc.uses(c);
    for (const Timer &t : timers) users += t.uses(c);
    for (const Eusci &e : eusci) users += e.uses(c);
    return users;
}

// The mode that the device is in: the one of SR, or a lighter one while a clock is requested.
int Machine::low_power_mode() const {
    uint32_t sr = r[kSr];
    if (deep()) return rtc.running() ? 5 : 6;
    int mode = !(sr & kScg1) ? (sr & kScg0 ? 1 : 0) : !(sr & kScg0) ? 2 : sr & kOscOff ? 4 : 3;
    bool aclk = (cs.ctl[6] & 1) && requested_by(Clk::Aclk);
    bool smclk = (cs.ctl[6] & 4) && requested_by(Clk::Smclk);
    if (smclk) return std::min(mode, 1);
    return aclk ? std::min(mode, 3) : mode;
}

bool Machine::keeps_awake(Ev e) const {
    bool gie = r[kSr] & kGie;
    if (e == Ev::Wdt) return !wdt.interval() || (gie && (board.sfrie & 1));
    if (e >= Ev::Tx0 || e == Ev::Lea || e == Ev::Mpy || e == Ev::Adc || e == Ev::Comp)
        return true; // work that ends by itself
    return gie;
}

// The CPU sleeps and no interrupt is due: let time pass to the next event or to the end of the run.
bool Machine::sleep(Reason &why) {
    lea.check_sleep(r[kSr]);
    int mode = low_power_mode();
    clocks.gate(*this, mode >= 2, mode >= 4);
    uint64_t wake = dma.requested ? std::max(dma.resume_at, n.cycles) : kNever;
    for (int i = 0; i < Events::kSources && wake == kNever; ++i)
        if (events.at[i] != kNever && keeps_awake(static_cast<Ev>(i))) wake = events.next;
    if (wake == kNever) {
        why = Reason::Halt;
        return false;
    }
    uint64_t to = std::max(n.cycles, std::min({wake, events.next, limit}));
    pass(mode, to - n.cycles);
    return true;
}

void Machine::pass(int mode, uint64_t cycles) {
    n.cycles += cycles;
    n.lpm_cycles[mode] += cycles;
    // cycles * 32e9 / hz32 in integers, in steps that cannot overflow; the rest waits for the next stretch
    uint64_t hz32 = cs.mclk_hz32();
    uint64_t part = cycles % hz32 * 1000000000;
    uint64_t low = part % hz32 * 32 + lpm_rest[mode] % hz32;
    n.lpm_ns[mode] += cycles / hz32 * 32000000000 + part / hz32 * 32 + low / hz32;
    lpm_rest[mode] = low % hz32;
}

void Machine::wake_up() {
    int mode = low_power_mode();
    double ns = mode == 0 ? lpm0_wake_ns : mode <= 2 ? 6000.0 : 6600.0 + 2e9 / cs.dco_hz();
    double mclk = static_cast<double>(cs.mclk_hz32()) / 32;
    pass(mode, static_cast<uint64_t>(ns * mclk / 1e9 + 0.999));
    ++n.wakeups[mode];
    clocks.gate(*this, false, false);
}

} // namespace sw
