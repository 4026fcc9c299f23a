// SPDX-License-Identifier: Apache-2.0
// Events counted by the core; energy is a sum over them.
//
// Modelled: every MCLK cycle is one of: an access (fetch, read, write), a wait state, asleep, or idle. So
//   cycles = accesses + wait_cycles + lpm_cycles + idle, and idle is derived, not counted. While the CPU
//   sleeps time goes on in MCLK periods, whether MCLK runs or not.
// Not modelled: clocks other than MCLK.
#pragma once

#include "types.h"

namespace sw {

struct Counters {
    static constexpr int kModes = 7;
    uint64_t instructions = 0;
    uint64_t cycles = 0; // MCLK cycles, waits included: the time base of the machine
    uint64_t wait_cycles = 0;
    uint64_t fetch_words[3] = {}; // by Region: kSram, kLeaRam, kFram
    uint64_t fetch_misses = 0;
    uint64_t reads[4] = {}; // by Region up to kPeripheral; a 20-bit access is two
    uint64_t read_misses = 0;
    uint64_t writes[4] = {};
    uint64_t dma_words = 0;
    uint64_t dma_cycles = 0;
    uint64_t interrupts = 0;
    uint64_t lpm_cycles[kModes] = {}; // asleep or waking up: LPM0-4, LPM3.5, LPM4.5
    uint64_t lpm_ns[kModes] = {};
    uint64_t wakeups[kModes] = {};
    uint64_t spi_bytes = 0;
    uint64_t spi_fram_bytes = 0; // of these, with an external FRAM selected
    uint64_t resets = 0;         // brown-out resets and losses of power after the first
    uint64_t lea_commands = 0;
    uint64_t lea_stall_cycles = 0; // part of wait_cycles
    uint64_t lea_cycles[13] = {};  // by LeaClass; beside the CPU, so no part of the sum above

    int64_t idle_cycles() const {
        uint64_t used = wait_cycles;
        for (uint64_t v : fetch_words) used += v;
        for (uint64_t v : reads) used += v;
        for (uint64_t v : writes) used += v;
        for (uint64_t v : lpm_cycles) used += v;
        return static_cast<int64_t>(cycles - used);
    }
};

inline Counters delta(const Counters &a, const Counters &b) {
    Counters d;
    d.instructions = a.instructions - b.instructions;
    d.cycles = a.cycles - b.cycles;
    d.wait_cycles = a.wait_cycles - b.wait_cycles;
    for (int i = 0; i < 3; ++i) d.fetch_words[i] = a.fetch_words[i] - b.fetch_words[i];
    d.fetch_misses = a.fetch_misses - b.fetch_misses;
    for (int i = 0; i < 4; ++i) d.reads[i] = a.reads[i] - b.reads[i];
    d.read_misses = a.read_misses - b.read_misses;
    for (int i = 0; i < 4; ++i) d.writes[i] = a.writes[i] - b.writes[i];
    d.dma_words = a.dma_words - b.dma_words;
    d.dma_cycles = a.dma_cycles - b.dma_cycles;
    d.interrupts = a.interrupts - b.interrupts;
    for (int i = 0; i < Counters::kModes; ++i) {
        d.lpm_cycles[i] = a.lpm_cycles[i] - b.lpm_cycles[i];
        d.lpm_ns[i] = a.lpm_ns[i] - b.lpm_ns[i];
        d.wakeups[i] = a.wakeups[i] - b.wakeups[i];
    }
    d.spi_bytes = a.spi_bytes - b.spi_bytes;
    d.spi_fram_bytes = a.spi_fram_bytes - b.spi_fram_bytes;
    d.resets = a.resets - b.resets;
    d.lea_commands = a.lea_commands - b.lea_commands;
    d.lea_stall_cycles = a.lea_stall_cycles - b.lea_stall_cycles;
    for (int i = 0; i < 13; ++i) d.lea_cycles[i] = a.lea_cycles[i] - b.lea_cycles[i];
    return d;
}

inline void accumulate(Counters &a, const Counters &b) {
    a.instructions += b.instructions;
    a.cycles += b.cycles;
    a.wait_cycles += b.wait_cycles;
    for (int i = 0; i < 3; ++i) a.fetch_words[i] += b.fetch_words[i];
    a.fetch_misses += b.fetch_misses;
    for (int i = 0; i < 4; ++i) a.reads[i] += b.reads[i];
    a.read_misses += b.read_misses;
    for (int i = 0; i < 4; ++i) a.writes[i] += b.writes[i];
    a.dma_words += b.dma_words;
    a.dma_cycles += b.dma_cycles;
    a.interrupts += b.interrupts;
    for (int i = 0; i < Counters::kModes; ++i) {
        a.lpm_cycles[i] += b.lpm_cycles[i];
        a.lpm_ns[i] += b.lpm_ns[i];
        a.wakeups[i] += b.wakeups[i];
    }
    a.spi_bytes += b.spi_bytes;
    a.spi_fram_bytes += b.spi_fram_bytes;
    a.resets += b.resets;
    a.lea_commands += b.lea_commands;
    a.lea_stall_cycles += b.lea_stall_cycles;
    for (int i = 0; i < 13; ++i) a.lea_cycles[i] += b.lea_cycles[i];
}

} // namespace sw
