// SPDX-License-Identifier: Apache-2.0
// How each LEA command reads its parameter block (sim/LEA.md, Commands): fields, sizes, operands, overlap.
//
// Modelled: the blocks of lea_commands.cpp. Not modelled: reserved fields, which are not read.
#include "lea_blocks.h"
#include "lea_operands.h"

namespace sw {

namespace block {

namespace {

// vectorSize, input2, output, in1Offset, in2Offset, outOffset; words per element pair or per 32-bit element
LeaJob element_wise(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1, bool pairs) {
    LeaReader r(m, c, pms1, 12);
    r.job.n = r.field(0);
    if (pairs) r.even(r.job.n, "vectorSize");
    r.some(r.job.n, "vectorSize");
    uint32_t count = pairs ? r.job.n / 2 : r.job.n;
    r.input(r.job.in1, {pms0, count, r.field(3)}, "input 1 (LEAPMS0)");
    r.input(r.job.in2, {r.field(1), count, r.field(4)}, "input 2");
    r.output(r.field(2), count, r.field(5));
    r.apart_or_same(r.job.in1, "input 1");
    r.apart_or_same(r.job.in2, "input 2");
    return r.job;
}
} // namespace

LeaJob pairs(Machine &m, const LeaCommand &c, uint32_t s0, uint32_t s1) {
    return element_wise(m, c, s0, s1, true);
}
LeaJob words(Machine &m, const LeaCommand &c, uint32_t s0, uint32_t s1) {
    return element_wise(m, c, s0, s1, false);
}

// vectorSize, input2, output, [scale]: contiguous 16-bit vectors
LeaJob dot(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1) {
    LeaReader r(m, c, pms1, 8);
    r.job.n = r.field(0);
    r.even(r.job.n, "vectorSize");
    r.input(r.job.in1, {pms0, r.job.n / 2, 1}, "input 1 (LEAPMS0)");
    r.input(r.job.in2, {r.field(1), r.job.n / 2, 1}, "input 2");
    r.output(r.field(2), 1);
    r.apart(r.job.in1, "input 1");
    r.apart(r.job.in2, "input 2");
    if (c.code == 0x138) r.job.scale = r.scale(3);
    return r.job;
}

// vectorSize, input2, output, in1Offset, in2Offset
LeaJob strided_dot(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1) {
    LeaReader r(m, c, pms1, 12);
    r.job.n = r.field(0);
    bool halves = c.code == 0x100;
    if (halves) r.even(r.job.n, "vectorSize");
    r.some(r.job.n, "vectorSize");
    uint32_t count = halves ? r.job.n / 2 : r.job.n;
    r.input(r.job.in1, {pms0, count, r.field(3)}, "input 1 (LEAPMS0)");
    r.input(r.job.in2, {r.field(1), count, r.field(4)}, "input 2");
    r.output(r.field(2), c.energy == LeaClass::Complex ? 2 : 1);
    r.apart(r.job.in1, "input 1");
    r.apart(r.job.in2, "input 2");
    return r.job;
}

// rowSize, colSize, colVector, output
LeaJob matrix_row(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1) {
    LeaReader r(m, c, pms1, 8);
    uint32_t rows = r.field(0), columns = r.field(1);
    r.even(rows, "rowSize");
    r.even(columns, "colSize");
    r.job.n = columns;
    r.job.m = rows;
    r.input(r.job.in1, {pms0, rows / 2, 1}, "row (LEAPMS0)");
    r.input(r.job.in2, {r.field(2), rows * columns / 2, 1}, "matrix");
    r.output(r.field(3), columns / 2);
    r.apart(r.job.in1, "the row");
    r.apart(r.job.in2, "the matrix");
    return r.job;
}

// vectorSize, coeffs, output, tapLength, bufferMask, [scale]; words per element by command
LeaJob fir_block(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1) {
    LeaReader r(m, c, pms1, 12);
    uint32_t n = r.job.n = r.field(0), taps = r.job.m = r.field(3);
    bool halves = c.energy == LeaClass::Fir;
    uint32_t width = c.code == 0x124 ? 2 : 1; // words per element when not halves
    r.some(n, "vectorSize");
    r.some(taps, "tapLength");
    if (halves) {
        r.even(n, "vectorSize");
        r.even(taps, "tapLength");
    }
    r.job.mask = r.field(4);
    if (r.job.mask & (r.job.mask + 1))
        raise(FaultKind::Lea, pms1 * 4,
              "LEA command %s with bufferMask = 0x%04X; it must be 0xFFFF or a power of two - 1", c.name,
              r.job.mask);
    uint32_t elements = n + taps - 1;
    uint32_t in_words = halves ? (n + taps) / 2 : elements * width;
    if (r.job.mask != 0xFFFF) { // circular: the whole buffer, aligned to its size
        uint32_t base = pms0 & ~r.job.mask;
        r.input(r.job.in1, {base, r.job.mask + 1, 1}, "circular source buffer (LEAPMS0)");
    } else {
        r.input(r.job.in1, {pms0, in_words, 1}, "source (LEAPMS0)", halves ? static_cast<int>(elements) : 0);
    }
    r.input(r.job.in2, {r.field(1), halves ? taps / 2 : taps * width, 1}, "coefficients");
    r.output(r.field(2), halves ? n / 2 : n * width);
    r.apart(r.job.in1, "the source");
    r.apart(r.job.in2, "the coefficients");
    if (c.code == 0x13C) r.job.scale = r.scale(5);
    r.job.spurious_oor = m.lea.config->fir_oor && pms0 * 4 == Lea::kFirst;
    r.job.start = pms0;
    return r.job;
}

// vectorSize, output | vectorSize, output, inputOffset | vectorSize, inputOffset, output
LeaJob extreme(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1) {
    bool wide = c.energy == LeaClass::MinMaxLong, strided = wide || c.code < 0x100;
    LeaReader r(m, c, pms1, strided ? 8 : 4);
    r.job.n = r.field(0);
    if (!wide) r.even(r.job.n, "vectorSize");
    r.some(r.job.n, "vectorSize");
    uint32_t offset = !strided ? 1 : wide ? r.field(2) : r.field(1);
    r.input(r.job.in1, {pms0, wide ? r.job.n : r.job.n / 2, offset}, "input (LEAPMS0)");
    r.output(r.field(!wide && strided ? 2 : 1), wide ? 2 : 1);
    r.apart(r.job.in1, "the input");
    return r.job;
}

// vectorSize, interleaveDepth, output
LeaJob interleaved(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1) {
    LeaReader r(m, c, pms1, 8);
    uint32_t n = r.job.n = r.field(0), depth = r.job.m = r.field(1);
    bool wide = c.code == 0x12C, odd_channel = c.code >= 0x060,
         odd_depth = c.code == 0x05C || c.code == 0x064;
    r.some(depth, "interleaveDepth");
    if (wide) {
        r.some(n, "vectorSize");
        r.input(r.job.in1, {pms0, n, depth}, "input (LEAPMS0)");
        r.output(r.field(2), n);
        r.apart(r.job.in1, "the input");
        return r.job;
    }
    r.even(n, "vectorSize");
    if ((depth & 1) != odd_depth)
        raise(FaultKind::Lea, pms1 * 4,
              "LEA command %s with interleaveDepth = %u; take the command for %s depth", c.name, depth,
              depth & 1 ? "odd" : "even");
    uint32_t last = odd_channel + (n - 1) * depth; // halfword
    r.input(r.job.in1, {pms0, last / 2 + 1, 1}, "input (LEAPMS0)", -1);
    for (uint32_t i = 0; i < n; ++i) {
        uint32_t h = odd_channel + i * depth;
        r.initialised(pms0 + h / 2, h & 1);
    }
    r.output(r.field(2), n / 2);
    r.apart(r.job.in1, "the input");
    return r.job;
}

} // namespace block

} // namespace sw
