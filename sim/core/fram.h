// SPDX-License-Identifier: Apache-2.0
// FRAM controller FRCTL_A with its read cache.
//
// Modelled: NWAITS, password, FRPWR bits as storage; 2-way cache of four 64-bit lines, LRU, set = address bit
// 3,
//   shared by instruction fetch, CPU data reads and DMA reads; write-around with invalidation on a hit; a
//   miss and a write cost NWAITS cycles each (measured: +1.0 cycle per line and per written word at NWAITS =
//   1).
// ASSUMPTION fram-write-wait: the write cost; ASSUMPTION cache-order: words of an instruction before its
// operands. Not modelled: AUTO mode, WPROT, bit-error injection and its interrupts (setting those bits
// raises).
#pragma once

#include "types.h"
#include <utility>

namespace sw {

struct Machine;

struct Cache {
    static constexpr uint32_t kEmpty = 0xFFFFFFFF;
    uint32_t mru[2] = {kEmpty, kEmpty};
    uint32_t lru[2] = {kEmpty, kEmpty};

    // True on a hit. `line` is address >> 3; consecutive lines fall into different sets.
    bool touch(uint32_t line) {
        uint32_t set = line & 1;
        if (SW_LIKELY(mru[set] == line)) return true;
        bool hit = lru[set] == line;
        lru[set] = mru[set];
        mru[set] = line;
        return hit;
    }
    void invalidate(uint32_t line) {
        uint32_t set = line & 1;
        if (SW_UNLIKELY(mru[set] == line)) {
            mru[set] = lru[set];
            lru[set] = kEmpty;
        } else if (SW_UNLIKELY(lru[set] == line)) {
            lru[set] = kEmpty;
        }
    }
};

struct Frctl {
    Cache cache;
    uint32_t nwaits = 0; // FRCTL0.NWAITS, reset value 0
    bool unlocked = false;
    uint16_t gcctl0 = 0x0004; // FRPWR set after reset
    uint16_t gcctl1 = 0;

    void reset() { *this = Frctl{}; }
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);
};

} // namespace sw
