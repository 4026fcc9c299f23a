// SPDX-License-Identifier: Apache-2.0
// Arithmetic and registers of MPY32 (TI header msp430fr5994.h; SLAU367 MPY32 chapter).
//
// Modelled / Not modelled: see mpy32.h.
// ASSUMPTION mpy32-latency: result latencies in MCLK (16x16: 3,3,4,4; 32x16: 3,5,6,7 after OP2; 16x32 -,3,4,4
// and 32x32
// -,3,5,6 after OP2H) are recalled from SLAU367. Reading too early raises; silicon would return a stale
// value.
#include "mpy32.h"
#include "machine.h"

namespace sw {

namespace {

// SUMEXT and MPYC (SLAU367 MPY32, table "SUMEXT and MPYC contents"): MPY 0, 0; MPYS sign, sign;
// MAC carry, carry; MACS sign, carry.
void set_extension(Mpy32 &p, bool negative, bool carry) {
    switch (p.mode) {
    case 0:
        p.sumext = 0;
        p.carry = false;
        break;
    case 1:
        p.sumext = negative ? 0xFFFF : 0;
        p.carry = negative;
        break;
    case 2:
        p.sumext = carry ? 1 : 0;
        p.carry = carry;
        break;
    default:
        p.sumext = negative ? 0xFFFF : 0;
        p.carry = carry;
        break;
    }
}

[[noreturn]] SW_COLD void too_early(uint32_t address, uint64_t missing) {
    raise(
        FaultKind::NotReady, address,
        "MPY32 result register 0x%05X accessed %u cycle(s) before it is ready; silicon gives a stale value; "
        "insert a NOP or use absolute addressing",
        address, static_cast<unsigned>(missing));
}

} // namespace

void Mpy32::start(Machine &m, bool wide2) {
    op2_32 = wide2;
    uint64_t now = m.n.cycles;
    bool is_signed = mode & 1;
    bool accumulate = mode & 2;
    if (!op1_32 && !wide2) {
        uint32_t product = is_signed ? static_cast<uint32_t>(static_cast<int32_t>(static_cast<int16_t>(op1)) *
                                                             static_cast<int16_t>(op2))
                                     : (op1 & 0xFFFF) * (op2 & 0xFFFF);
        uint64_t low = product;
        bool carry_out = false;
        if (accumulate) {
            if (SW_UNLIKELY(now < ready[1])) too_early(0x4C8, ready[1] - now);
            low = static_cast<uint64_t>(static_cast<uint32_t>(result)) + product;
            carry_out = low >> 32;
            result = (result & 0xFFFFFFFF00000000ull) | static_cast<uint32_t>(low);
            upper_known = false;
        } else {
            result =
                is_signed ? static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(product))) : low;
            upper_known = true;
        }
        set_extension(*this, (low >> 31) & 1, carry_out);
        ready[0] = ready[1] = now + 3;
        ready[2] = ready[3] = now + 4;
        return;
    }
    auto extend = [is_signed](uint32_t v, bool wide) -> uint64_t {
        if (!is_signed) return wide ? v : v & 0xFFFF;
        int64_t s = wide ? static_cast<int64_t>(static_cast<int32_t>(v))
                         : static_cast<int64_t>(static_cast<int16_t>(v));
        return static_cast<uint64_t>(s);
    };
    uint64_t product = extend(op1, op1_32) * extend(op2, wide2);
    bool carry_out = false;
    if (accumulate) {
        if (!upper_known)
            raise(FaultKind::Unmodelled, 0x4E8,
                  "32-bit multiply-accumulate after a 16x16 one: RES2 and RES3 are not known; write them "
                  "first");
        if (now < ready[3]) too_early(0x4E0, ready[3] - now);
        uint64_t sum = result + product;
        carry_out = sum < result;
        result = sum;
    } else {
        result = product;
        upper_known = true;
    }
    set_extension(*this, result >> 63, carry_out);
    if (!wide2) { // 32x16, counted from OP2
        ready[0] = now + 3;
        ready[1] = now + 5;
        ready[2] = now + 6;
        ready[3] = now + 7;
    } else {
        ready[0] = low_written + 3;
        ready[1] = now + 3;
        ready[2] = now + (op1_32 ? 5 : 4);
        ready[3] = now + (op1_32 ? 6 : 4);
    }
}

