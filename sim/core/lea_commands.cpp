// SPDX-License-Identifier: Apache-2.0
// The LEA commands: what each computes, row by row as in sim/LEA.md, and their table.
//
// Modelled: the commands of kCommands. Not modelled (raise by name): FFT, BITREVERSE, IIR, POLYNOMIAL,
// WINDOW,
//   MOVELONGLIST, SUSPEND, RESUME and programs in code RAM.
#include "lea_blocks.h"
#include "lea_operands.h"

#include <cmath>

namespace sw {

namespace {

using Config = LeaConfig;

int64_t product(int16_t a, int16_t b) { // Q15 x Q15 -> Q31
    return 2 * static_cast<int64_t>(a) * b;
}

// --- what they compute

void add(Machine &m, const LeaJob &j, const Config &) {
    int sign = j.code == 0x070 ? -1 : 1;
    for (uint32_t i = 0; i < j.n; ++i)
        lea_put_half(m, j.out.first + i / 2 * j.out.stride, i & 1,
                     saturate16(lea_element(m, j.in1, i) + sign * lea_element(m, j.in2, i)));
}

void add_long(Machine &m, const LeaJob &j, const Config &) {
    int sign = j.code == 0x0D4 ? -1 : 1;
    for (uint32_t i = 0; i < j.n; ++i)
        lea_put(m, j.out.first + i * j.out.stride,
                static_cast<uint32_t>(saturate32(static_cast<int64_t>(lea_long(m, j.in1, i)) +
                                                 sign * static_cast<int64_t>(lea_long(m, j.in2, i)))));
}

void mpy(Machine &m, const LeaJob &j, const Config &o) {
    for (uint32_t i = 0; i < j.n; ++i) {
        LeaSum sum(o.accumulator);
        sum.add(product(lea_element(m, j.in1, i), lea_element(m, j.in2, i)));
        lea_put_half(m, j.out.first + i / 2 * j.out.stride, i & 1,
                     upper_half(sum.q31(), o.truncation, o.mpy_round));
    }
}

// Q31 x Q31: high 64 - 31 bits. The product of two minima is 2**31 and saturates or wraps with the sum.
int64_t long_product(int32_t a, int32_t b) {
    return floor_shift(static_cast<int64_t>(a) * b, 31);
}

int64_t long_product(int32_t a, int32_t b, Truncation how) {
    int64_t p = static_cast<int64_t>(a) * b;
    return how == Truncation::Floor || p >= 0 ? long_product(a, b) : -((-p) >> 31);
}

void mpy_long(Machine &m, const LeaJob &j, const Config &o) {
    for (uint32_t i = 0; i < j.n; ++i) {
        LeaSum sum(o.accumulator);
        sum.add(long_product(lea_long(m, j.in1, i), lea_long(m, j.in2, i), o.truncation));
        lea_put(m, j.out.first + i * j.out.stride, static_cast<uint32_t>(sum.q31()));
    }
}

int32_t scaled(int32_t sum, int16_t scale) { // Q31 x Q15 -> Q31
    return saturate32(floor_shift(static_cast<int64_t>(sum) * scale, 15));
}

void mac(Machine &m, const LeaJob &j, const Config &o) {
    LeaSum sum(o.accumulator);
    for (uint32_t i = 0; i < j.n; ++i) sum.add(product(lea_element(m, j.in1, i), lea_element(m, j.in2, i)));
    int32_t result = sum.q31();
    lea_put(m, j.out.first, static_cast<uint32_t>(j.code == 0x138 ? scaled(result, j.scale) : result));
}

// A sum of Q31 products: each cut to Q31 (truncate), or summed at full width and cut once (wide).
struct LongSum {
    const Config &o;
    LeaSum sum;
    int64_t high = 0, low = 0; // wide: value = high * 2**31 + low, 0 <= low < 2**31
    explicit LongSum(const Config &c) : o(c), sum(c.accumulator) {}
    void add(int32_t a, int32_t b, int sign = 1) {
        if (o.long_product == LongProduct::Truncate) {
            int64_t p = long_product(a, b, o.truncation);
            return sum.add(sign * p);
        }
        int64_t p = sign * (static_cast<int64_t>(a) * b);
        high += floor_shift(p, 31);
        low += p - floor_shift(p, 31) * (1ll << 31);
    }
    uint32_t result() {
        if (o.long_product == LongProduct::Truncate) return static_cast<uint32_t>(sum.q31());
        int64_t carry = low >> 31, rest = low & kMax32, v = high + carry;
        if (o.truncation == Truncation::TowardZero && v < 0 && rest) ++v;
        sum.add(v);
        return static_cast<uint32_t>(sum.q31());
    }
};

void mac_long(Machine &m, const LeaJob &j, const Config &o) {
    LongSum sum(o);
    for (uint32_t i = 0; i < j.n; ++i) sum.add(lea_long(m, j.in1, i), lea_long(m, j.in2, i));
    lea_put(m, j.out.first, sum.result());
}

void matrix_row(Machine &m, const LeaJob &j, const Config &o) {
    for (uint32_t column = 0; column < j.n; ++column) {
        LeaSum sum(o.accumulator);
        for (uint32_t i = 0; i < j.m; ++i)
            sum.add(product(lea_element(m, j.in1, i), lea_element(m, j.in2, i * j.n + column)));
        lea_put_half(m, j.out.first + column / 2, column & 1, upper_half(sum.q31(), o.truncation, false));
    }
}

// Word `k` behind the start, within the circular buffer when there is one.
uint32_t circular(const LeaJob &j, uint32_t k) {
    return (j.start & ~j.mask) | ((j.start + k) & j.mask);
}

void fir(Machine &m, const LeaJob &j, const Config &o) {
    for (uint32_t i = 0; i < j.n; ++i) {
        LeaSum sum(o.accumulator);
        for (uint32_t k = 0; k < j.m; ++k)
            sum.add(product(lea_half(m, circular(j, (i + k) / 2), (i + k) & 1),
                            lea_element(m, j.in2, j.m - 1 - k)));
        int32_t result = sum.q31();
        if (j.code == 0x13C) result = scaled(result, j.scale);
        lea_put_half(m, j.out.first + i / 2, i & 1, upper_half(result, o.truncation, o.fir_round));
    }
}

void fir_long(Machine &m, const LeaJob &j, const Config &o) {
    for (uint32_t i = 0; i < j.n; ++i) {
        LongSum sum(o);
        for (uint32_t k = 0; k < j.m; ++k)
            sum.add(static_cast<int32_t>(lea_word(m, circular(j, i + k))), lea_long(m, j.in2, j.m - 1 - k));
        lea_put(m, j.out.first + i, sum.result());
    }
}

struct ComplexSum {
    LeaSum re, im;
    explicit ComplexSum(Accumulator a) : re(a), im(a) {}
    void add(uint32_t a, uint32_t b, bool conjugate) { // low half real, high half imaginary
        int16_t ar = static_cast<int16_t>(a), ai = static_cast<int16_t>(a >> 16);
        int16_t br = static_cast<int16_t>(b), bi = static_cast<int16_t>(b >> 16);
        int sign = conjugate ? -1 : 1; // conjugate of b
        re.add(product(ar, br));
        re.add(-sign * product(ai, bi));
        im.add(sign * product(ar, bi));
        im.add(product(ai, br));
    }
};

void mpy_complex(Machine &m, const LeaJob &j, const Config &o) {
    for (uint32_t i = 0; i < j.n; ++i) {
        ComplexSum sum(o.accumulator);
        sum.add(lea_word(m, j.in1.first + i * j.in1.stride), lea_word(m, j.in2.first + i * j.in2.stride),
                false);
        lea_put_half(m, j.out.first + i * j.out.stride, 0,
                     upper_half(sum.re.q31(), o.truncation, o.mpy_round));
        lea_put_half(m, j.out.first + i * j.out.stride, 1,
                     upper_half(sum.im.q31(), o.truncation, o.mpy_round));
    }
}

void mac_complex(Machine &m, const LeaJob &j, const Config &o) {
    ComplexSum sum(o.accumulator);
    for (uint32_t i = 0; i < j.n; ++i)
        sum.add(lea_word(m, j.in1.first + i * j.in1.stride), lea_word(m, j.in2.first + i * j.in2.stride),
                j.code == 0x06C);
    lea_put(m, j.out.first, static_cast<uint32_t>(sum.re.q31()));
    lea_put(m, j.out.first + 1, static_cast<uint32_t>(sum.im.q31()));
}

void fir_complex(Machine &m, const LeaJob &j, const Config &o) {
    for (uint32_t i = 0; i < j.n; ++i) {
        ComplexSum sum(o.accumulator);
        for (uint32_t k = 0; k < j.m; ++k)
            sum.add(lea_word(m, circular(j, i + k)), lea_word(m, j.in2.first + j.m - 1 - k), false);
        lea_put_half(m, j.out.first + i, 0, upper_half(sum.re.q31(), o.truncation, o.fir_round));
        lea_put_half(m, j.out.first + i, 1, upper_half(sum.im.q31(), o.truncation, o.fir_round));
    }
}

void fir_complex_long(Machine &m, const LeaJob &j, const Config &o) {
    for (uint32_t i = 0; i < j.n; ++i) {
        LongSum re(o), im(o);
        for (uint32_t k = 0; k < j.m; ++k) {
            int32_t ar = static_cast<int32_t>(lea_word(m, circular(j, 2 * (i + k))));
            int32_t ai = static_cast<int32_t>(lea_word(m, circular(j, 2 * (i + k) + 1)));
            int32_t br = lea_long(m, j.in2, 2 * (j.m - 1 - k)),
                    bi = lea_long(m, j.in2, 2 * (j.m - 1 - k) + 1);
            re.add(ar, br);
            re.add(ai, bi, -1);
            im.add(ar, bi);
            im.add(ai, br);
        }
        lea_put(m, j.out.first + 2 * i, re.result());
        lea_put(m, j.out.first + 2 * i + 1, im.result());
    }
}

void extreme_of(Machine &m, const LeaJob &j, const Config &o, bool wide, bool is_unsigned, bool want_max) {
    int64_t best = 0;
    uint32_t where = 0;
    for (uint32_t i = 0; i < j.n; ++i) {
        int64_t v = wide ? lea_long(m, j.in1, i) : lea_element(m, j.in1, i);
        if (is_unsigned) v &= wide ? 0xFFFFFFFFll : 0xFFFFll;
        if (i == 0 || (want_max ? v > best : v < best) || (o.highest_tie && v == best)) {
            best = v;
            where = i;
        }
    }
    if (wide) {
        lea_put(m, j.out.first, static_cast<uint32_t>(best));
        lea_put(m, j.out.first + 1, where);
    } else {
        lea_put(m, j.out.first, static_cast<uint32_t>(best & 0xFFFF) | where << 16);
    }
}
template <bool Wide, bool Unsigned, bool Max> void extreme_in(Machine &m, const LeaJob &j, const Config &o) {
    extreme_of(m, j, o, Wide, Unsigned, Max);
}

void deinterleave(Machine &m, const LeaJob &j, const Config &) {
    uint32_t channel = j.code >= 0x060 ? 1 : 0;
    for (uint32_t i = 0; i < j.n; ++i) {
        uint32_t h = channel + i * j.m;
        lea_put_half(m, j.out.first + i / 2, i & 1, lea_half(m, j.in1.first + h / 2, h & 1));
    }
}

void deinterleave_long(Machine &m, const LeaJob &j, const Config &) {
    for (uint32_t i = 0; i < j.n; ++i)
        lea_put(m, j.out.first + i, static_cast<uint32_t>(lea_long(m, j.in1, i)));
}

using C = LeaClass;

constexpr LeaCommand kCommands[] = {
    {0x018, "FIR", C::Fir, block::fir_block, fir},
    {0x034, "MPYMATRIXROW", C::MatrixRow, block::matrix_row, matrix_row},
    {0x03C, "MPYMATRIX", C::Mpy, block::pairs, mpy},
    {0x040, "ADDMATRIX", C::Add, block::pairs, add},
    {0x044, "MAXMATRIX", C::MinMax, block::extreme, extreme_in<false, false, true>},
    {0x048, "MINMATRIX", C::MinMax, block::extreme, extreme_in<false, false, false>},
    {0x054, "MAC", C::Mac, block::dot, mac},
    {0x058, "DEINTERLEAVEEVENEVEN", C::Deinterleave, block::interleaved, deinterleave},
    {0x05C, "DEINTERLEAVEEVENODD", C::Deinterleave, block::interleaved, deinterleave},
    {0x060, "DEINTERLEAVEODDEVEN", C::Deinterleave, block::interleaved, deinterleave},
    {0x064, "DEINTERLEAVEODDODD", C::Deinterleave, block::interleaved, deinterleave},
    {0x068, "MACCOMPLEXMATRIX", C::Complex, block::strided_dot, mac_complex},
    {0x06C, "MACCOMPLEXCONJUGATEMATRIX", C::Complex, block::strided_dot, mac_complex},
    {0x070, "SUBMATRIX", C::Add, block::pairs, add},
    {0x074, "MPYLONGMATRIX", C::MpyLong, block::words, mpy_long},
    {0x078, "MPYCOMPLEXMATRIX", C::Complex, block::words, mpy_complex},
    {0x07C, "ADDLONGMATRIX", C::AddLong, block::words, add_long},
    {0x0C8, "FIRLONG", C::FirLong, block::fir_block, fir_long},
    {0x0D0, "MACLONGMATRIX", C::MacLong, block::strided_dot, mac_long},
    {0x0D4, "SUBLONGMATRIX", C::AddLong, block::words, add_long},
    {0x0D8, "MAXLONGMATRIX", C::MinMaxLong, block::extreme, extreme_in<true, false, true>},
    {0x0DC, "MINLONGMATRIX", C::MinMaxLong, block::extreme, extreme_in<true, false, false>},
    {0x0E0, "FIRCOMPLEX", C::Complex, block::fir_block, fir_complex},
    {0x0E8, "MAXUNSIGNEDMATRIX", C::MinMax, block::extreme, extreme_in<false, true, true>},
    {0x0EC, "MINUNSIGNEDMATRIX", C::MinMax, block::extreme, extreme_in<false, true, false>},
    {0x100, "MACMATRIX", C::Mac, block::strided_dot, mac},
    {0x104, "MAX", C::MinMax, block::extreme, extreme_in<false, false, true>},
    {0x108, "MIN", C::MinMax, block::extreme, extreme_in<false, false, false>},
    {0x10C, "MAXUNSIGNED", C::MinMax, block::extreme, extreme_in<false, true, true>},
    {0x110, "MINUNSIGNED", C::MinMax, block::extreme, extreme_in<false, true, false>},
    {0x114, "MAXUNSIGNEDLONGMATRIX", C::MinMaxLong, block::extreme, extreme_in<true, true, true>},
    {0x118, "MINUNSIGNEDLONGMATRIX", C::MinMaxLong, block::extreme, extreme_in<true, true, false>},
    {0x124, "FIRCOMPLEXLONG", C::Complex, block::fir_block, fir_complex_long},
    {0x12C, "DEINTERLEAVELONG", C::Deinterleave, block::interleaved, deinterleave_long},
    {0x134, "MAC3", C::Mac, block::dot, mac},
    {0x138, "SCALEDMAC", C::Mac, block::dot, mac},
    {0x13C, "SCALEDFIR", C::Fir, block::fir_block, fir},
};

struct OtherCommand {
    uint16_t code;
    const char *name;
};
constexpr OtherCommand kOthers[] = {
    {0x000, "SUSPEND"},
    {0x008, "RESUME"},
    {0x010, "FFTCOMPLEXFIXEDSCALING"},
    {0x028, "FFT"},
    {0x030, "POLYNOMIALLONG"},
    {0x020, "POLYNOMIAL"},
    {0x04C, "IIRBQ1"},
    {0x080, "MOVELONGLIST"},
    {0x084, "BITREVERSECOMPLEXEVEN"},
    {0x088, "BITREVERSECOMPLEXODD"},
    {0x090, "IIRBQ2EXTENDED"},
    {0x09C, "FFTCOMPLEXLONG"},
    {0x0A4, "FFTLONG"},
    {0x0AC, "BITREVERSECOMPLEXLONGEVEN"},
    {0x0B4, "BITREVERSECOMPLEXLONGODD"},
    {0x0BC, "POLYNOMIALSCALAR"},
    {0x0C0, "FFTCOMPLEXAUTOSCALING"},
    {0x11C, "IIRBQ2"},
    {0x130, "WINDOW"},
};

} // namespace

const LeaCommand *lea_command(uint16_t code) {
    for (const LeaCommand &c : kCommands)
        if (c.code == code) return &c;
    return nullptr;
}

const char *lea_command_name(uint16_t code) {
    if (const LeaCommand *c = lea_command(code)) return c->name;
    for (const OtherCommand &c : kOthers)
        if (c.code == code) return c.name;
    return code >= 0x1E0 ? "in code RAM" : "of no known code";
}

uint32_t lea_cycles(const LeaJob &job, const LeaConfig &o) {
    const double *c = o.cost[job.code >> 2];
    double n = job.n, m = job.m;
    return static_cast<uint32_t>(std::ceil(c[0] + c[1] * n + c[2] * m + c[3] * n * m - 1e-6));
}

} // namespace sw
