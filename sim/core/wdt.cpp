// SPDX-License-Identifier: Apache-2.0
// WDTCTL: password 5Ah, reads 69h; WDTHOLD 7, WDTSSEL 6:5, WDTTMSEL 4, WDTCNTCL 3, WDTIS 2:0 (SLAU367 WDT_A).
//
// Modelled / Not modelled: see wdt.h.
#include "wdt.h"
#include "machine.h"

namespace sw {

namespace {
constexpr uint8_t kIntervalLog2[8] = {31, 27, 23, 19, 15, 13, 9, 6};
constexpr uint8_t kWatchdogCause = 0x16, kPasswordCause = 0x18; // SYSRSTIV
} // namespace

Clk Wdt::clock() const {
    constexpr Clk source[4] = {Clk::Smclk, Clk::Aclk, Clk::Vloclk, Clk::Lfmodclk};
    return source[ctl >> 5 & 3];
}

uint64_t Wdt::length() const {
    return 1ull << kIntervalLog2[ctl & 7];
}

void Wdt::reset(Machine &m) {
    *this = Wdt{};
    start = m.clocks.of(clock()).ticks(m.n.cycles);
    schedule(m);
}

void Wdt::schedule(Machine &m) {
    m.schedule(Ev::Wdt, held() ? kNever : m.clocks.of(clock()).cycle_of(start + length()));
}

void Wdt::expire(Machine &m) {
    start += length();
    if (interval()) {
        m.board.sfrifg |= 1;
        m.board.lines(m);
        return schedule(m);
    }
    if (!touched && !m.violations_reset)
        raise(
            FaultKind::Unmodelled, 0x15C,
            "the watchdog was never held and would reset the device now; write 0x5A80 to WDTCTL at start-up");
    m.request_reset(ResetKind::Puc, kWatchdogCause);
}

uint16_t Wdt::read(Machine &, uint32_t) {
    return static_cast<uint16_t>(0x6900 | ctl);
}

void Wdt::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    if (lanes != 0xFFFF || (value >> 8) != 0x5A)
        return m.violation(address, kPasswordCause,
                           "WDTCTL written as 0x%04X without the password 5Ah; silicon would reset (SYSRSTIV "
                           "18h); write 0x5Ann as a word",
                           value);
    if (!held()) count = m.clocks.of(clock()).ticks(m.n.cycles) - start;
    if (value & 0x08) count = 0;
    ctl = static_cast<uint8_t>(value & ~0x08);
    touched = true;
    start = m.clocks.of(clock()).ticks(m.n.cycles) - count;
    schedule(m);
}

} // namespace sw
