// SPDX-License-Identifier: Apache-2.0
// One predecoded instruction, and the table that holds one entry per word address.
//
// Modelled: `fn == nullptr` means "not decoded yet"; a write to any word of an instruction clears its entry.
// Not modelled: prefetch. An instruction that overwrites the next one takes effect at once
//   (ASSUMPTION prefetch:).
#pragma once

#include "types.h"
#include <cstddef>

namespace sw {

struct Machine;
struct Op;

// Executes one instruction; returns the next one.
using Handler = const Op *(*)(Machine &, const Op *);

struct Op {
    Handler fn;       // nullptr: decode first
    int32_t src;      // immediate, absolute address, index or jump distance in entries
    int32_t dst;      // absolute address or index; repeat descriptor in register mode
    uint32_t line;    // FRAM line (address >> 3) of the first word
    uint32_t low;     // address mask of indexed modes when the base register is below 64 KB
    uint8_t rs, rd;   // register numbers
    uint8_t words;    // length
    uint8_t cycles;   // MCLK cycles without wait states
    uint8_t region;   // Region of the code
    uint8_t straddle; // 1 when the instruction reaches into line + 1
    uint8_t n;        // count of PUSHM, POPM, RRxM
    uint8_t early;    // 1 when the source is read in the second cycle (@Rn, @Rn+), else the third
};
static_assert(sizeof(void *) != 8 || sizeof(Op) == 32, "one half cache line on 64-bit hosts");

// Zeroed pages from the operating system: only what is executed becomes resident, and a copy starts empty.
class OpTable {
  public:
    OpTable() = default;
    OpTable(const OpTable &) {}
    OpTable &operator=(const OpTable &) {
        release();
        return *this;
    }
    ~OpTable() { release(); }

    Op *reserve(size_t entries); // allocates on first use
    Op *data() const { return data_; }
    void release();

  private:
    Op *data_ = nullptr;
    size_t bytes_ = 0;
};

} // namespace sw
