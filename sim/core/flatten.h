// SPDX-License-Identifier: Apache-2.0
// Counters as the flat list that Python names (sim/counters.py).
//
// Modelled: the order of `Counters` in sim/counters.py; a test compares the two.
// Not modelled: prices (sim/energy.py).
#pragma once

#include "counters.h"

#include <cstdint>
#include <vector>

namespace sw {

// Field order is the contract with sim/counters.py.
inline std::vector<int64_t> flatten(const Counters &c) {
    auto i = [](uint64_t v) { return static_cast<int64_t>(v); };
    return {i(c.instructions),
            i(c.cycles),
            i(c.wait_cycles),
            c.idle_cycles(),
            i(c.fetch_words[sw::kFram] - c.fetch_misses),
            i(c.fetch_misses),
            i(c.fetch_words[sw::kSram] + c.fetch_words[sw::kLeaRam]),
            i(c.reads[sw::kFram] - c.read_misses),
            i(c.read_misses),
            i(c.writes[sw::kFram]),
            i(c.reads[sw::kSram]),
            i(c.writes[sw::kSram]),
            i(c.reads[sw::kLeaRam]),
            i(c.writes[sw::kLeaRam]),
            i(c.reads[sw::kPeripheral]),
            i(c.writes[sw::kPeripheral]),
            i(c.dma_words),
            i(c.dma_cycles),
            i(c.interrupts),
            i(c.lpm_cycles[0]),
            i(c.lpm_cycles[1]),
            i(c.lpm_cycles[2]),
            i(c.lpm_cycles[3]),
            i(c.lpm_cycles[4]),
            i(c.lpm_cycles[5]),
            i(c.lpm_cycles[6]),
            i(c.lpm_ns[0]),
            i(c.lpm_ns[1]),
            i(c.lpm_ns[2]),
            i(c.lpm_ns[3]),
            i(c.lpm_ns[4]),
            i(c.lpm_ns[5]),
            i(c.lpm_ns[6]),
            i(c.wakeups[0]),
            i(c.wakeups[1]),
            i(c.wakeups[2]),
            i(c.wakeups[3]),
            i(c.wakeups[4]),
            i(c.wakeups[5]),
            i(c.wakeups[6]),
            i(c.spi_bytes),
            i(c.spi_fram_bytes),
            i(c.resets),
            i(c.lea_commands),
            i(c.lea_stall_cycles),
            i(c.lea_cycles[0]),
            i(c.lea_cycles[1]),
            i(c.lea_cycles[2]),
            i(c.lea_cycles[3]),
            i(c.lea_cycles[4]),
            i(c.lea_cycles[5]),
            i(c.lea_cycles[6]),
            i(c.lea_cycles[7]),
            i(c.lea_cycles[8]),
            i(c.lea_cycles[9]),
            i(c.lea_cycles[10]),
            i(c.lea_cycles[11]),
            i(c.lea_cycles[12])};
}

} // namespace sw
