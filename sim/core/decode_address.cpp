// SPDX-License-Identifier: Apache-2.0
// Opcodes below 0x1800 that only the MSP430X has, and RETI (SLAU445 4.6.2, 4.6.4).
//
// Modelled / Not modelled: see decoder.h.
#include "decoder.h"

namespace sw {

void Decoder::reti_calla(uint32_t w) {
    if (w == 0x1300) return set(reti(), kCyclesReti);
    uint32_t reg = w & 0xF;
    Operand o;
    o.reg = static_cast<uint8_t>(reg);
    bool special = reg == kPc || reg == kSr || reg == kCg;
    op.low = kAddressMask;
    switch (w >> 4 & 0xF) {
    case 4: break;
    case 5:
        o.mode = Src::Idx;
        o.cost = Cost::Indexed;
        o.value = sign16(word());
        break;
    case 6:
        o.mode = Src::Ind;
        o.cost = Cost::Indirect;
        break;
    case 7:
        o.mode = Src::Inc;
        o.cost = Cost::Increment;
        break;
    case 8:
        o.mode = Src::Abs;
        o.cost = Cost::Absolute;
        o.value = static_cast<int32_t>(reg << 16 | word());
        special = false;
        break;
    case 9: {
        uint32_t at = pc;
        o.mode = Src::Abs;
        o.cost = Cost::Symbolic;
        o.value = static_cast<int32_t>((at + (reg << 16 | word())) & kAddressMask);
        special = false;
        break;
    }
    case 0xB:
        o.mode = Src::Imm;
        o.cost = Cost::Immediate;
        o.value = static_cast<int32_t>(reg << 16 | word());
        special = false;
        break;
    default: illegal("reserved");
    }
    if (special) illegal("CALLA through PC, SR or R3");
    use(o);
    set(calla(o.mode), cycles_calla(o.cost, reg == kSp && o.mode == Src::Idx));
}

void Decoder::address_instruction(uint32_t w) {
    uint32_t kind = w >> 4 & 0xF, rs = w >> 8 & 0xF, rd = w & 0xF;
    Operand s;
    s.reg = static_cast<uint8_t>(rs);
    op.rd = static_cast<uint8_t>(rd);
    op.low = kAddressMask;
    Dst d = rd == kPc || rd == kSr || rd == kCg ? Dst::Special : Dst::Reg;
    Target target = rd == kPc ? Target::Pc : Target::Register;
    auto operation = Address::Mova;
    switch (kind) {
    case 0:
    case 1:
        if (rs == kPc || rs == kSr || rs == kCg) illegal("MOVA through PC, SR or R3");
        s.mode = kind ? Src::Inc : Src::Ind;
        s.cost = kind ? Cost::Increment : Cost::Indirect;
        break;
    case 2:
        s.mode = Src::Abs;
        s.cost = Cost::Absolute;
        s.value = static_cast<int32_t>(rs << 16 | word());
        break;
    case 3: {
        if (rs == kSr || rs == kCg) illegal("MOVA indexed by SR or R3");
        uint32_t at = pc;
        int32_t x = sign16(word());
        s.mode = rs == kPc ? Src::Abs : Src::Idx;
        s.cost = rs == kPc ? Cost::Symbolic : Cost::Indexed;
        s.value = rs == kPc ? static_cast<int32_t>((at + static_cast<uint32_t>(x)) & kAddressMask) : x;
        break;
    }
    case 4:
    case 5: {
        if (rd <= kCg && rd != kSp) illegal("rotation of PC, SR or R3");
        op.n = static_cast<uint8_t>((w >> 10 & 3) + 1);
        return set(rotate_many(static_cast<int>(w >> 8 & 3), kind == 4 ? Size::A : Size::W), op.n);
    }
    case 6:
        d = Dst::Abs;
        target = Target::Memory;
        op.dst = static_cast<int32_t>(rd << 16 | word());
        break;
    case 7: {
        if (rd == kSr || rd == kCg) illegal("MOVA indexed by SR or R3");
        uint32_t at = pc;
        int32_t x = sign16(word());
        d = rd == kPc ? Dst::Abs : Dst::Idx;
        target = Target::Memory;
        op.dst = rd == kPc ? static_cast<int32_t>((at + static_cast<uint32_t>(x)) & kAddressMask) : x;
        break;
    }
    case 8:
    case 9:
    case 0xA:
    case 0xB:
        s.mode = Src::Imm;
        s.cost = Cost::Immediate;
        s.value = static_cast<int32_t>(rs << 16 | word());
        operation = static_cast<Address>(kind - 8);
        break;
    default: operation = static_cast<Address>(kind - 0xC); break;
    }
    if (s.mode == Src::Reg) { // no constant generator here: PC is static, R3 reads 0
        if (rs == kPc) {
            s.mode = Src::Imm;
            s.value = static_cast<int32_t>(start + 2);
            if (target == Target::Memory) illegal("MOVA of PC to memory");
        } else if (rs == kCg && target != Target::Memory) {
            s.mode = Src::Imm;
        }
    }
    use(s);
    set(address(operation, s.mode, d),
        operation == Address::Mova ? cycles_mova(s.cost, target) : cycles_adda(s.cost, target));
}

void Decoder::multiple(uint32_t w) {
    Size size = w & 0x100 ? Size::W : Size::A;
    bool pop = w & 0x200;
    int count = static_cast<int>(w >> 4 & 0xF) + 1, reg = static_cast<int>(w & 0xF);
    if (pop ? reg + count > 16 || reg == kPc : reg - count + 1 < 0)
        illegal("the register list runs past R15 or R0, or pops PC");
    op.rd = static_cast<uint8_t>(reg);
    op.n = static_cast<uint8_t>(count);
    set(pop ? pop_many(size) : push_many(size), 2 + count * (size == Size::A ? 2 : 1));
}

} // namespace sw
