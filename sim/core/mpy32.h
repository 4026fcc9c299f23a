// SPDX-License-Identifier: Apache-2.0
// Hardware multiplier MPY32, base 0x4C0.
//
// Modelled: 16x16, 32x16, 16x32 and 32x32 bit, signed and unsigned, multiply and multiply-accumulate; 8-bit
//   operands through byte writes to the 16-bit operand registers; RES0-RES3, SUMEXT, MPYC; result latency.
// Not modelled (raise): MPYFRAC, MPYSAT, MPYDLYWRTEN, MPYDLY32, 24-bit operands (byte writes to the 32-bit
//   operand registers), RES2/RES3 after a 16x16 multiply-accumulate.
#pragma once

#include "types.h"

namespace sw {

struct Machine;

struct Mpy32 {
    uint64_t result = 0;
    uint32_t op1 = 0, op2 = 0;
    uint8_t mode = 0; // 0 MPY, 1 MPYS, 2 MAC, 3 MACS: the code of MPYM
    bool op1_32 = false, op2_32 = false;
    bool carry = false; // MPYC
    bool upper_known = true;
    uint16_t sumext = 0;
    uint64_t ready[4] = {}; // cycle from which RES0..RES3 may be read
    uint64_t low_written = 0;

    void reset() { *this = Mpy32{}; }
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);

  private:
    void start(Machine &m, bool wide2);
    void set_op1(uint32_t selector, uint16_t value, uint16_t lanes);
};

} // namespace sw
