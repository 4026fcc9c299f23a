// SPDX-License-Identifier: Apache-2.0
// Checks and element access for LEA commands.
//
// Modelled / Not modelled: see lea_operands.h. ASSUMPTION lea-in-place: an element-wise command whose output
// is exactly an input works element by element; any other overlap raises.
#include "lea_operands.h"

#include <algorithm>

namespace sw {

bool lea_constant(uint32_t word, uint32_t &value) { // DSPLib_lea.h: MSP_LEA_CONST_*
    switch (word) {
    case 0xA000: value = 0; return true;
    case 0xAC00: value = 0x7FFF7FFF; return true;
    case 0xB000: value = 0x80008000; return true;
    case 0xE000: value = 0x80000000; return true;
    default: return false;
    }
}

uint32_t lea_word(const Machine &m, uint32_t word) {
    uint32_t value = 0;
    if (lea_constant(word, value)) return value;
    const uint8_t *p = m.memory.data() + word * 4;
    return static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8 |
           static_cast<uint32_t>(p[2]) << 16 | static_cast<uint32_t>(p[3]) << 24;
}

void lea_put_half(Machine &m, uint32_t word, uint32_t half, int16_t value) {
    m.lea_store(word * 4 + 2 * half, static_cast<uint16_t>(value));
}

void lea_put(Machine &m, uint32_t word, uint32_t value) {
    m.lea_store(word * 4, static_cast<uint16_t>(value));
    m.lea_store(word * 4 + 2, static_cast<uint16_t>(value >> 16));
}

LeaReader::LeaReader(Machine &machine, const LeaCommand &command, uint32_t pms1, uint32_t bytes)
    : m(machine), c(command) {
    job.code = c.code;
    job.in1.count = job.in2.count = job.out.count = 0;
    job.block = LeaSpan{pms1, bytes / 4, 1};
    inside(job.block, "parameter block (LEAPMS1)");
}

void LeaReader::initialised(uint32_t word, uint32_t half) const {
    uint32_t unused;
    if (lea_constant(word, unused)) return;
    uint32_t a = word * 4 + 2 * half;
    if (m.initialised[a] && m.initialised[a + 1]) return;
    raise(FaultKind::Uninitialised, a,
          "LEA command %s reads 0x%05X, which was not written since power-up and holds random bits; "
          "initialise it or "
          "pass allow_uninitialised=True",
          c.name, a);
}

uint32_t LeaReader::field(uint32_t index) const {
    uint32_t word = job.block.first + index / 2, half = index & 1;
    initialised(word, half);
    return static_cast<uint16_t>(lea_half(m, word, half));
}

void LeaReader::some(uint32_t value, const char *what) const {
    if (value == 0)
        raise(FaultKind::Lea, job.block.first * 4, "LEA command %s with %s = 0; skip the call", c.name, what);
}

void LeaReader::even(uint32_t value, const char *what) const {
    some(value, what);
    if (value & 1)
        raise(FaultKind::Lea, job.block.first * 4,
              "LEA command %s with odd %s = %u: LEA works on pairs of 16-bit elements; pad to an even number",
              c.name, what, value);
}

void LeaReader::inside(const LeaSpan &s, const char *role) const {
    uint64_t first = s.first * 4ull, end = (s.first + (s.count - 1ull) * s.stride) * 4 + 4;
    if (first < Lea::kFirst || end > Lea::kEnd)
        raise(FaultKind::LeaRange, static_cast<uint32_t>(std::min<uint64_t>(first, kAddressMask)),
              "LEA command %s: %s at 0x%05X-0x%05X is outside LEA RAM [0x2C00, 0x3C00); pointers are byte "
              "address >> 2",
              c.name, role, static_cast<uint32_t>(first), static_cast<uint32_t>(end - 1));
    uint32_t reserve = (Lea::kEnd - m.lea.config->stack_bytes) >> 2; // up to LEACNF2 it is the LEA's own
    for (uint32_t i = 0; i < s.count; ++i) {
        uint32_t w = s.first + i * s.stride;
        if (w >= reserve && w < m.lea.cnf2)
            raise(FaultKind::Lea, w * 4,
                  "LEA command %s: %s at 0x%05X lies in the LEA stack 0x%05X-0x%05X; move it down, or take "
                  "it off the "
                  "stack (LEACNF2)",
                  c.name, role, w * 4, reserve * 4, m.lea.cnf2 * 4 - 1);
    }
}

void LeaReader::input(LeaSpan &s, const LeaSpan &value, const char *role, int halfwords) {
    s = value;
    uint32_t unused;
    if (lea_constant(s.first, unused)) {
        if (s.count > 1 && s.stride != 0)
            raise(FaultKind::Unmodelled, s.first * 4,
                  "LEA command %s: %s walks through constant ROM from 0x%04X; only offset 0 is modelled",
                  c.name, role, s.first);
        s.stride = 0;
        return;
    }
    inside(s, role);
    if (halfwords == 0) halfwords = static_cast<int>(s.count * kHalfwordsOfWord);
    for (uint32_t i = 0; static_cast<int>(i) < halfwords; ++i) initialised(s.first + i / 2 * s.stride, i & 1);
}

void LeaReader::output(uint32_t first, uint32_t count, uint32_t stride) {
    job.out = LeaSpan{first, count, stride};
    if (stride == 0 && count > 1)
        raise(FaultKind::Lea, first * 4,
              "LEA command %s with outputOffset = 0 writes every result to one word", c.name);
    inside(job.out, "output");
    for (uint32_t i = 0; i < count; ++i)
        if (job.block.holds(first + i * stride))
            raise(FaultKind::Lea, (first + i * stride) * 4,
                  "LEA command %s: the output overwrites the parameter block", c.name);
}

void LeaReader::apart(const LeaSpan &in, const char *role) const {
    if (in.count == 0 || in.first > job.out.last() || in.last() < job.out.first) return;
    for (uint32_t i = 0; i < job.out.count; ++i) {
        uint32_t w = job.out.first + i * job.out.stride;
        if (in.holds(w))
            raise(FaultKind::Lea, w * 4,
                  "LEA command %s: the output overlaps %s at 0x%05X; give it its own memory", c.name, role,
                  w * 4);
    }
}

void LeaReader::apart_or_same(const LeaSpan &in, const char *role) const {
    if (in.first == job.out.first && in.stride == job.out.stride) return;
    apart(in, role);
}

} // namespace sw
