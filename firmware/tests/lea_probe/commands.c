// SPDX-License-Identifier: Apache-2.0
// The commands under test: code (msp430fr5994.h, LEACMD__*) and shape of the block (sim/LEA.md, Commands).
#include "probe.h"

const command_t probe_commands[] = {
    {0x040, SHAPE_PAIRS, 0},         // ADDMATRIX
    {0x070, SHAPE_PAIRS, 0},         // SUBMATRIX
    {0x03C, SHAPE_PAIRS, 0},         // MPYMATRIX
    {0x054, SHAPE_DOT, 0},           // MAC
    {0x034, SHAPE_ROW, 0},           // MPYMATRIXROW
    {0x018, SHAPE_FIR, 0},           // FIR
    {0x104, SHAPE_EXTREME, 0},       // MAX
    {0x108, SHAPE_EXTREME, 0},       // MIN
    {0x10C, SHAPE_EXTREME, 0},       // MAXUNSIGNED
    {0x110, SHAPE_EXTREME, 0},       // MINUNSIGNED
    {0x044, SHAPE_EXTREME_PAIRS, 0}, // MAXMATRIX
    {0x048, SHAPE_EXTREME_PAIRS, 0}, // MINMATRIX
    {0x0E8, SHAPE_EXTREME_PAIRS, 0}, // MAXUNSIGNEDMATRIX
    {0x0EC, SHAPE_EXTREME_PAIRS, 0}, // MINUNSIGNEDMATRIX
    {0x0D8, SHAPE_EXTREME_WORDS, 0}, // MAXLONGMATRIX
    {0x0DC, SHAPE_EXTREME_WORDS, 0}, // MINLONGMATRIX
    {0x114, SHAPE_EXTREME_WORDS, 0}, // MAXUNSIGNEDLONGMATRIX
    {0x118, SHAPE_EXTREME_WORDS, 0}, // MINUNSIGNEDLONGMATRIX
    {0x058, SHAPE_DEAL, 2},          // DEINTERLEAVEEVENEVEN
    {0x05C, SHAPE_DEAL, 3},          // DEINTERLEAVEEVENODD
    {0x060, SHAPE_DEAL, 2},          // DEINTERLEAVEODDEVEN
    {0x064, SHAPE_DEAL, 3},          // DEINTERLEAVEODDODD
    {0x12C, SHAPE_DEAL_WORDS, 2},    // DEINTERLEAVELONG
    {0x07C, SHAPE_WORDS, 0},         // ADDLONGMATRIX
    {0x0D4, SHAPE_WORDS, 0},         // SUBLONGMATRIX
    {0x074, SHAPE_WORDS, 0},         // MPYLONGMATRIX
    {0x0D0, SHAPE_DOT_WORDS, 0},     // MACLONGMATRIX
    {0x0C8, SHAPE_FIR_WORDS, 0},     // FIRLONG
    {0x078, SHAPE_WORDS, 0},         // MPYCOMPLEXMATRIX
    {0x068, SHAPE_DOT_COMPLEX, 0},   // MACCOMPLEXMATRIX
    {0x06C, SHAPE_DOT_COMPLEX, 0},   // MACCOMPLEXCONJUGATEMATRIX
    {0x0E0, SHAPE_FIR_WORDS, 0},     // FIRCOMPLEX
    {0x124, SHAPE_FIR_DOUBLE, 0},    // FIRCOMPLEXLONG
    // only the parameter block is known of these
    {0x134, SHAPE_DOT, 0},       // MAC3
    {0x138, SHAPE_DOT, 0},       // SCALEDMAC
    {0x100, SHAPE_DOT_PAIRS, 0}, // MACMATRIX
    {0x13C, SHAPE_FIR, 0},       // SCALEDFIR
};
const uint16_t probe_command_count = sizeof probe_commands / sizeof probe_commands[0];
