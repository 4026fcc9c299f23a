// SPDX-License-Identifier: Apache-2.0
// Running until an energy budget is spent, without any cost per instruction.
//
// Modelled: spent = sum over counters of count * price, minus input power * time; the run stops at the first
//   instruction boundary where nothing is left. Awake no cycle can cost more than the dearest one, asleep no
//   second more than the dearest mode, so that much runs without looking; the last instructions run one by
//   one. A run goes on through naps (a kernel waits for the LEA asleep) or ends when the CPU wakes; a reset
//   or a change of MCLK ends it. The start of the sum is given, so that a stretch may be run in pieces
//   without another rounding.
// Not modelled: a stop inside an instruction or a DMA block (the boundary after it).
#pragma once

#include "machine.h"

namespace sw {

struct Rates {
    std::vector<double> prices; // joules by counter, in the order of `flatten`
    double cycle_j = 0;         // the dearest cycle awake, with everything that may happen in it
    double sleep_w = 0;         // the dearest mode asleep
    double wake_j = 0;          // the dearest way out of it
};

class Meter {
  public:
    // `input_w` may be negative: a load that does not depend on events.
    Meter(const Rates &rates, double available_j, double input_w)
        : rates_(rates), available_j_(available_j), input_w_(input_w) {}

    void start(const std::vector<int64_t> &counters, double time_s) {
        start_ = counters;
        start_s_ = time_s;
    }

    template <class Flatten> double left(const Machine &m, Flatten flatten) const {
        std::vector<int64_t> now = flatten(m.n);
        double left = available_j_ + input_w_ * (m.cs.time_s(m.n.cycles) - start_s_);
        for (size_t i = 0; i < now.size(); ++i)
            left -= rates_.prices[i] * static_cast<double>(now[i] - start_[i]);
        return left;
    }

    // Reason::Asleep and Reason::Instructions: fell asleep or woke up (without `naps`), a reset, another
    // MCLK.
    template <class Flatten>
    Reason run(Machine &m, int64_t until, uint64_t max_cycles, bool naps, Flatten flatten) {
        const uint64_t end = m.n.cycles + max_cycles, mclk = m.cs.mclk_hz32();
        m.limits.at_change = true; // its charge is no part of `cycle_j`
        for (;;) {
            const bool asleep = m.r[kSr] & kCpuOff;
            const uint64_t woken = m.n.instructions + 1;
            m.limits.at_sleep = !asleep;
            m.limits.instructions = asleep ? woken : Limits::kNever;
            double rest = left(m, flatten);
            if (rest <= 0) return Reason::Supply;
            double load = std::max(0.0, -input_w_);
            bool quiet = asleep && !m.lea.busy && !m.dma.requested;
            double per_cycle = quiet ? (rates_.sleep_w + load) * cycle_s(m)
                                     : rates_.cycle_j + (rates_.sleep_w + load) / kSlowestHz;
            // Near the end waking up may overdraw: by one interrupt and one instruction, as any other
            // boundary.
            double spare = quiet ? rest - rates_.wake_j - 64 * rates_.cycle_j : rest;
            double safe = std::min((spare > 0 ? spare : rest) / std::max(per_cycle, 1e-18), 1e18);
            if (asleep) safe = std::max(safe, 1.0); // no cycles would be no progress
            Reason why = m.run(until, std::min(static_cast<uint64_t>(safe), end - m.n.cycles));
            if (left(m, flatten) <= 0 && why != Reason::Fault) return Reason::Supply;
            const bool slept = why == Reason::Asleep;
            const bool woke = why == Reason::Instructions && m.limits.instructions == woken && asleep;
            if (why != Reason::Cycles && !(naps && (slept || woke) && m.cs.mclk_hz32() == mclk)) return why;
            if (m.n.cycles >= end) return Reason::Cycles;
        }
    }

  private:
    static constexpr double kSlowestHz = 31250; // 1 MHz / 32: the slowest MCLK from the DCO

    static double cycle_s(const Machine &m) { // the clock does not change while asleep
        constexpr uint64_t kMany = 1000000;
        return (m.cs.time_s(m.n.cycles + kMany) - m.cs.time_s(m.n.cycles)) / kMany;
    }

    Rates rates_;
    std::vector<int64_t> start_;
    double available_j_, input_w_, start_s_ = 0;
};

} // namespace sw
