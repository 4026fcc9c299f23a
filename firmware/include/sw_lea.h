// SPDX-License-Identifier: Apache-2.0
// The LEA as the layers use it: one command, its parameter block, and how pointers look to it.
// Command, block and arithmetic: sim/LEA.md (sources there); registers: msp430fr5994.h v1206.
#ifndef SW_LEA_H
#define SW_LEA_H

#include "sw_platform.h"

// All operands, blocks and results of LEA commands, and staged inputs; made by `swtrain emit-c`, 4-byte
// aligned. The LEA's own stack lies behind it.
extern int16_t sw_lea_ram[];
extern const uint16_t sw_lea_words;

// A pointer as the LEA sees it: in units of 32 bits. On a host it counts from sw_lea_ram.
#ifdef __MSP430__
#define SW_LEA_POINTER(p) ((uint16_t)(uintptr_t)(p) >> 2)
#define SW_LEA_ADDRESS(pointer) ((int16_t *)(uintptr_t)((pointer) << 2))
#else
#define SW_LEA_POINTER(p) ((uint16_t)(((p) - sw_lea_ram) / 2))
#define SW_LEA_ADDRESS(pointer) (sw_lea_ram + 2 * (pointer))
#endif

// Parameter block of MPYMATRIXROW, at the start of sw_lea_ram. Both sizes are even and not 0.
typedef struct {
    uint16_t row_size; // elements of the row vector, rows of the matrix
    uint16_t col_size; // columns of the matrix, elements of the result
    uint16_t matrix;   // pointer
    uint16_t result;   // pointer
} sw_lea_block_t;

#define SW_LEA_BLOCK ((sw_lea_block_t *)(void *)sw_lea_ram)
#define SW_LEA_BLOCK_WORDS 4

// Starts: result[j] = (sum of row[i] * matrix[i][j]) >> 15, for |sum| < 2^30. `row` is a pointer as above,
// `block` that of SW_LEA_BLOCK. Until sw_lea_wait returns, nothing may touch block, operands and result.
void sw_mpymatrixrow_s16_lea(uint16_t row, uint16_t block);

// Parameter block of FIR, at the same place. Both sizes are even and not 0.
typedef struct {
    uint16_t outputs;
    uint16_t taps;   // pointer; the last tap comes first
    uint16_t result; // pointer
    uint16_t tap_count;
    uint16_t mask; // 0xFFFF: the input is no ring
    uint16_t unused;
} sw_lea_fir_t;

#define SW_LEA_FIR ((sw_lea_fir_t *)(void *)sw_lea_ram)
#define SW_LEA_FIR_WORDS 6

// Starts: result[j] = (sum of x[j + k] * taps[tap_count - 1 - k]) >> 15, for |sum| < 2^30.
void sw_fir_s16_lea(uint16_t x, uint16_t block);

// Returns when the command is done; the CPU sleeps in LPM0 meanwhile.
void sw_lea_wait(void);

// 1: CPU and DMA work while a command runs; 0: they wait for it. Made by `swtrain emit-c`.
extern const uint16_t sw_lea_overlap;

#endif
