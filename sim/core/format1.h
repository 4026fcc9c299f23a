// SPDX-License-Identifier: Apache-2.0
// Two-operand instructions (format I and its extended forms), one template for all of them.
//
// Modelled: order of effects is source read, autoincrement, destination address, destination read, write.
// Not modelled: nothing.
#pragma once

#include "handlers.h"

namespace sw {

template <Alu O, Size S, Src M, Dst D> const Op *execute1(Machine &m, const Op *op) {
    uint32_t src = load_source<S, M>(m, op);
    if constexpr (D == Dst::Reg) {
        uint32_t res = alu<O, S>(m, src, m.r[op->rd] & size_mask(S));
        if constexpr (alu_writes(O)) m.r[op->rd] = res; // byte and word results clear the upper bits
        return following(op);
    } else if constexpr (D == Dst::Special) {
        uint32_t dst = op->rd == kPc ? pc_after(m, op) : m.r[op->rd];
        uint32_t res = alu<O, S>(m, src, dst & size_mask(S));
        if constexpr (alu_writes(O)) {
            if (op->rd == kPc) return m.jump(res);
            if (op->rd == kSr) {
                // ASSUMPTION sr-write: an operation that sets status bits and writes SR leaves its own C, Z,
                // N, V there
                constexpr bool flags = O != Alu::Mov && O != Alu::Bic && O != Alu::Bis;
                constexpr uint32_t own = kC | kZ | kN | kV;
                m.write_sr(flags ? (res & ~own) | (m.r[kSr] & own) : res);
            }
        }
        return following(op);
    } else {
        uint32_t a = D == Dst::Abs ? static_cast<uint32_t>(op->dst) : indexed(m, op->rd, op->dst, op->low);
        uint32_t dst = 0;
        if constexpr (alu_reads(O)) dst = m.read<S>(a);
        uint32_t res = alu<O, S>(m, src, dst);
        if constexpr (alu_writes(O)) m.write<S>(a, res);
        return following(op);
    }
}

template <Size S> struct Format1 {
    template <Alu O, Src M> static Handler by_dst(Dst d) {
        static constexpr Handler kTable[] = {execute1<O, S, M, Dst::Reg>, execute1<O, S, M, Dst::Idx>,
                                             execute1<O, S, M, Dst::Abs>, execute1<O, S, M, Dst::Special>};
        return kTable[static_cast<int>(d)];
    }
    template <Alu O> static Handler by_src(Src s, Dst d) {
        switch (s) {
        case Src::Reg: return by_dst<O, Src::Reg>(d);
        case Src::Imm: return by_dst<O, Src::Imm>(d);
        case Src::Ind: return by_dst<O, Src::Ind>(d);
        case Src::Inc: return by_dst<O, Src::Inc>(d);
        case Src::Idx: return by_dst<O, Src::Idx>(d);
        default: return by_dst<O, Src::Abs>(d);
        }
    }
    static Handler find(Alu o, Src s, Dst d) {
        switch (o) {
        case Alu::Mov: return by_src<Alu::Mov>(s, d);
        case Alu::Add: return by_src<Alu::Add>(s, d);
        case Alu::Addc: return by_src<Alu::Addc>(s, d);
        case Alu::Subc: return by_src<Alu::Subc>(s, d);
        case Alu::Sub: return by_src<Alu::Sub>(s, d);
        case Alu::Cmp: return by_src<Alu::Cmp>(s, d);
        case Alu::Dadd: return by_src<Alu::Dadd>(s, d);
        case Alu::Bit: return by_src<Alu::Bit>(s, d);
        case Alu::Bic: return by_src<Alu::Bic>(s, d);
        case Alu::Bis: return by_src<Alu::Bis>(s, d);
        case Alu::Xor: return by_src<Alu::Xor>(s, d);
        default: return by_src<Alu::And>(s, d);
        }
    }
};

} // namespace sw
