// SPDX-License-Identifier: Apache-2.0
// Addressing modes at run time (SLAU445 4.4).
//
// Modelled: wrap of 16-bit indexed addresses when the base lies below 64 KB, full 20-bit otherwise;
// autoincrement
//   by operand size, SP always by at least 2. PC-relative modes are absolute after decoding.
// Not modelled: nothing.
#pragma once

#include "machine.h"

namespace sw {

enum class Src : uint8_t { Reg, Imm, Ind, Inc, Idx, Abs };
enum class Dst : uint8_t { Reg, Idx, Abs, Special }; // Special: PC, SR or R3 in register mode

inline uint32_t indexed(const Machine &m, uint8_t base, int32_t x, uint32_t low) {
    uint32_t b = m.r[base];
    return (b + static_cast<uint32_t>(x)) & (b < 0x10000 ? low : kAddressMask);
}

template <Size S> inline uint32_t increment(uint8_t reg) {
    return S == Size::A ? 4 : S == Size::W || reg == kSp ? 2 : 1;
}

template <Size S, Src M> inline uint32_t load_source(Machine &m, const Op *op) {
    if constexpr (M == Src::Reg) return m.r[op->rs] & size_mask(S);
    if constexpr (M == Src::Imm) return static_cast<uint32_t>(op->src);
    if constexpr (M == Src::Ind) return m.read<S>(m.r[op->rs]);
    if constexpr (M == Src::Inc) {
        uint32_t a = m.r[op->rs];
        uint32_t v = m.read<S>(a);
        m.r[op->rs] = (a + increment<S>(op->rs)) & kAddressMask;
        return v;
    }
    if constexpr (M == Src::Idx) return m.read<S>(indexed(m, op->rs, op->src, op->low));
    return m.read<S>(static_cast<uint32_t>(op->src));
}

inline const Op *following(const Op *op) {
    return op + op->words;
}
inline uint32_t pc_after(const Machine &m, const Op *op) {
    return static_cast<uint32_t>(following(op) - m.ops.data()) * 2;
}

} // namespace sw
