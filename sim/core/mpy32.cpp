// SPDX-License-Identifier: Apache-2.0
// Arithmetic and registers of MPY32 (TI header msp430fr5994.h; SLAU367P chapter 5).
//
// Modelled / Not modelled: see mpy32.h.
// ASSUMPTION mpy32-latency: the latencies of SLAU367P table 5-5 (fractional mode) hold in normal mode too; in
//   saturation mode RES0-RES3 of a wide operation are ready together with RES3 (5.2.4.2). Reading too early
//   raises; silicon would return a stale value.
// ASSUMPTION mpy32-carry: MPYC of MACS is the sign of the exact sum, the only reading under which a carry
//   that differs from SUMEXT means overflow (5.2.2.1); MPYC of MAC is the carry.
// ASSUMPTION mpy32-saturation: MPYC and the top bits decide about saturation in unsigned operations too
//   (figures 5-3 to 5-5 were not read; the examples of 5.2.4.2 and 5.2.5 are tests).
// ASSUMPTION mpy32-high-word: OP2H starts an operation with whatever OP2L holds (an interrupt routine that
//   restores both may come in between).
// ASSUMPTION mpy32-delay: a delayed write holds its bus master until RES3 is ready, with MPYDLY32 until RES1.
#include "mpy32.h"
#include "machine.h"

#include <algorithm>

