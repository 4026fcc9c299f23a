// SPDX-License-Identifier: Apache-2.0
// One LEA command: its parameter block, its operands, its run under the watchdog.
#include "probe.h"

#define WDTCTL REG16(0x015C)
#define LEACNF0 REG16(0x0A84)
#define LEACNF1 REG16(0x0A88)
#define LEACNF2 REG16(0x0A8C)
#define LEAMT REG16(0x0A94)
#define LEACMCTL REG16(0x0A9C)
#define LEAPMCTL REG16(0x0AC0)
#define LEAPMDST REG16(0x0AC4)
#define LEAPMS1 REG16(0x0AC8)
#define LEAPMS0 REG16(0x0ACC)
#define LEAIE REG16(0x0AF4)
#define LEAIFG REG16(0x0AF8)

#define WDT_HOLD 0x5A80
#define WDT_HALF_SECOND 0x5A0A // SMCLK / 2^23: 0.52 s at 16 MHz
#define LEALPR_LEAILPM 0x0500
#define LEACMDEN 0x0001
#define LEAPMCMDIE 0x0010
#define LEAITFLG1 0x0002 // interrupt at completion
#define ALL_FLAGS 0x001F
#define LINEAR 0xFFFF    // bufferMask of a source that is no ring
#define UNTOUCHED 0x5AA5 // what outputs hold before

void lea_setup(void) {
    LEACNF0 = LEALPR_LEAILPM;
    LEACNF1 = 0;
    LEACNF2 = (LEA_TOP - 12) >> 2; // below the parameter block
    LEAPMS1 = LEAPMS0 = LEAPMDST = 0;
    LEAPMCTL = LEACMDEN;
    LEACMCTL = 0;
    LEAIFG = ALL_FLAGS;
    LEAIE = LEAPMCMDIE;
}

static uint16_t span(uint16_t count,
                     uint16_t stride) { // words that `count` words with this stride reach over
    return (uint16_t)((count - 1) * stride + 1);
}

void call_describe(call_t *call, const command_t *command, uint16_t n, uint16_t m, uint16_t stride) {
    uint16_t *b = call->block, y = PLACE_Y >> 2, z = PLACE_Z >> 2;
    call->code = command->code;
    call->x = PLACE_X >> 2;
    for (uint16_t i = 0; i < 6; i++) b[i] = 0;
    b[0] = n;
    b[1] = y;
    b[2] = z;
    switch (command->shape) {
    case SHAPE_PAIRS:
    case SHAPE_WORDS:
    case SHAPE_DOT_PAIRS:
    case SHAPE_DOT_WORDS:
    case SHAPE_DOT_COMPLEX:
    case SHAPE_DOT: {
        uint16_t pairs =
            command->shape == SHAPE_PAIRS || command->shape == SHAPE_DOT_PAIRS || command->shape == SHAPE_DOT;
        uint16_t count = pairs ? (uint16_t)((n + 1) / 2) : n;
        b[3] = command->shape == SHAPE_DOT ? 0x5A00 : stride; // scale of SCALEDMAC, reserved for MAC and MAC3
        b[4] = command->shape == SHAPE_DOT ? 0 : 1;
        b[5] = command->shape <= SHAPE_WORDS ? stride : 0;
        call->x_words = span(count, command->shape == SHAPE_DOT ? 1 : stride);
        call->y_words = count;
        call->z_words = command->shape <= SHAPE_WORDS         ? span(count, stride)
                        : command->shape == SHAPE_DOT_COMPLEX ? 2
                                                              : 1;
        break;
    }
    case SHAPE_ROW:
        b[0] = m;
        b[1] = n;
        b[2] = y;
        b[3] = z;
        call->x_words = (uint16_t)((m + 1) / 2);
        call->y_words = (uint16_t)((m * n + 1) / 2);
        call->z_words = (uint16_t)((n + 1) / 2);
        break;
    case SHAPE_FIR:
    case SHAPE_FIR_WORDS:
    case SHAPE_FIR_DOUBLE: {
        uint16_t width = command->shape == SHAPE_FIR_DOUBLE ? 2 : 1, halves = command->shape == SHAPE_FIR;
        b[3] = m;
        b[4] = LINEAR;
        b[5] = 0x5A00; // scale of SCALEDFIR, reserved for the others
        call->x_words = halves ? (uint16_t)((n + m) / 2) : (uint16_t)((n + m - 1) * width);
        call->y_words = halves ? m / 2 : (uint16_t)(m * width);
        call->z_words = halves ? n / 2 : (uint16_t)(n * width);
        break;
    }
    case SHAPE_EXTREME:
    case SHAPE_EXTREME_PAIRS:
    case SHAPE_EXTREME_WORDS: {
        uint16_t words = command->shape == SHAPE_EXTREME_WORDS;
        if (command->shape != SHAPE_EXTREME_PAIRS) b[1] = z;
        if (command->shape != SHAPE_EXTREME) b[words ? 2 : 1] = stride;
        if (command->shape == SHAPE_EXTREME) b[2] = 0;
        call->x_words = span(words ? n : n / 2, command->shape == SHAPE_EXTREME ? 1 : stride);
        call->y_words = 0;
        call->z_words = words ? 2 : 1;
        break;
    }
    default:
        b[1] = m;
        call->x_words = command->shape == SHAPE_DEAL ? (uint16_t)((n * m + 1) / 2 + 1) : span(n, m);
        call->y_words = 0;
        call->z_words = command->shape == SHAPE_DEAL ? n / 2 : n;
        break;
    }
}

static uint16_t random_state;

static uint16_t random16(void) { // xorshift
    random_state ^= (uint16_t)(random_state << 7);
    random_state ^= (uint16_t)(random_state >> 9);
    random_state ^= (uint16_t)(random_state << 8);
    return random_state;
}

static void fill(uint16_t address, uint16_t words, uint8_t pattern, uint16_t is_x) {
    for (uint16_t i = 0; i < 2 * words; i++) {
        uint16_t v = 0, r = random16();
        switch (pattern) {
        case PATTERN_SMALL: v = (uint16_t)((r & 0x0FFF) - 0x0800); break;
        case PATTERN_FULL: v = r; break;
        case PATTERN_RAIL: v = is_x && i >= words ? 0x8001 : 0x7FFF; break;
        case PATTERN_MIN: v = 0x8000; break;
        case PATTERN_TIES: v = (uint16_t)(((r >> 4 & 3) - 1) << 13 | (r >> 8 & 1)); break;
        default: break;
        }
        REG16(address + 2 * i) = v;
    }
}

void call_fill(const call_t *call, uint8_t pattern, uint16_t seed) {
    random_state = (uint16_t)(seed * 0x9E37u | 1);
    fill((uint16_t)(call->x << 2), call->x_words, pattern, 1);
    fill(PLACE_Y, call->y_words, pattern, 0);
    for (uint16_t i = 0; i < 2 * call->z_words + 2; i++) REG16(PLACE_Z + 2 * i) = UNTOUCHED;
}

void call_run(call_t *call) {
    for (uint16_t i = 0; i < 6; i++) REG16(PLACE_BLOCK + 2 * i) = call->block[i];
    LEAPMS0 = call->x;
    LEAPMS1 = PLACE_BLOCK >> 2;
    LEAIFG = ALL_FLAGS;
    WDTCTL = WDT_HALF_SECOND; // a command that never ends costs this one experiment
    call->ticks = probe_run(call->code | LEAITFLG1);
    WDTCTL = WDT_HOLD;
    call->flags = probe_flags;
}
