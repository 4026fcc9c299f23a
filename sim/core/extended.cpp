// SPDX-License-Identifier: Apache-2.0
// MSP430X-only instructions: 20-bit address instructions, multiple push and pop, multiple rotates,
// repetition.
//
// Modelled: MOVA, CMPA, ADDA, SUBA; PUSHM, POPM; RRCM, RRAM, RLAM, RRUM; RPT and the zero-carry bit.
// Not modelled: V after RLAM by more than one position (the guide says undefined; left as computed by the
// last step). Sources: SLAU445 4.4.1, 4.6.3, 4.6.4.
#include "handlers.h"

namespace sw {

namespace {

template <Address O> uint32_t compute(Machine &m, uint32_t src, uint32_t dst) {
    if constexpr (O == Address::Mova) return src;
    if constexpr (O == Address::Adda) return add_with<Size::A>(m, dst, src, 0);
    return add_with<Size::A>(m, dst, ~src & kAddressMask, 1);
}

template <Address O, Src M, Dst D> const Op *execute_address(Machine &m, const Op *op) {
    uint32_t src = load_source<Size::A, M>(m, op);
    if constexpr (D == Dst::Idx || D == Dst::Abs) {
        m.write<Size::A>(
            D == Dst::Abs ? static_cast<uint32_t>(op->dst) : indexed(m, op->rd, op->dst, op->low), src);
        return following(op);
    } else {
        bool pc = D == Dst::Special && op->rd == kPc;
        uint32_t res = compute<O>(m, src, pc ? pc_after(m, op) : m.r[op->rd]);
        if constexpr (O != Address::Cmpa) {
            if (pc) return m.jump(res);
            if (D == Dst::Special && op->rd == kSr)
                m.write_sr(res);
            else if (D == Dst::Reg)
                m.r[op->rd] = res;
        }
        return following(op);
    }
}

template <Address O> Handler register_form(Src s, Dst d) {
    if (s == Src::Imm)
        return d == Dst::Reg ? execute_address<O, Src::Imm, Dst::Reg>
                             : execute_address<O, Src::Imm, Dst::Special>;
    return d == Dst::Reg ? execute_address<O, Src::Reg, Dst::Reg>
                         : execute_address<O, Src::Reg, Dst::Special>;
}

template <Src M> Handler mova_to_register(Dst d) {
    return d == Dst::Reg ? execute_address<Address::Mova, M, Dst::Reg>
                         : execute_address<Address::Mova, M, Dst::Special>;
}

// PUSHM stores Rd, Rd-1, ... (n registers).
// ASSUMPTION sp-in-list: SP in the list is stored as it was before the instruction.
template <Size S> const Op *execute_push_many(Machine &m, const Op *op) {
    uint32_t old_sp = m.r[kSp];
    for (int k = 0; k < op->n; ++k) {
        int reg = op->rd - k;
        uint32_t v = reg == kSp ? old_sp : reg == kPc ? pc_after(m, op) : m.r[reg];
        m.r[kSp] = (m.r[kSp] - (S == Size::A ? 4 : 2)) & kAddressMask;
        m.write<S>(m.r[kSp], v & size_mask(S));
    }
    return following(op);
}

// POPM loads Rd, Rd+1, ... from rising addresses.
// ASSUMPTION sp-in-list: the popped SP wins over the increment.
template <Size S> const Op *execute_pop_many(Machine &m, const Op *op) {
    uint32_t sp = m.r[kSp], popped_sp = 0;
    bool has_sp = false;
    for (int k = 0; k < op->n; ++k) {
        int reg = op->rd + k;
        uint32_t v = m.read<S>(sp);
        sp = (sp + (S == Size::A ? 4 : 2)) & kAddressMask;
        if (reg == kSp) {
            has_sp = true;
            popped_sp = v;
        } else if (reg == kSr) {
            m.write_sr(v);
        } else if (reg != kCg) {
            m.r[reg] = v;
        }
    }
    m.r[kSp] = has_sp ? popped_sp : sp;
    return following(op);
}

template <int Kind, Size S> const Op *execute_rotate_many(Machine &m, const Op *op) {
    uint32_t v = m.r[op->rd] & size_mask(S);
    for (int k = 0; k < op->n; ++k) {
        if constexpr (Kind == 0) v = unary<Unary::Rrc, S>(m, v, true);
        if constexpr (Kind == 1) v = unary<Unary::Rra, S>(m, v, true);
        if constexpr (Kind == 2) v = add_with<S>(m, v, v, 0);
        if constexpr (Kind == 3) {
            m.r[kSr] &= ~kC;
            v = unary<Unary::Rrc, S>(m, v, true);
        }
    }
    m.r[op->rd] = v;
    return following(op);
}

// Repetition wraps a register-mode handler that sits in the table entry's spare space: op->dst selects it.
// dst = format << 24 | operation << 16 | size << 8 | source mode << 4 | destination mode; n = count - 1 or
// 0x80 | register; bit 6 of n: the carry is treated as 0 in every step (SLAU445 4.4.1, table 4-3).
const Op *execute_repeated(Machine &m, const Op *op) {
    uint32_t key = static_cast<uint32_t>(op->dst);
    auto size = static_cast<Size>(key >> 8 & 0xFF);
    int operation = static_cast<int>(key >> 16 & 0xFF);
    Handler inner = key >> 24 ? format2(static_cast<Unary>(operation), size, Src::Reg)
                              : format1(static_cast<Alu>(operation), size, static_cast<Src>(key >> 4 & 0xF),
                                        static_cast<Dst>(key & 0xF));
    auto one = static_cast<Unary>(operation);
    auto two = static_cast<Alu>(operation);
    bool sets_flags = key >> 24 ? one != Unary::Swpb : two != Alu::Mov && two != Alu::Bic && two != Alu::Bis;
    int count = 1 + static_cast<int>(op->n & 0x80 ? m.r[op->n & 0xF] & 0xF : op->n & 0xF);
    m.n.cycles += static_cast<uint64_t>(count - 1); // n + 1 cycles in all
    const Op *next = op;
    for (int k = 0; k < count; ++k) {
        if ((op->n & 0x40) && sets_flags) m.r[kSr] &= ~kC;
        next = inner(m, op);
    }
    return next;
}

} // namespace

Handler format1(Alu o, Size size, Src s, Dst d) {
    return size == Size::B   ? format1_byte(o, s, d)
           : size == Size::W ? format1_word(o, s, d)
                             : format1_address(o, s, d);
}

Handler repeated() {
    return execute_repeated;
}

Handler address(Address o, Src s, Dst d) {
    switch (o) {
    case Address::Cmpa: return register_form<Address::Cmpa>(s, d);
    case Address::Adda: return register_form<Address::Adda>(s, d);
    case Address::Suba: return register_form<Address::Suba>(s, d);
    default: break;
    }
    if (d == Dst::Idx) return execute_address<Address::Mova, Src::Reg, Dst::Idx>;
    if (d == Dst::Abs) return execute_address<Address::Mova, Src::Reg, Dst::Abs>;
    switch (s) {
    case Src::Ind: return mova_to_register<Src::Ind>(d);
    case Src::Inc: return mova_to_register<Src::Inc>(d);
    case Src::Idx: return mova_to_register<Src::Idx>(d);
    case Src::Abs: return mova_to_register<Src::Abs>(d);
    default: return register_form<Address::Mova>(s, d);
    }
}

Handler push_many(Size size) {
    return size == Size::A ? execute_push_many<Size::A> : execute_push_many<Size::W>;
}

Handler pop_many(Size size) {
    return size == Size::A ? execute_pop_many<Size::A> : execute_pop_many<Size::W>;
}

Handler rotate_many(int kind, Size size) {
    static constexpr Handler kTable[4][2] = {
        {execute_rotate_many<0, Size::W>, execute_rotate_many<0, Size::A>},
        {execute_rotate_many<1, Size::W>, execute_rotate_many<1, Size::A>},
        {execute_rotate_many<2, Size::W>, execute_rotate_many<2, Size::A>},
        {execute_rotate_many<3, Size::W>, execute_rotate_many<3, Size::A>}};
    return kTable[kind][size == Size::A];
}

} // namespace sw
