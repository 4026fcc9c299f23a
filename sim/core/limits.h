// SPDX-License-Identifier: Apache-2.0
// Reasons to leave a run other than an address, a cycle and sleep: instructions, FRAM writes, breakpoints,
// watches.
//
// Modelled: exact instruction counts; a stop at the boundary after a FRAM write, or a cut of power directly
//   after it, inside the instruction or the DMA burst (a 20- or 32-bit store is two writes, a byte is one);
//   breakpoints, which cost nothing while the program runs: their decode entries stay empty.
//   Writes are those of the on-chip FRAM, the bytes that an external FRAM stores, or both.
// Not modelled: writes that power loss tears inside one 16-bit word (FRAM completes a word once started, TI
//   SLAT151) or inside one byte of an external FRAM (it stores a byte with its last bit).
#pragma once

#include "types.h"
#include <algorithm>
#include <cstddef>
#include <vector>

namespace sw {

struct PowerCut {}; // thrown directly after the write that was the last one

enum class NvmScope : uint8_t { Chip, External, All };

struct Limits {
    static constexpr uint64_t kNever = ~0ull;

    NvmScope scope = NvmScope::Chip; // which writes count
    uint64_t instructions = kNever;  // stop when that many were executed since load
    uint64_t write_pause = kNever;   // stop at the first boundary with that many FRAM writes
    uint64_t write_cut = kNever;     // cut power directly after that FRAM write
    size_t watch_from = 0;           // log entries from before this run
    bool at_watch = false;           // stop after an instruction that wrote a watched word
    bool at_sleep = false;           // stop when the CPU falls asleep
    bool at_change = false;          // stop one instruction after a brown-out reset or a change of MCLK
    std::vector<uint32_t> breakpoints;

    bool breaks_at(uint32_t pc) const {
        return std::find(breakpoints.begin(), breakpoints.end(), pc) != breakpoints.end();
    }
    uint64_t first_write() const { return std::min(write_pause, write_cut); }
    // A cycle before which the instruction limit cannot be reached: an instruction takes at least one cycle.
    uint64_t next(uint64_t cycles, uint64_t executed) const {
        if (instructions == kNever) return kNever;
        return cycles + (instructions > executed ? instructions - executed : 0);
    }
};

} // namespace sw