void Mpy32::set_op1(uint32_t selector, uint16_t value, uint16_t lanes) {
    mode = static_cast<uint8_t>(selector);
    op1_32 = false;
    if (lanes == 0xFF00)
        raise(FaultKind::Unmodelled, 0x4C1, "byte write to the high byte of an MPY32 operand");
    if (lanes == 0x00FF)
        value = (mode & 1) ? static_cast<uint16_t>(static_cast<int8_t>(value))
                           : static_cast<uint16_t>(value & 0xFF);
    op1 = value;
}

uint16_t Mpy32::read(Machine &m, uint32_t address) {
    auto checked = [&](int k) -> uint16_t {
        // @Rn reads its operand in the second cycle of the instruction, x(Rn) and &abs in the third
        // (SLAU445 4.5.1)
        uint64_t at = m.in_dma ? m.n.cycles : m.n.cycles - m.op->cycles + (m.op->early ? 2 : 3);
        if (SW_UNLIKELY(at < ready[k])) too_early(address, ready[k] - at);
        if (SW_UNLIKELY(k >= 2 && !upper_known))
            raise(FaultKind::Unmodelled, address,
                  "RES%d read after a 16x16 multiply-accumulate; its contents are not known", k);
        return static_cast<uint16_t>(result >> (16 * k));
    };
    switch (address) {
    case 0x4CA:
    case 0x4E4: return checked(0);
    case 0x4CC:
    case 0x4E6: return checked(1);
    case 0x4E8: return checked(2);
    case 0x4EA: return checked(3);
    case 0x4CE: checked(1); return sumext;
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
    case 0x4EC:
        return static_cast<uint16_t>((carry ? 1 : 0) | (mode << 4) | (op1_32 ? 0x40 : 0) |
                                     (op2_32 ? 0x80 : 0));
    default: raise(FaultKind::Unmodelled, address, "MPY32 has no register at 0x%05X", address);
    }
}

void Mpy32::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    if (address <= 0x4C6) return set_op1((address - 0x4C0) / 2, value, lanes);
    if (address == 0x4C8) {
        if (lanes == 0xFF00)
            raise(FaultKind::Unmodelled, address, "byte write to the high byte of an MPY32 operand");
        if (lanes == 0x00FF)
            value = (mode & 1) ? static_cast<uint16_t>(static_cast<int8_t>(value))
                               : static_cast<uint16_t>(value & 0xFF);
        op2 = value;
        return start(m, false);
    }
    if (lanes != 0xFFFF)
        raise(FaultKind::Unmodelled, address,
              "byte write to MPY32 register 0x%05X: 24-bit operands are not modelled; write words", address);
    auto part = [&](int k) {
        result = (result & ~(0xFFFFull << (16 * k))) | (static_cast<uint64_t>(value) << (16 * k));
        if (m.n.cycles < ready[k]) too_early(address, ready[k] - m.n.cycles);
    };
    switch (address) {
    case 0x4CA:
    case 0x4E4: part(0); return;
    case 0x4CC:
    case 0x4E6: part(1); return;
    case 0x4E8: // RES2 and RES3 are written as a pair in this order
        part(2);
        return;
    case 0x4EA:
        part(3);
        upper_known = true;
        return;
    case 0x4D0:
    case 0x4D4:
    case 0x4D8:
    case 0x4DC:
        mode = static_cast<uint8_t>((address - 0x4D0) / 4);
        op1 = (op1 & 0xFFFF0000u) | value;
        op1_32 = true;
        return;
    case 0x4D2:
    case 0x4D6:
    case 0x4DA:
    case 0x4DE:
        mode = static_cast<uint8_t>((address - 0x4D2) / 4);
        op1 = (op1 & 0xFFFFu) | static_cast<uint32_t>(value) << 16;
        op1_32 = true;
        return;
    case 0x4E0:
        op2 = (op2 & 0xFFFF0000u) | value;
        low_written = m.n.cycles;
        return;
    case 0x4E2: op2 = (op2 & 0xFFFFu) | static_cast<uint32_t>(value) << 16; return start(m, true);
    case 0x4EC:
        if (value & ~0x00F1u)
            raise(FaultKind::Unmodelled, address,
                  "MPY32CTL0 = 0x%04X enables fractional, saturation or delayed-write mode, which is not "
                  "modelled",
                  value);
        carry = value & 1;
        mode = (value >> 4) & 3;
        op1_32 = value & 0x40;
        op2_32 = value & 0x80;
        return;
    default: raise(FaultKind::Unmodelled, address, "MPY32 register 0x%05X cannot be written", address);
    }
}

} // namespace sw
