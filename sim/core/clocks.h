// SPDX-License-Identifier: Apache-2.0
// Clocks other than MCLK, as exact rational rates against it: how many ticks until cycle N, at which cycle is
// tick K.
//
// Modelled: ACLK, SMCLK, MODCLK, LFMODCLK, VLOCLK with the dividers and selections of CS; the phase of each
//   clock survives changes of MCLK; SMCLK stops in LPM2-4 and ACLK in LPM4 unless a peripheral requests it
//   (CSCTL6); LFXTCLK, which the RTC keeps running; fail-safe sources where a crystal is absent (LFXT ->
//   LFMODCLK, HFXT -> MODCLK).
// Not modelled: jitter, tolerance and start-up time of oscillators.
// ASSUMPTION clock-sources: VLO 9400 Hz, MODOSC 4.8 MHz (LFMODCLK = MODOSC / 128), no crystals; typical
// values, options `vlo_hz`, `modosc_hz`, `lfxt_hz`, `hfxt_hz`.
#pragma once

#include "types.h"

namespace sw {

struct Machine;

enum class Clk : uint8_t { Aclk, Smclk, Modclk, Lfmodclk, Vloclk, Lfxtclk, Count };

constexpr uint64_t kNever = ~0ull;

// Ticks of one clock as a function of the MCLK cycle: num / den ticks per cycle, reduced.
struct Domain {
    uint64_t num = 0, den = 1; // num 0: stopped
    uint64_t base_cycle = 0, base_tick = 0;
    uint64_t rest = 0; // part of a tick at base_cycle, in 1 / den

    uint64_t ticks(uint64_t cycle) const {
        uint64_t d = cycle - base_cycle;
        return base_tick + d / den * num + (d % den * num + rest) / den;
    }
    // The first cycle at which `ticks` is at least `tick`.
    uint64_t cycle_of(uint64_t tick) const {
        if (tick <= base_tick) return base_cycle;
        if (num == 0) return kNever;
        return base_cycle + ((tick - base_tick) * den - rest + num - 1) / num;
    }
    void skip(double ticks);
    void change(uint64_t now, uint64_t new_num, uint64_t new_den);
};

struct Clocks {
    uint32_t vlo_hz = 9400, modosc_hz = 4800000, lfxt_hz = 0, hfxt_hz = 0; // 0: no crystal
    bool smclk_off = false, aclk_off = false;                              // gated by a low-power mode
    Domain domain[static_cast<int>(Clk::Count)];

    const Domain &of(Clk c) const { return domain[static_cast<int>(c)]; }
    uint64_t hz32(const Machine &m, Clk c) const; // frequency in 1/32 Hz, before gating
    void update(Machine &m);                      // after a change of CS or of a gate
    void gate(Machine &m, bool smclk, bool aclk);
    void skip(Machine &m, double seconds); // time in which no cycle is counted
};

} // namespace sw
