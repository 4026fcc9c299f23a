// SPDX-License-Identifier: Apache-2.0
// Hardware multiplier MPY32, base 0x4C0.
//
// Modelled: every pair of 8-, 16-, 24- and 32-bit operands, signed and unsigned, multiply and accumulate;
//   fractional and saturation mode; SUMEXT, MPYC, MPYM, OP1_32, OP2_32 (also written back after an
//   interrupt); result latency; delayed writes (MPYDLYWRTEN, MPYDLY32); DMA trigger 29.
// Not modelled (raise): RES2 and RES3 after a 16x16 multiply-accumulate and in saturation mode, SUMEXT of
//   unsigned operations in fractional mode, byte writes that SLAU367 does not list.
#pragma once

#include "types.h"

namespace sw {

struct Machine;

struct Mpy32 {
    uint64_t result = 0; // RES3:RES0 as the multiplier left it, neither shifted nor saturated
    uint32_t op1 = 0, op2 = 0;
    uint8_t mode = 0; // MPYM: 0 MPY, 1 MPYS, 2 MAC, 3 MACS
    bool op1_32 = false, op2_32 = false;
    bool carry = false; // MPYC
    bool upper_known = true;
    bool fractional = false, saturating = false; // MPYFRAC, MPYSAT
    bool delayed = false, delayed_32 = false;    // MPYDLYWRTEN, MPYDLY32
    uint64_t ready[4] = {};                      // cycle from which RES0..RES3 may be read
    uint64_t low_written = 0;                    // cycle of the write to OP2L

    void reset() { *this = Mpy32{}; }
    bool wide() const { return op1_32 || op2_32; } // the result has 64 bits, else 32
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);

  private:
    void start(Machine &m, bool wide2);
    void start_wide(Machine &m, bool wide2);
    uint64_t presented() const;
    uint16_t sumext() const;
    uint16_t control() const;
    uint64_t time_of(int word) const;
    void write_control(uint16_t value);
    void write_result(Machine &m, uint32_t address, int word, uint16_t value);
};

} // namespace sw
