// SPDX-License-Identifier: Apache-2.0
// MCLK cycles per instruction without wait states: the family guide's tables as functions.
//
// Modelled: SLAU445 tables 4-8, 4-9, 4-10 (MSP430) and 4-17, 4-18, 4-19 (MSP430X).
// Not modelled: figures that others measured on an FR5739 and that differ from the guide (BR #N 2, BR Rn 2,
// RET 3,
//   ADDA #imm20 2). ASSUMPTION cycles-guide: the guide is right (3, 3, 4, 3).
#pragma once

#include "alu.h"

namespace sw {

// Source as the tables see it: constants from the generator count as registers.
enum class Cost : uint8_t { Register, Indirect, Increment, Immediate, Indexed, Symbolic, Absolute };
enum class Target : uint8_t { Register, Memory, Pc };

constexpr int source_class(Cost s) { // 0 register, 1 @Rn and @Rn+, 2 #N, 3 indexed, symbolic, absolute
    return s == Cost::Register ? 0 : s <= Cost::Increment ? 1 : s == Cost::Immediate ? 2 : 3;
}

constexpr bool saves_write(Alu o) {
    return o == Alu::Mov || o == Alu::Bit || o == Alu::Cmp;
}

// Table 4-10: format I.
constexpr int cycles_format1(Alu o, Cost s, Target d) {
    constexpr int kSource[4] = {1, 2, 2, 3};
    constexpr int kToPc[4] = {3, 4, 3, 5};
    int c = source_class(s);
    if (d == Target::Pc) return kToPc[c];
    if (d == Target::Register) return kSource[c];
    return kSource[c] + (saves_write(o) ? 2 : 3);
}

// Table 4-19: extended format I.
constexpr int cycles_format1x(Alu o, Size size, Cost s, Target d) {
    int c = source_class(s);
    if (size != Size::A) {
        constexpr int kToPc[4] = {4, 5, 4, 6};
        return d == Target::Pc ? kToPc[c] : cycles_format1(o, s, d) + 1;
    }
    constexpr int kToRegister[4] = {2, 4, 3, 5};
    constexpr int kToMemory[4] = {7, 9, 8, 10};
    constexpr int kToPc[4] = {4, 6, 4, 7};
    if (d == Target::Register) return kToRegister[c];
    if (d == Target::Memory) return kToMemory[c] - (saves_write(o) ? 2 : 0);
    bool less = c >= 2 && (o == Alu::Mov || o == Alu::Add || o == Alu::Sub);
    return kToPc[c] - (less ? 1 : 0);
}

// Table 4-9: format II. Shifts and SXT, SWPB; PUSH; CALL.
constexpr int cycles_shift(Cost s) {
    return s == Cost::Register ? 1 : s <= Cost::Increment ? 3 : 4;
}
constexpr int cycles_push(Cost s) {
    return s >= Cost::Indexed ? 4 : 3;
}
constexpr int cycles_call(Cost s) {
    return s == Cost::Absolute ? 6 : s >= Cost::Indexed ? 5 : 4;
}

// Table 4-18: extended format II. ASSUMPTION swpbx-cycles: SWPBX and SXTX cost what RRAX costs.
constexpr int cycles_shiftx(Size size, Cost s) {
    if (s == Cost::Register) return 2; // 1 + n, n = 1; repetition adds at run time
    bool memory = s >= Cost::Indexed;
    return size == Size::A ? (memory ? 7 : 6) : (memory ? 5 : 4);
}
constexpr int cycles_pushx(Size size, Cost s, bool stack_base) {
    int extra = s == Cost::Indexed && stack_base ? 1 : 0;
    if (size != Size::A) return (s >= Cost::Indexed ? 5 : 4) + extra;
    if (s >= Cost::Indexed) return 7 + extra;
    return s == Cost::Indirect || s == Cost::Increment ? 6 : 5;
}
constexpr int cycles_calla(Cost s, bool stack_base) {
    switch (s) {
    case Cost::Indirect:
    case Cost::Increment: return 6;
    case Cost::Symbolic:
    case Cost::Absolute: return 7;
    case Cost::Indexed: return stack_base ? 6 : 5;
    default: return 5;
    }
}

// Table 4-17: address instructions.
constexpr int cycles_mova(Cost s, Target d) {
    if (d == Target::Memory) return 4;
    int c = source_class(s);
    constexpr int kToRegister[4] = {1, 3, 2, 4};
    constexpr int kToPc[4] = {3, 5, 3, 6};
    return d == Target::Pc ? kToPc[c] : kToRegister[c];
}
constexpr int cycles_adda(Cost s, Target d) {
    return s == Cost::Register && d != Target::Pc ? 1 : 3;
}

constexpr int kCyclesJump = 2;
constexpr int kCyclesReti = 5;

} // namespace sw
