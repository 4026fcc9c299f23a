// SPDX-License-Identifier: Apache-2.0
// Running until an energy budget is spent, without any cost per instruction.
//
// Modelled: spent = sum over counters of count * price, minus input power * time; the run stops at the first
//   instruction boundary where nothing is left. No cycle can cost more than the largest prices together, so
//   that many cycles run without looking; the last instructions run one by one.
// Not modelled: a stop inside an instruction or a DMA block (the boundary after it).
#pragma once

#include "machine.h"

namespace sw {

class Meter {
  public:
    // `prices` in joules by counter, in the order of `flatten`; counters without a price are 0.
    // `input_w` may be negative (a load that does not depend on events).
    Meter(const std::vector<double> &prices, double available_j, double input_w)
        : prices_(prices), available_j_(available_j), input_w_(input_w) {
        for (double p : prices_) worst_j_ += p; // no event happens more than once per cycle
        if (input_w_ < 0) worst_j_ -= input_w_ / kSlowestHz;
        worst_j_ = std::max(worst_j_, 1e-15);
    }

    void start(const std::vector<int64_t> &counters, double time_s) {
        start_ = counters;
        start_s_ = time_s;
    }

    template <class Flatten> double left(const Machine &m, Flatten flatten) const {
        std::vector<int64_t> now = flatten(m.n);
        double left = available_j_ + input_w_ * (m.cs.time_s(m.n.cycles) - start_s_);
        for (size_t i = 0; i < now.size(); ++i) left -= prices_[i] * static_cast<double>(now[i] - start_[i]);
        return left;
    }

    template <class Flatten> Reason run(Machine &m, int64_t until, uint64_t max_cycles, Flatten flatten) {
        uint64_t end = m.n.cycles + max_cycles;
        for (;;) {
            double rest = left(m, flatten);
            if (rest <= 0) return Reason::Supply;
            double safe = std::min(rest / worst_j_, 1e18);
            uint64_t slice = std::min(static_cast<uint64_t>(safe), end - m.n.cycles);
            Reason why = m.run(until, slice);
            if (left(m, flatten) <= 0 && why != Reason::Fault) return Reason::Supply;
            if (why != Reason::Cycles || m.n.cycles >= end) return why;
        }
    }

  private:
    static constexpr double kSlowestHz = 31250; // 1 MHz / 32: the slowest MCLK from the DCO
    std::vector<double> prices_;
    std::vector<int64_t> start_;
    double available_j_, input_w_, worst_j_ = 0, start_s_ = 0;
};

} // namespace sw
