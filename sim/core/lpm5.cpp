// SPDX-License-Identifier: Apache-2.0
// LPM3.5 and LPM4.5: the core supply is off, and every way out is a reset (SLAU367 1.4.3, 2.2.4).
//
// Modelled: entry by LPM3 or LPM4 with PMMREGOFF; LPM3.5 while the RTC runs, else LPM4.5; SRAM,
//   registers and peripherals are lost, RTC counts and pins go on; wake-up by an enabled interrupt
//   of the RTC or of a port as BOR with SYSRSTIV 08h, PMMLPM5IFG, the flags that caused it,
//   LOCKLPM5; the RTC's interrupt waits for LOCKLPM5.
//
// Not modelled: wake-up by RST (use reset()), currents of SVSH asleep.
//
// ASSUMPTION lpm5-wake: waking takes 300 us (SLASE54: 250 to 350 us); writes to the RTC take effect
// before LOCKLPM5 is cleared; port interrupts keep their PxIFG.
#include "machine.h"

namespace sw {

namespace {
constexpr uint16_t kRegOff = 0x10; // PMMCTL0
constexpr double kWakeSeconds = 300e-6;
constexpr Irq kWakers[] = {Irq::Rtc, Irq::P1, Irq::P2, Irq::P3, Irq::P4, Irq::P5, Irq::P6, Irq::P7, Irq::P8};
} // namespace

bool Machine::deep() const {
    constexpr uint32_t bits = kCpuOff | kScg0 | kScg1;
    return (board.pmmctl0 & kRegOff) && (r[kSr] & bits) == bits;
}

uint64_t Machine::deep_sources() const {
    uint64_t bits = 0;
    for (Irq source : kWakers) bits |= vectors.bit(source);
    return bits;
}

// What lies behind the core supply stops at once; its registers are reset when it wakes up.
void Machine::enter_deep() {
    adc.reset();
    comp.reset();
    ref.reset();
    dma.reset();
    lea.reset(*this);
    lines &= deep_sources();
    uint64_t rtc_at = events.due(Ev::Rtc);
    events = Events{};
    events.set(Ev::Rtc, rtc_at);
    board.freeze();
}

bool Machine::leave_deep() {
    if (!board.frozen) enter_deep();
    if (!(lines & deep_sources())) return false;
    int mode = low_power_mode();
    pass(mode, static_cast<uint64_t>(kWakeSeconds * cs.mclk_hz));
    ++n.wakeups[mode];
    r[kSr] = 0;
    request_reset(ResetKind::Lpm5, 0x08);
    return true;
}

bool Machine::sleep_deep(Reason &why) {
    uint64_t wake = events.due(Ev::Rtc);
    if (wake == kNever) {
        why = Reason::Halt;
        return false;
    }
    pass(low_power_mode(), std::max(n.cycles, std::min(wake, limit)) - n.cycles);
    return true;
}

} // namespace sw
