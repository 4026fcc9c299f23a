// SPDX-License-Identifier: Apache-2.0
// Turns instruction words into table entries (SLAU445 4.5, 4.6; opcode map 4.6.1): formats I and II and
// jumps.
//
// Modelled / Not modelled: see decoder.h.
#include "decoder.h"

namespace sw {

Size Decoder::extended_size(uint32_t w) {
    bool al = ext & 0x40, bw = w & 0x40;
    if (!al && !bw) illegal("the extension word's A/L bit with .W is a reserved size");
    return !al ? Size::A : bw ? Size::B : Size::W;
}

bool Decoder::repetition(uint32_t key) {
    if (!(ext & 0x18F)) return false;
    op.dst = static_cast<int32_t>(key);
    op.n = static_cast<uint8_t>((ext & 0xF) | (ext & 0x80 ? 0x80 : 0) | (ext & 0x100 ? 0x40 : 0));
    return true;
}

void Decoder::two_operands(uint32_t w) {
    auto operation = static_cast<Alu>((w >> 12) - 4);
    Size size = extended ? extended_size(w) : w & 0x40 ? Size::B : Size::W;
    Operand s = source(w >> 4 & 3, w >> 8 & 0xF, size, 7);
    use(s);
    uint32_t rd = w & 0xF;
    op.rd = static_cast<uint8_t>(rd);
    bool memory = w & 0x80;
    Target target = memory ? Target::Memory : rd == kPc ? Target::Pc : Target::Register;
    int cycles = extended ? cycles_format1x(operation, size, s.cost, target)
                          : cycles_format1(operation, s.cost, target);
    Dst d = rd == kPc || rd == kSr || rd == kCg ? Dst::Special : Dst::Reg;
    if (memory) {
        uint32_t at = pc, x = word();
        if (rd == kCg) illegal("R3 as an index base is not a documented form");
        d = rd == kSr || rd == kPc ? Dst::Abs : Dst::Idx;
        op.dst = rd == kSr   ? static_cast<int32_t>(high(0) | x)
                 : rd == kPc ? relative(x, at, 0)
                             : index_value(x, 0);
    }
    if (extended && !memory && s.constant) {
        uint32_t key = static_cast<uint32_t>(operation) << 16 | static_cast<uint32_t>(size) << 8 |
                       static_cast<uint32_t>(s.mode) << 4 | static_cast<uint32_t>(d);
        if (repetition(key)) {
            if (rd == kPc) illegal("repetition with PC as destination");
            return set(repeated(), cycles);
        }
    }
    set(format1(operation, size, s.mode, d), cycles);
}

void Decoder::one_operand(uint32_t w) {
    uint32_t code = w >> 7 & 7;
    Size size = w & 0x40 ? Size::B : Size::W;
    if (extended) {
        if (code == 1 || code == 3) { // SWPBX, SXTX: A/L chooses between .W and .A, B/W is 0
            if (w & 0x40) illegal("SWPBX and SXTX have no byte form");
            size = ext & 0x40 ? Size::W : Size::A;
        } else {
            size = extended_size(w);
        }
    }
    if (code >= 5 && extended) illegal("CALL and RETI take no extension word");
    if ((code == 1 || code == 3 || code == 5) && (w & 0x40)) illegal("this instruction has no byte form");
    uint32_t reg = w & 0xF, as = w >> 4 & 3;
    Operand o = source(as, reg, size, 0);
    use(o);
    op.rd = op.rs;
    bool stack_base = reg == kSp;
    if (code == 4) {
        if (extended && o.constant && (ext & 0x18F)) illegal("PUSHX cannot be repeated");
        return set(push(size, o.mode),
                   extended ? cycles_pushx(size, o.cost, stack_base) : cycles_push(o.cost));
    }
    if (code == 5) return set(call(o.mode), cycles_call(o.cost));
    if (o.mode == Src::Imm || (o.mode == Src::Reg && reg <= kCg && reg != kSp) ||
        (o.cost == Cost::Indirect && reg == kPc))
        illegal("RRC, RRA, SWPB and SXT need a general register or memory");
    auto operation = static_cast<Unary>(code);
    int cycles = extended ? cycles_shiftx(size, o.cost) : cycles_shift(o.cost);
    if (extended && o.mode == Src::Reg &&
        repetition(1u << 24 | static_cast<uint32_t>(operation) << 16 | static_cast<uint32_t>(size) << 8))
        return set(repeated(), cycles);
    set(format2(operation, size, o.mode), cycles);
}

void Decoder::jump(uint32_t w) {
    int32_t words = static_cast<int32_t>(w & 0x3FF);
    if (words & 0x200) words -= 0x400;
    int64_t target = static_cast<int64_t>(pc) + 2 * words;
    op.src = 1 + words;
    if (target < 0 || target >= static_cast<int64_t>(m.memory.size())) {
        op.dst = static_cast<int32_t>(target & kAddressMask);
        op.n = static_cast<uint8_t>(w >> 10 & 7);
        return set(jump_outside(), kCyclesJump);
    }
    set(jump_if(static_cast<int>(w >> 10 & 7)), kCyclesJump);
}

void Decoder::run() {
    op = Op{};
    uint32_t w = first = word();
    if ((w & 0xF800) == 0x1800) {
        extended = true;
        ext = w;
        if (ext & 0x30) illegal("reserved bits 5:4 of the extension word are set");
        w = first = word();
        if (w < 0x4000 && (w & 0xFC00) != 0x1000) illegal("this instruction takes no extension word");
    }
    op.low = extended ? kAddressMask : 0xFFFF;
    if (w >= 0x4000)
        two_operands(w);
    else if (w >= 0x2000)
        jump(w);
    else if (w < 0x1000)
        address_instruction(w);
    else if (w < 0x1300 || extended)
        one_operand(w);
    else if (w < 0x1400)
        reti_calla(w);
    else
        multiple(w);
    op.words = static_cast<uint8_t>((pc - start) / 2);
    op.region = m.read_region[start >> kPageShift];
    if (op.region == kGuarded) op.region = kFram;
    op.line = start >> 3;
    op.straddle = static_cast<uint8_t>(((pc - 2) >> 3) - op.line);
    for (uint32_t a = start; a < pc; a += 2) m.write_region[a >> kPageShift] = kSlow;
}

// A denied fetch reads 3FFFh, which is JMP $, until an NMI or a PUC (SLAU367P 9.4.2).
const Op *stay(Machine &, const Op *o) {
    const_cast<Op *>(o)->fn = nullptr; // asks the MPU again
    return o;
}

void Machine::decode(Op *entry) {
    try {
        Decoder(*this, entry).run();
    } catch (const MpuDenied &) {
        *entry = Op{};
        entry->fn = stay;
        entry->line = pc_of(entry) >> 3;
        entry->region = kFram;
        entry->words = 1;
        entry->cycles = kCyclesJump;
    } catch (...) {
        entry->fn = nullptr;
        throw;
    }
}

} // namespace sw
