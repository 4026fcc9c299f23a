// SPDX-License-Identifier: Apache-2.0
// Words of an instruction and its source operand (SLAU445 4.4, 4.5).
//
// Modelled / Not modelled: see decoder.h.
#include "decoder.h"

namespace sw {

uint32_t Decoder::word() {
    uint8_t region = pc < m.memory.size() ? m.read_region[pc >> kPageShift] : static_cast<uint8_t>(kVacant);
    if (region == kLeaBusy) {
        m.lea.catch_up(m);
        region = m.read_region[pc >> kPageShift];
        if (region == kLeaBusy)
            raise(FaultKind::Lea, pc,
                  "instruction fetch from 0x%05X in LEA RAM while the LEA runs; move the code", pc);
    }
    if (m.mpu.on && (region == kFram || region == kGuarded)) {
        if (!m.mpu.executes(pc)) {
            m.mpu.deny(m, pc, "instruction fetch from");
            throw MpuDenied{};
        }
        region = kFram;
    }
    if (region > kFram)
        raise(FaultKind::Fetch, pc,
              "instruction fetch from 0x%05X, which is %s; the program has lost its way", pc,
              region == kVacant     ? "vacant"
              : region == kReadOnly ? "boot code or a descriptor, not modelled"
                                    : "peripheral space");
    if (region <= kLeaRam && m.load16(m.initialised + pc) != 0x0101)
        raise(FaultKind::Uninitialised, pc,
              "instruction fetch from 0x%05X, which was not written since power-up", pc);
    uint32_t w = m.load16(m.memory.data() + pc);
    pc += 2;
    return w;
}

int32_t Decoder::relative(uint32_t x, uint32_t at, int shift) {
    if (extended) return static_cast<int32_t>((at + (high(shift) | x)) & kAddressMask);
    uint32_t a = at + static_cast<uint32_t>(sign16(x));
    return static_cast<int32_t>(a & (at < 0x10000 ? 0xFFFFu : kAddressMask));
}

Operand Decoder::source(uint32_t as, uint32_t reg, Size size, int shift) {
    Operand o;
    o.reg = static_cast<uint8_t>(reg);
    uint32_t mask = size_mask(size);
    auto constant = [&](uint32_t v) {
        o.mode = Src::Imm;
        o.value = static_cast<int32_t>(v & mask);
        o.constant = true;
        return o;
    };
    if (reg == kCg) {
        constexpr uint32_t kConstant[4] = {0, 1, 2, 0xFFFFF};
        return constant(kConstant[as]);
    }
    if (reg == kSr && as >= 2) return constant(as == 2 ? 4 : 8);
    if (as == 0) {
        if (reg == kPc) return constant(pc); // static: the address behind the opcode
        o.constant = true;
        return o;
    }
    if (as == 1) {
        uint32_t at = pc, x = word();
        if (reg == kSr) {
            o.mode = Src::Abs;
            o.cost = Cost::Absolute;
            o.value = static_cast<int32_t>(high(shift) | x);
        } else if (reg == kPc) {
            o.mode = Src::Abs;
            o.cost = Cost::Symbolic;
            o.value = relative(x, at, shift);
        } else {
            o.mode = Src::Idx;
            o.cost = Cost::Indexed;
            o.value = index_value(x, shift);
        }
        return o;
    }
    if (reg == kPc) {
        if (as == 2) { // @PC: the word behind, not skipped
            o.mode = Src::Abs;
            o.cost = Cost::Indirect;
            o.value = static_cast<int32_t>(pc);
            return o;
        }
        o.mode = Src::Imm;
        o.cost = Cost::Immediate;
        o.value = static_cast<int32_t>((high(shift) | word()) & mask);
        return o;
    }
    o.mode = as == 2 ? Src::Ind : Src::Inc;
    o.cost = as == 2 ? Cost::Indirect : Cost::Increment;
    return o;
}

} // namespace sw
