// SPDX-License-Identifier: Apache-2.0
// Arithmetic of the LEA: fractional products, the accumulator and what is kept of it (sim/LEA.md,
// Arithmetic).
//
// Modelled: every reading of what public sources leave open, as options.
// Not modelled: nothing; which reading holds is a question for a board (firmware/tests/lea_probe).
#pragma once

#include "types.h"

namespace sw {

enum class Accumulator : uint8_t { SaturateEnd, Wrap32, Saturate32, Guard40 };
enum class Truncation : uint8_t { Floor, TowardZero };
enum class LongProduct : uint8_t { Truncate, Wide };

constexpr int64_t kMax32 = 0x7FFFFFFF, kMin32 = -0x80000000ll;

inline int64_t clamp_to(int64_t v, int64_t low, int64_t high) {
    return v < low ? low : v > high ? high : v;
}
inline int32_t saturate32(int64_t v) {
    return static_cast<int32_t>(clamp_to(v, kMin32, kMax32));
}
inline int16_t saturate16(int64_t v) {
    return static_cast<int16_t>(clamp_to(v, -0x8000, 0x7FFF));
}
inline int64_t wrap(int64_t v, int bits) { // two's complement of `bits` bits
    uint64_t sign = 1ull << (bits - 1);
    uint64_t kept = static_cast<uint64_t>(v) & ((sign << 1) - 1);
    return static_cast<int64_t>(kept ^ sign) - static_cast<int64_t>(sign);
}
inline int64_t floor_shift(int64_t v, int bits) { // floor(v / 2**bits)
    return v >= 0 ? v >> bits : -((-v + (1ll << bits) - 1) >> bits);
}

// A sum of Q31 terms in the chosen width. Each term is a fractional product, at most 2**31 in magnitude.
struct LeaSum {
    Accumulator kind;
    int64_t value = 0;

    explicit LeaSum(Accumulator k) : kind(k) {}
    void add(int64_t term) {
        switch (kind) {
        case Accumulator::SaturateEnd: value += term; return;
        case Accumulator::Wrap32: value = wrap(value + term, 32); return;
        case Accumulator::Saturate32: value = saturate32(value + saturate32(term)); return;
        case Accumulator::Guard40: value = wrap(value + term, 40); return;
        }
    }
    int32_t q31() const { return saturate32(value); }
};

// The 16 bits of a Q31 value that a command with 16-bit results keeps.
inline int16_t upper_half(int32_t q31, Truncation how, bool round) {
    if (round) return saturate16(floor_shift(static_cast<int64_t>(q31) + 0x8000, 16));
    if (how == Truncation::TowardZero) return static_cast<int16_t>(q31 / 65536);
    return static_cast<int16_t>(floor_shift(q31, 16));
}

} // namespace sw
