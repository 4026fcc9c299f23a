// SPDX-License-Identifier: Apache-2.0
// Where things live. On the MSP430 each macro names a section of the board's linker script; on a host they
// are empty, so that the same sources run there.
#ifndef SW_PLATFORM_H
#define SW_PLATFORM_H

#include <stdint.h>

#ifdef __MSP430__
typedef uint32_t sw_addr_t; // 20-bit address: weights lie above 64 KB, out of reach of a C pointer
#define SW_NVM __attribute__((section(".nvm")))       // FRAM, keeps its value over a power failure
#define SW_NOINIT __attribute__((section(".noinit"))) // SRAM scratch, not cleared at start-up
#define SW_LEARAM __attribute__((section(".lea")))    // SRAM shared with the LEA, not cleared
#else
typedef uintptr_t sw_addr_t;
#define SW_NVM
#define SW_NOINIT
#define SW_LEARAM
#endif

// Fails to compile when `condition` is false (C99 has no _Static_assert).
#define SW_STATIC_ASSERT(name, condition) typedef char sw_static_assert_##name[(condition) ? 1 : -1]

// Sets clocks, wait states and pins. Runs before .data and .bss exist, so it must not touch them.
void sw_board_init(void);

// Copies `words` 16-bit words; the ranges must not overlap.
void sw_board_copy(int16_t *to, const int16_t *from, uint16_t words);

// Returns when `*flag` is not 0; sleeps meanwhile if the board can.
void sw_board_wait(const volatile uint16_t *flag);

#endif
