// SPDX-License-Identifier: Apache-2.0
// Arithmetic, logic and status bits for one operand size (SLAU445 4.6.2).
//
// Modelled: the twelve two-operand operations and the four one-operand operations with C, Z, N, V.
// Not modelled: DADD of operands that are not BCD (the result is deterministic, silicon's is undefined).
// ASSUMPTION undefined-v: V after DADD is left as it was (the guide says undefined).
#pragma once

#include "machine.h"

namespace sw {

enum class Alu : uint8_t { Mov, Add, Addc, Subc, Sub, Cmp, Dadd, Bit, Bic, Bis, Xor, And }; // opcode - 4
enum class Unary : uint8_t { Rrc, Swpb, Rra, Sxt }; // format II opcode

constexpr bool alu_reads(Alu o) {
    return o != Alu::Mov;
}
constexpr bool alu_writes(Alu o) {
    return o != Alu::Cmp && o != Alu::Bit;
}

inline void set_flags(Machine &m, uint32_t cznv) {
    m.r[kSr] = (m.r[kSr] & ~(kC | kZ | kN | kV)) | cznv;
}

template <Size S> constexpr uint32_t zn(uint32_t res) {
    return (res == 0 ? kZ : 0) | ((res >> (size_bits(S) - 1)) & 1) << 2;
}

template <Size S> inline uint32_t add_with(Machine &m, uint32_t a, uint32_t b, uint32_t carry_in) {
    uint32_t wide = a + b + carry_in;
    uint32_t res = wide & size_mask(S);
    uint32_t overflow = ((a ^ wide) & (b ^ wide)) >> (size_bits(S) - 1) & 1;
    set_flags(m, ((wide >> size_bits(S)) & 1) | zn<S>(res) | overflow << 8);
    return res;
}

template <Size S> inline uint32_t dadd(Machine &m, uint32_t a, uint32_t b) {
    uint32_t carry = m.r[kSr] & kC, res = 0;
    for (int shift = 0; shift < size_bits(S); shift += 4) {
        uint32_t digit = ((a >> shift) & 0xF) + ((b >> shift) & 0xF) + carry;
        carry = digit > 9;
        if (carry) digit += 6;
        res |= (digit & 0xF) << shift;
    }
    set_flags(m, carry | zn<S>(res) | (m.r[kSr] & kV));
    return res;
}

// Both operands are already masked to the size; so is the result.
template <Alu O, Size S> inline uint32_t alu(Machine &m, uint32_t src, uint32_t dst) {
    constexpr uint32_t kMask = size_mask(S);
    if constexpr (O == Alu::Mov) return src;
    if constexpr (O == Alu::Add) return add_with<S>(m, dst, src, 0);
    if constexpr (O == Alu::Addc) return add_with<S>(m, dst, src, m.r[kSr] & kC);
    if constexpr (O == Alu::Subc) return add_with<S>(m, dst, ~src & kMask, m.r[kSr] & kC);
    if constexpr (O == Alu::Sub || O == Alu::Cmp) return add_with<S>(m, dst, ~src & kMask, 1);
    if constexpr (O == Alu::Dadd) return dadd<S>(m, dst, src);
    if constexpr (O == Alu::Bic) return dst & ~src;
    if constexpr (O == Alu::Bis) return dst | src;
    if constexpr (O == Alu::Bit || O == Alu::And) {
        uint32_t res = dst & src;
        set_flags(m, zn<S>(res) | (res != 0 ? kC : 0));
        return res;
    }
    if constexpr (O == Alu::Xor) {
        uint32_t res = dst ^ src;
        bool both_negative = dst & src & size_msb(S);
        set_flags(m, zn<S>(res) | (res != 0 ? kC : 0) | (both_negative ? kV : 0));
        return res;
    }
    return 0;
}

// `full` is the whole 20-bit register or the memory operand; `in_register` matters for SXT and SWPB only.
template <Unary O, Size S> inline uint32_t unary(Machine &m, uint32_t full, bool in_register) {
    uint32_t v = full & size_mask(S);
    if constexpr (O == Unary::Rrc) {
        uint32_t res = v >> 1 | (m.r[kSr] & kC) << (size_bits(S) - 1);
        set_flags(m, (v & 1) | zn<S>(res));
        return res;
    }
    if constexpr (O == Unary::Rra) {
        uint32_t res = v >> 1 | (v & size_msb(S));
        set_flags(m, (v & 1) | zn<S>(res));
        return res;
    }
    if constexpr (O == Unary::Swpb) { // .W clears bits 19:16, .A keeps them
        uint32_t res = (v & 0xFF) << 8 | (v >> 8 & 0xFF);
        return S == Size::A ? res | (v & 0xF0000) : res;
    }
    // SXT: bit 7 goes to 19:8 of a register, also in word mode (SLAU445 4.6.2.48), and to 15:8 of a memory
    // word
    uint32_t res = (v & 0xFF) | (v & 0x80 ? 0xFFF00 : 0);
    if (!in_register) res &= size_mask(S);
    set_flags(m, (res == 0 ? kZ : 0) | (v & 0x80 ? kN : 0) | (res != 0 ? kC : 0));
    return res;
}

} // namespace sw
