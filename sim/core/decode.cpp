// SPDX-License-Identifier: Apache-2.0
// Turns instruction words into table entries (SLAU445 4.5, 4.6; opcode map 4.6.1).
//
// Modelled: every documented encoding. PC-relative operands become absolute here, constants become
// immediates. Not modelled (raise IllegalInstruction): reserved encodings, R3 as index base, shifts of PC, SR
// or constants,
//   byte forms of CALL, SWPB and SXT, extension words before instructions that take none, repeated PUSHX.
// ASSUMPTION pc-source: PC as a source register reads as the address behind the opcode word.
#include "cycles.h"
#include "handlers.h"

namespace sw {

namespace {

struct Operand {
    Src mode = Src::Reg;
    Cost cost = Cost::Register;
    uint8_t reg = 0;
    int32_t value = 0;
    bool constant = false; // register or constant: no word of its own, no memory access
};

int32_t sign16(uint32_t w) {
    return static_cast<int32_t>(static_cast<int16_t>(w));
}

} // namespace

struct Decoder {
    Machine &m;
    Op &op;
    uint32_t start;
    uint32_t pc;
    uint32_t first = 0; // the opcode word, for messages
    bool extended = false;
    uint32_t ext = 0;

    Decoder(Machine &machine, Op *entry) : m(machine), op(*entry), start(machine.pc_of(entry)), pc(start) {}

    uint32_t word() {
        uint8_t region =
            pc < m.memory.size() ? m.read_region[pc >> kPageShift] : static_cast<uint8_t>(kVacant);
        if (region == kLeaBusy) {
            m.lea.catch_up(m);
            region = m.read_region[pc >> kPageShift];
            if (region == kLeaBusy)
                raise(FaultKind::Lea, pc,
                      "instruction fetch from 0x%05X in LEA RAM while the LEA runs; move the code", pc);
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

    [[noreturn]] void illegal(const char *why) {
        raise(FaultKind::Illegal, start, "opcode 0x%04X at 0x%05X: %s", first, start, why);
    }

    uint32_t high(int shift) const { return extended ? (ext >> shift & 0xF) << 16 : 0; }

    // `x` taken at address `at` relative to a base: 16-bit forms wrap below 64 KB, extended ones are 20 bits.
    int32_t relative(uint32_t x, uint32_t at, int shift) {
        if (extended) return static_cast<int32_t>((at + (high(shift) | x)) & kAddressMask);
        uint32_t a = at + static_cast<uint32_t>(sign16(x));
        return static_cast<int32_t>(a & (at < 0x10000 ? 0xFFFFu : kAddressMask));
    }
    int32_t index_value(uint32_t x, int shift) {
        return extended ? static_cast<int32_t>(high(shift) | x) : sign16(x);
    }

    // Source operand of formats I and II (As in bits 5:4). `shift`: where the extension word keeps bits
    // 19:16.
    Operand source(uint32_t as, uint32_t reg, Size size, int shift) {
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

    void set(Handler fn, int cycles) {
        op.cycles = static_cast<uint8_t>(cycles);
        op.fn = fn;
    }

    void use(const Operand &o) {
        op.rs = o.reg;
        op.src = o.value;
        op.early = o.cost == Cost::Indirect || o.cost == Cost::Increment;
    }

    Size extended_size(uint32_t w) {
        bool al = ext & 0x40, bw = w & 0x40;
        if (!al && !bw) illegal("the extension word's A/L bit with .W is a reserved size");
        return !al ? Size::A : bw ? Size::B : Size::W;
    }

    // Repeat descriptor for extended.cpp, or false when the instruction runs once with the real carry.
    bool repetition(uint32_t key) {
        if (!(ext & 0x18F)) return false;
        op.dst = static_cast<int32_t>(key);
        op.n = static_cast<uint8_t>((ext & 0xF) | (ext & 0x80 ? 0x80 : 0) | (ext & 0x100 ? 0x40 : 0));
        return true;
    }

    void two_operands(uint32_t w) {
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

    void one_operand(uint32_t w) {
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

    void jump(uint32_t w) {
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

    // 0x13xx: RETI and CALLA.
    void reti_calla(uint32_t w) {
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

    // 0x0xxx: address instructions and multiple rotates.
    void address_instruction(uint32_t w) {
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

    // 0x14xx-0x17xx: PUSHM.A, PUSHM.W, POPM.A, POPM.W.
    void multiple(uint32_t w) {
        Size size = w & 0x100 ? Size::W : Size::A;
        bool pop = w & 0x200;
        int count = static_cast<int>(w >> 4 & 0xF) + 1, reg = static_cast<int>(w & 0xF);
        if (pop ? reg + count > 16 || reg == kPc : reg - count + 1 < 0)
            illegal("the register list runs past R15 or R0, or pops PC");
        op.rd = static_cast<uint8_t>(reg);
        op.n = static_cast<uint8_t>(count);
        set(pop ? pop_many(size) : push_many(size), 2 + count * (size == Size::A ? 2 : 1));
    }

    void run() {
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
        op.line = start >> 3;
        op.straddle = static_cast<uint8_t>(((pc - 2) >> 3) - op.line);
        for (uint32_t a = start; a < pc; a += 2) m.write_region[a >> kPageShift] = kSlow;
    }
};

void Machine::decode(Op *entry) {
    try {
        Decoder(*this, entry).run();
    } catch (...) {
        entry->fn = nullptr;
        throw;
    }
}

} // namespace sw
