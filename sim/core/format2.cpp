// SPDX-License-Identifier: Apache-2.0
// One-operand instructions, calls, jumps and RETI (SLAU445 4.5.1.2-4.5.1.3, 4.5.2.2).
//
// Modelled: RRC, RRA, SWPB, SXT, PUSH, CALL and extended forms; CALLA; the eight jumps; RETI.
// Not modelled: shifts of PC, SR or constants (illegal: no use is documented).
#include "handlers.h"

namespace sw {

namespace {

// Byte pushes move SP by 2 and leave the upper byte of the stack word alone.
template <Size S> void push_value(Machine &m, uint32_t v) {
    m.r[kSp] = (m.r[kSp] - (S == Size::A ? 4 : 2)) & kAddressMask;
    m.write<S>(m.r[kSp], v);
}

template <Unary O, Size S, Src M> const Op *execute2(Machine &m, const Op *op) {
    if constexpr (M == Src::Reg) {
        uint32_t full = m.r[op->rs];
        uint32_t res = unary<O, S>(m, full, true);
        m.r[op->rs] = res;
    } else {
        uint32_t a;
        if constexpr (M == Src::Abs)
            a = static_cast<uint32_t>(op->src);
        else if constexpr (M == Src::Idx)
            a = indexed(m, op->rs, op->src, op->low);
        else
            a = m.r[op->rs];
        uint32_t v = m.read<S>(a);
        if constexpr (M == Src::Inc) m.r[op->rs] = (a + increment<S>(op->rs)) & kAddressMask;
        m.write<S>(a, unary<O, S>(m, v, false));
    }
    return following(op);
}

template <Size S, Src M> const Op *execute_push(Machine &m, const Op *op) {
    push_value<S>(m, load_source<S, M>(m, op)); // PUSH SP pushes the old SP
    return following(op);
}

template <Src M> const Op *execute_call(Machine &m, const Op *op) {
    uint32_t target = load_source<Size::W, M>(m, op);
    push_value<Size::W>(m, pc_after(m, op) & 0xFFFF);
    return m.jump(target);
}

template <Src M> const Op *execute_calla(Machine &m, const Op *op) {
    uint32_t target = load_source<Size::A, M>(m, op);
    push_value<Size::A>(m, pc_after(m, op));
    return m.jump(target);
}

// Conditions in opcode order: JNE JEQ JNC JC JN JGE JL JMP.
template <int K> bool taken(uint32_t sr) {
    if constexpr (K == 0) return !(sr & kZ);
    if constexpr (K == 1) return sr & kZ;
    if constexpr (K == 2) return !(sr & kC);
    if constexpr (K == 3) return sr & kC;
    if constexpr (K == 4) return sr & kN;
    bool less = ((sr >> 2) ^ (sr >> 8)) & 1; // N xor V
    if constexpr (K == 5) return !less;
    if constexpr (K == 6) return less;
    return true;
}

template <int K> const Op *execute_jump(Machine &m, const Op *op) {
    return taken<K>(m.r[kSr]) ? op + op->src : op + 1;
}

const Op *execute_jump_outside(Machine &m, const Op *op) { // target outside memory: fault when taken
    static constexpr bool (*kTaken[])(uint32_t) = {taken<0>, taken<1>, taken<2>, taken<3>,
                                                   taken<4>, taken<5>, taken<6>, taken<7>};
    return kTaken[op->n](m.r[kSr]) ? m.jump(static_cast<uint32_t>(op->dst)) : op + 1;
}

const Op *execute_reti(Machine &m, const Op *) {
    uint32_t sp = m.r[kSp];
    uint32_t sr = m.read<Size::W>(sp);
    uint32_t pc = m.read<Size::W>((sp + 2) & kAddressMask) | (sr & 0xF000) << 4;
    m.r[kSp] = (sp + 4) & kAddressMask;
    m.write_sr(sr & 0xFFF);
    m.gie_hold = false;
    return m.jump(pc);
}

template <Unary O, Size S> Handler unary_mode(Src mode) {
    switch (mode) {
    case Src::Reg: return execute2<O, S, Src::Reg>;
    case Src::Ind: return execute2<O, S, Src::Ind>;
    case Src::Inc: return execute2<O, S, Src::Inc>;
    case Src::Idx: return execute2<O, S, Src::Idx>;
    case Src::Abs: return execute2<O, S, Src::Abs>;
    default: return nullptr;
    }
}

template <Unary O> Handler unary_size(Size size, Src mode) {
    return size == Size::B   ? unary_mode<O, Size::B>(mode)
           : size == Size::W ? unary_mode<O, Size::W>(mode)
                             : unary_mode<O, Size::A>(mode);
}

template <Size S> Handler push_mode(Src mode) {
    static constexpr Handler kTable[] = {execute_push<S, Src::Reg>, execute_push<S, Src::Imm>,
                                         execute_push<S, Src::Ind>, execute_push<S, Src::Inc>,
                                         execute_push<S, Src::Idx>, execute_push<S, Src::Abs>};
    return kTable[static_cast<int>(mode)];
}

} // namespace

Handler format2(Unary o, Size size, Src mode) {
    switch (o) {
    case Unary::Rrc: return unary_size<Unary::Rrc>(size, mode);
    case Unary::Rra: return unary_size<Unary::Rra>(size, mode);
    case Unary::Swpb: return unary_size<Unary::Swpb>(size, mode);
    default: return unary_size<Unary::Sxt>(size, mode);
    }
}

Handler push(Size size, Src mode) {
    return size == Size::B   ? push_mode<Size::B>(mode)
           : size == Size::W ? push_mode<Size::W>(mode)
                             : push_mode<Size::A>(mode);
}

Handler call(Src mode) {
    static constexpr Handler kTable[] = {execute_call<Src::Reg>, execute_call<Src::Imm>,
                                         execute_call<Src::Ind>, execute_call<Src::Inc>,
                                         execute_call<Src::Idx>, execute_call<Src::Abs>};
    return kTable[static_cast<int>(mode)];
}

Handler calla(Src mode) {
    static constexpr Handler kTable[] = {execute_calla<Src::Reg>, execute_calla<Src::Imm>,
                                         execute_calla<Src::Ind>, execute_calla<Src::Inc>,
                                         execute_calla<Src::Idx>, execute_calla<Src::Abs>};
    return kTable[static_cast<int>(mode)];
}

Handler jump_if(int condition) {
    static constexpr Handler kTable[] = {execute_jump<0>, execute_jump<1>, execute_jump<2>, execute_jump<3>,
                                         execute_jump<4>, execute_jump<5>, execute_jump<6>, execute_jump<7>};
    return kTable[condition];
}

Handler jump_outside() {
    return execute_jump_outside;
}
Handler reti() {
    return execute_reti;
}

} // namespace sw
