// SPDX-License-Identifier: Apache-2.0
// lea_probe: drives the LEA of an MSP430FR5994 directly and prints what decides each option of the LEA model.
//
// In: nothing. Out: lines over UART (eUSCI_A0, P2.0, 115200 baud 8N1), each with a CRC; `python -m sim.probe
// LOG` reads them. Registers: msp430fr5994.h v1206; parameter blocks: DSPLib_lea.h 1.30 and sim/LEA.md.
#ifndef LEA_PROBE_H
#define LEA_PROBE_H

#include "uart.h"

#define PROBE_VERSION 1

// Places in LEA RAM, byte addresses. The parameter block is taken off the LEA's stack, as DSPLib does it.
#define LEA_BOTTOM 0x2C00u
#define LEA_TOP 0x3C00u
#define LEA_STACK_BYTES 0x138u // DSPLib's reserve below LEAMT
#define PLACE_IDLE 0x2C40u     // no operand lies here: the CPU may touch it while the LEA runs
#define PLACE_X 0x2C80u
#define PLACE_Y 0x3000u
#define PLACE_Z 0x3700u
#define PLACE_BLOCK (LEA_TOP - 12u)

// How a command reads its block, and what its operands are made of.
enum shape {
    SHAPE_PAIRS,         // n, y, z, x off, y off, z off; 16 bit
    SHAPE_WORDS,         // the same; 32 bit or complex 16 bit
    SHAPE_DOT,           // n, y, z, scale; 16 bit
    SHAPE_DOT_PAIRS,     // n, y, z, x off, y off; 16 bit
    SHAPE_DOT_WORDS,     // n, y, z, x off, y off; 32 bit; one result word
    SHAPE_DOT_COMPLEX,   // the same; two result words
    SHAPE_ROW,           // rows m, columns n, y, z
    SHAPE_FIR,           // n, y, z, taps m, mask, scale; 16 bit
    SHAPE_FIR_WORDS,     // the same; 32 bit or complex 16 bit
    SHAPE_FIR_DOUBLE,    // the same; complex 32 bit
    SHAPE_EXTREME,       // n, z; 16 bit
    SHAPE_EXTREME_PAIRS, // n, x off, z; 16 bit
    SHAPE_EXTREME_WORDS, // n, z, x off; 32 bit
    SHAPE_DEAL,          // n, depth m, z; 16 bit
    SHAPE_DEAL_WORDS,    // the same; 32 bit
};

// What the operands hold.
enum pattern {
    PATTERN_ZERO,
    PATTERN_SMALL, // +-2047: no sum leaves 32 bits
    PATTERN_FULL,  // all 16 bits at random
    PATTERN_RAIL,  // products near +2^31, then near -2^31: partial sums overflow, the sum does not
    PATTERN_MIN,   // 0x8000 everywhere
    PATTERN_TIES,  // few values, so that extremes occur twice
    PATTERN_COUNT
};

typedef struct {
    uint16_t code;
    uint8_t shape;
    uint8_t depth; // interleaveDepth for the DEAL shapes
} command_t;

typedef struct { // one invocation: what is written, and how many 32-bit words each operand has
    uint16_t code, x, block[6];
    uint16_t x_words, y_words, z_words;
    uint16_t ticks, flags; // Timer_A ticks from the trigger's read to the interrupt routine's, LEAIFG there
} call_t;

extern const command_t probe_commands[];
extern const uint16_t probe_command_count;

// command.c
void lea_setup(void);
void call_describe(call_t *call, const command_t *command, uint16_t n, uint16_t m, uint16_t stride);
void call_fill(const call_t *call, uint8_t pattern, uint16_t seed);
void call_run(call_t *call);

// measure.S, in SRAM: no wait states
extern volatile uint16_t probe_flags; // LEAIFG as the interrupt routine found it
uint16_t probe_run(uint16_t command); // ticks from trigger to interrupt routine
uint16_t probe_wake(uint16_t ticks);  // the same for a timer that fires in `ticks`
uint16_t probe_load(uint16_t command, uint16_t address, uint16_t *end); // ticks of 64 loads beside a command
uint16_t probe_store(uint16_t command, uint16_t address,
                     uint16_t *end); // ticks of 64 stores beside a command

#endif
