// SPDX-License-Identifier: Apache-2.0
// The decoder of one instruction: what its parts share.
//
// Modelled: every documented encoding. PC-relative operands become absolute here, constants become
// immediates.
// Not modelled (raise IllegalInstruction): reserved encodings, R3 as index base, shifts of PC, SR or
// constants,
//   byte forms of CALL, SWPB and SXT, extension words before instructions that take none, repeated PUSHX.
// ASSUMPTION pc-source: PC as a source register reads as the address behind the opcode word.
#pragma once

#include "cycles.h"
#include "handlers.h"
#include "machine.h"

namespace sw {

struct Operand {
    Src mode = Src::Reg;
    Cost cost = Cost::Register;
    uint8_t reg = 0;
    int32_t value = 0;
    bool constant = false; // register or constant: no word of its own, no memory access
};

inline int32_t sign16(uint32_t w) {
    return static_cast<int32_t>(static_cast<int16_t>(w));
}

struct Decoder {
    Machine &m;
    Op &op;
    uint32_t start;
    uint32_t pc;
    uint32_t first = 0; // the opcode word, for messages
    bool extended = false;
    uint32_t ext = 0;

    Decoder(Machine &machine, Op *entry) : m(machine), op(*entry), start(machine.pc_of(entry)), pc(start) {}
    void run();

    // --- operands (decode_operand.cpp)
    uint32_t word();
    uint32_t high(int shift) const { return extended ? (ext >> shift & 0xF) << 16 : 0; }
    // `x` taken at address `at` relative to a base: 16-bit forms wrap below 64 KB, extended ones are 20 bits.
    int32_t relative(uint32_t x, uint32_t at, int shift);
    int32_t index_value(uint32_t x, int shift) {
        return extended ? static_cast<int32_t>(high(shift) | x) : sign16(x);
    }
    // Source operand of formats I and II (As in bits 5:4). `shift`: where the extension word keeps bits
    // 19:16.
    Operand source(uint32_t as, uint32_t reg, Size size, int shift);

    [[noreturn]] void illegal(const char *why) {
        raise(FaultKind::Illegal, start, "opcode 0x%04X at 0x%05X: %s", first, start, why);
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

    // --- formats (decode.cpp)
    Size extended_size(uint32_t w);
    // Repeat descriptor for extended.cpp, or false when the instruction runs once with the real carry.
    bool repetition(uint32_t key);
    void two_operands(uint32_t w);
    void one_operand(uint32_t w);
    void jump(uint32_t w);

    // --- the MSP430X's own (decode_address.cpp)
    void reti_calla(uint32_t w);          // 0x13xx: RETI and CALLA
    void address_instruction(uint32_t w); // 0x0xxx: address instructions and multiple rotates
    void multiple(uint32_t w);            // 0x14xx-0x17xx: PUSHM.A, PUSHM.W, POPM.A, POPM.W
};

} // namespace sw
