// SPDX-License-Identifier: Apache-2.0
// The time-event queue: "call this at cycle N". One slot per source, so that it is a copyable value.
//
// Modelled: the next due source; `Machine::stop_at` never lies behind it, so the run loop pays one compare.
// Not modelled: several deadlines of one source (it schedules the next when one is done).
#pragma once

#include "clocks.h"
#include <algorithm>
#include <iterator>

namespace sw {

enum class Ev : uint8_t {
    Wdt,
    TA0,
    TA1,
    TA2,
    TA3,
    TA4,
    TB0,
    Rtc,
    Adc,
    Comp,
    Lea,
    Mpy,
    Tx0, // eUSCI_A0-A3, B0-B3: transmission or SPI transfer done
    Tx7 = Tx0 + 7,
    Rx0, // reception done
    Rx7 = Rx0 + 7,
    Count
};

struct Events {
    static constexpr int kSources = static_cast<int>(Ev::Count);
    uint64_t at[kSources];
    uint64_t next = kNever;

    Events() { std::fill(std::begin(at), std::end(at), kNever); }
    void set(Ev e, uint64_t cycle) {
        uint64_t &slot = at[static_cast<int>(e)];
        const bool was_next = slot == next;
        slot = cycle;
        if (cycle <= next)
            next = cycle;
        else if (was_next) // the only case in which the others matter
            next = *std::min_element(std::begin(at), std::end(at));
    }
    uint64_t due(Ev e) const { return at[static_cast<int>(e)]; }
    Ev first() const { return static_cast<Ev>(std::min_element(std::begin(at), std::end(at)) - at); }
};

} // namespace sw
