// SPDX-License-Identifier: Apache-2.0
// Operands of LEA commands: parameter blocks, legal places, element access (sim/LEA.md, Legal use).
//
// Modelled: bounds [LEAMB, LEAMT), constant ROM, even and non-zero sizes, overlap with output, block and
// stack,
//   uninitialised inputs; each violation raises when the command is written.
// Not modelled: byte addresses that were not multiples of 4 before the firmware shifted them away; the LEA
// never
//   sees those two bits.
#pragma once

#include "machine.h"

namespace sw {

constexpr uint32_t kHalfwordsOfWord = 2;

bool lea_constant(uint32_t word, uint32_t &value); // constant ROM by LEA word address

uint32_t lea_word(const Machine &m, uint32_t word);
inline int16_t lea_half(const Machine &m, uint32_t word, uint32_t half) {
    return static_cast<int16_t>(lea_word(m, word) >> (16 * half));
}
// Element i of a 16-bit vector whose pairs lie `stride` words apart.
inline int16_t lea_element(const Machine &m, const LeaSpan &s, uint32_t i) {
    return lea_half(m, s.first + i / 2 * s.stride, i & 1);
}
inline int32_t lea_long(const Machine &m, const LeaSpan &s, uint32_t i) {
    return static_cast<int32_t>(lea_word(m, s.first + i * s.stride));
}
void lea_put(Machine &m, uint32_t word, uint32_t value);
void lea_put_half(Machine &m, uint32_t word, uint32_t half, int16_t value);

// Reads and checks one parameter block, then the operands it names.
struct LeaReader {
    Machine &m;
    const LeaCommand &c;
    LeaJob job;

    LeaReader(Machine &machine, const LeaCommand &command, uint32_t pms1, uint32_t bytes);
    uint32_t field(uint32_t index) const;
    int16_t scale(uint32_t index) const { return static_cast<int16_t>(field(index)); }
    void even(uint32_t value, const char *what) const; // and not zero
    void some(uint32_t value, const char *what) const; // not zero
    void input(LeaSpan &s, const LeaSpan &value, const char *role,
               int halfwords = 0); // to be initialised: 0 all, -1 none
    void output(uint32_t first, uint32_t count, uint32_t stride = 1);
    void apart(const LeaSpan &in, const char *role) const;         // no word in common with the output
    void apart_or_same(const LeaSpan &in, const char *role) const; // or exactly in place
    void initialised(uint32_t word, uint32_t half) const;

  private:
    void inside(const LeaSpan &s, const char *role) const;
};

} // namespace sw