namespace sw {

namespace {

constexpr uint16_t kMpyC = 1u << 0, kMpyFrac = 1u << 2, kMpySat = 1u << 3;
constexpr uint16_t kOp1Wide = 1u << 6, kOp2Wide = 1u << 7, kDelay = 1u << 8, kDelay32 = 1u << 9;
constexpr int kMpyM = 4; // MPYM 5:4

[[noreturn]] SW_COLD void too_early(uint32_t address, uint64_t missing) {
    raise(
        FaultKind::NotReady, address,
        "MPY32 result register 0x%05X accessed %u cycle(s) before it is ready; silicon gives a stale value; "
        "insert a NOP or use absolute addressing",
        address, static_cast<unsigned>(missing));
}

uint64_t limit(bool negative, int bits) {
    uint64_t top = 1ull << (bits - 1);
    return negative ? top : top - 1;
}

// The result clipped to its signed range, if the bit above it (MPYC) says that it left that (5.2.4.2).
uint64_t saturated(uint64_t value, bool negative, int bits) {
    bool top = value >> (bits - 1) & 1;
    return top == negative ? value : (bits == 32 ? value >> 32 << 32 : 0) | limit(negative, bits);
}

// A byte is extended to 16 bits, by its sign in signed modes (5.2.3).
uint16_t operand(uint32_t address, uint16_t value, uint16_t lanes, bool is_signed) {
    if (lanes == 0xFFFF) return value;
    if (lanes == 0xFF00)
        raise(FaultKind::Unmodelled, address + 1, "byte write to the high byte of an MPY32 operand");
    return is_signed ? static_cast<uint16_t>(static_cast<int8_t>(value))
                     : static_cast<uint16_t>(value & 0xFF);
}

} // namespace

void Mpy32::start(Machine &m, bool wide2) {
    op2_32 = wide2;
    if (wide()) {
        start_wide(m, wide2);
    } else {
        uint64_t now = m.n.cycles;
        bool is_signed = mode & 1;
        int64_t product = is_signed ? int64_t{static_cast<int16_t>(op1)} * static_cast<int16_t>(op2)
                                    : static_cast<int64_t>(uint64_t{op1 & 0xFFFF} * (op2 & 0xFFFF));
        if (mode & 2) {
            if (SW_UNLIKELY(now < ready[1])) too_early(0x4C8, ready[1] - now);
            if (SW_UNLIKELY(saturating)) result = saturated(result, carry, 32);
            uint32_t low = static_cast<uint32_t>(result);
            int64_t sum = (is_signed ? int64_t{static_cast<int32_t>(low)} : int64_t{low}) + product;
            carry = sum >> 32 & 1;
            result = (result & 0xFFFFFFFF00000000ull) | static_cast<uint32_t>(sum);
            upper_known = false;
        } else {
            result = static_cast<uint64_t>(product);
            carry = product < 0; // MPY: never
            upper_known = true;
        }
        ready[0] = ready[1] = now + 3;
        ready[2] = ready[3] = now + 4;
    }
    if (SW_UNLIKELY(m.dma.listens(Dma::kMpyTrigger))) m.schedule(Ev::Mpy, wide() ? ready[3] : ready[1]);
}

void Mpy32::start_wide(Machine &m, bool wide2) {
    uint64_t now = m.n.cycles;
    bool is_signed = mode & 1;
    auto extend = [is_signed](uint32_t v, bool wide) -> uint64_t {
        if (!is_signed) return wide ? v : v & 0xFFFF;
        int64_t s = wide ? static_cast<int64_t>(static_cast<int32_t>(v))
                         : static_cast<int64_t>(static_cast<int16_t>(v));
        return static_cast<uint64_t>(s);
    };
    uint64_t product = extend(op1, op1_32) * extend(op2, wide2);
    if (mode & 2) {
        if (!upper_known)
            raise(FaultKind::Unmodelled, 0x4E8,
                  "32-bit multiply-accumulate after a 16x16 one: RES2 and RES3 are not known; write them "
                  "first");
        if (now < ready[3]) too_early(0x4E0, ready[3] - now);
        if (saturating) result = saturated(result, carry, 64);
        uint64_t sum = result + product;
        bool over = sum < result;
        // sign of the 65-bit sum of the sign-extended terms, else the carry
        carry = is_signed ? ((result >> 63) + (product >> 63) + (over ? 1 : 0)) & 1 : over;
        result = sum;
    } else {
        result = product;
        carry = is_signed && product >> 63;
        upper_known = true;
    }
    // Table 5-5: after OP2 or OP2L, and after OP2H
    constexpr uint64_t kAfterLow[2][4] = {{3, 5, 6, 7}, {3, 8, 10, 11}};
    constexpr uint64_t kAfterHigh[2][4] = {{0, 3, 4, 4}, {0, 3, 5, 6}};
    for (int k = 0; k < 4; ++k)
        ready[k] = wide2 ? std::max(low_written + kAfterLow[op1_32][k], now + kAfterHigh[op1_32][k])
                         : now + kAfterLow[0][k];
}

// RES3:RES0 as software sees it (5.2.4): saturated, shifted, or both.
uint64_t Mpy32::presented() const {
    int bits = wide() ? 64 : 32;
    uint64_t out = saturating ? saturated(result, carry, bits) : result;
    if (!fractional) return out;
    if (saturating && out != result) return out;
    bool next = out >> (bits - 2) & 1; // becomes the sign
    return saturating && next != carry ? limit(carry, bits) : out << 1;
}

// From RES, MPYC and the mode, never stored: an interrupt routine can restore those (5.2.2, 5.2.4.1).
uint16_t Mpy32::sumext() const {
    bool top = result >> (wide() ? 63 : 31) & 1;
    if (fractional) {
        if (!(mode & 1))
            raise(FaultKind::Unmodelled, 0x4CE,
                  "SUMEXT of an unsigned operation in fractional mode; the guide defines it for signed ones");
        return static_cast<uint16_t>((carry ? 0xFFFE : 0) | (top ? 1 : 0));
    }
    if (mode == 0) return 0;
    if (mode == 2) return carry ? 1 : 0;
    return top ? 0xFFFF : 0;
}

uint16_t Mpy32::control() const {
    return static_cast<uint16_t>((carry ? kMpyC : 0) | (fractional ? kMpyFrac : 0) |
                                 (saturating ? kMpySat : 0) | (mode << kMpyM) | (op1_32 ? kOp1Wide : 0) |
                                 (op2_32 ? kOp2Wide : 0) | (delayed ? kDelay : 0) |
                                 (delayed_32 ? kDelay32 : 0));
}

uint64_t Mpy32::time_of(int word) const {
    return saturating && wide() ? ready[3] : ready[word];
}

uint16_t Mpy32::read(Machine &m, uint32_t address) {
    auto await = [&](uint64_t when) {
        // @Rn reads its operand in the second cycle of the instruction, x(Rn) and &abs in the third
        // (SLAU445 4.5.1)
        uint64_t at = m.in_dma ? m.n.cycles : m.n.cycles - m.op->cycles + (m.op->early ? 2 : 3);
        if (SW_UNLIKELY(at < when)) too_early(address, when - at);
    };
    auto word = [&](int k) -> uint16_t {
        if (SW_LIKELY(k < 2 && !fractional && !saturating)) {
            await(ready[k]);
            return static_cast<uint16_t>(result >> (16 * k));
        }
        await(time_of(k));
        if (k >= 2 && (!upper_known || (saturating && !wide())))
            raise(FaultKind::Unmodelled, address, "RES%d read after a 16x16 %s; its contents are not known",
                  k, upper_known ? "operation in saturation mode" : "multiply-accumulate");
        return static_cast<uint16_t>(presented() >> (16 * k));
    };
    switch (address) {
    case 0x4CA:
    case 0x4E4: return word(0);
    case 0x4CC:
    case 0x4E6: return word(1);
    case 0x4E8: return word(2);
    case 0x4EA: return word(3);
    case 0x4CE: await(wide() ? ready[3] : ready[1]); return sumext();
    case 0x4C0:
    case 0x4C2:
    case 0x4C4:
    case 0x4C6:
    case 0x4D0:
    case 0x4D4:
    case 0x4D8:
    case 0x4DC: return static_cast<uint16_t>(op1);
    case 0x4D2:
    case 0x4D6:
    case 0x4DA:
    case 0x4DE: return static_cast<uint16_t>(op1 >> 16);
    case 0x4C8:
    case 0x4E0: return static_cast<uint16_t>(op2);
    case 0x4E2: return static_cast<uint16_t>(op2 >> 16);
    case 0x4EC: await(wide() ? ready[3] : ready[1]); return control(); // MPYC is part of the result
    default: raise(FaultKind::Unmodelled, address, "MPY32 has no register at 0x%05X", address);
    }
}

void Mpy32::write_result(Machine &m, uint32_t address, int word, uint16_t value) {
    if (m.n.cycles < ready[word]) too_early(address, ready[word] - m.n.cycles);
    result = (result & ~(0xFFFFull << (16 * word))) | (static_cast<uint64_t>(value) << (16 * word));
    if (word == 3) upper_known = true; // RES2 and RES3 are written as a pair in this order
}

void Mpy32::write_control(uint16_t value) {
    carry = value & kMpyC;
    fractional = value & kMpyFrac;
    saturating = value & kMpySat;
    mode = (value >> kMpyM) & 3;
    op1_32 = value & kOp1Wide;
    op2_32 = value & kOp2Wide;
    delayed = value & kDelay;
    delayed_32 = value & kDelay32;
}

void Mpy32::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    if (SW_UNLIKELY(delayed)) {
        uint64_t until = delayed_32 ? ready[1] : ready[3];
        if (m.n.cycles < until) {
            m.n.wait_cycles += until - m.n.cycles;
            m.n.cycles = until;
        }
    }
    if (address <= 0x4C6) {
        mode = static_cast<uint8_t>((address - 0x4C0) / 2);
        op1_32 = false;
        op1 = operand(address, value, lanes, mode & 1);
        return;
    }
    if (address == 0x4C8) {
        op2 = operand(address, value, lanes, mode & 1);
        return start(m, false);
    }
    bool high_operand = (address >= 0x4D0 && address <= 0x4DE && (address & 2)) || address == 0x4E2;
    if (lanes != 0xFFFF && !high_operand && address != 0x4EC)
        raise(FaultKind::Unmodelled, address, "byte write to MPY32 register 0x%05X; write words", address);
    switch (address) {
    case 0x4CA:
    case 0x4E4: return write_result(m, address, 0, value);
    case 0x4CC:
    case 0x4E6: return write_result(m, address, 1, value);
    case 0x4E8: return write_result(m, address, 2, value);
    case 0x4EA: return write_result(m, address, 3, value);
    case 0x4D0:
    case 0x4D4:
    case 0x4D8:
    case 0x4DC: // 16 bits wide unless the high word follows (5.2.1)
        mode = static_cast<uint8_t>((address - 0x4D0) / 4);
        op1 = (op1 & 0xFFFF0000u) | value;
        op1_32 = false;
        return;
    case 0x4D2:
    case 0x4D6:
    case 0x4DA:
    case 0x4DE:
        mode = static_cast<uint8_t>((address - 0x4D2) / 4);
        op1 = (op1 & 0xFFFFu) | uint32_t{operand(address, value, lanes, mode & 1)} << 16;
        op1_32 = true;
        return;
    case 0x4E0:
        op2 = (op2 & 0xFFFF0000u) | value;
        low_written = m.n.cycles;
        return;
    case 0x4E2:
        op2 = (op2 & 0xFFFFu) | uint32_t{operand(address, value, lanes, mode & 1)} << 16;
        return start(m, true);
    case 0x4EC: return write_control(static_cast<uint16_t>((control() & ~lanes) | (value & lanes)));
    default: raise(FaultKind::Unmodelled, address, "MPY32 register 0x%05X cannot be written", address);
    }
}

} // namespace sw
