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
#ifdef SW_HOST_NVM // firmware/tests/power: what survives lies together
#define SW_NVM __attribute__((section("sw_nvm")))
#else
#define SW_NVM
#endif
#define SW_NOINIT
#define SW_LEARAM
#endif

// Everything written before it is in FRAM before anything written after it. FRAM is written in program order
// (the cache of FRCTL_A holds what is read, SLAU367), so on the MCU it binds the compiler alone.
#ifdef SW_HOST_NVM
void sw_barrier(void);
void sw_barrier_behind(const volatile uint16_t *word);
#define SW_BARRIER() sw_barrier()
#define SW_BARRIER_BEHIND(word) sw_barrier_behind((const volatile uint16_t *)&(word))
#else
#define SW_BARRIER() __asm__ volatile("" ::: "memory")
#define SW_BARRIER_BEHIND(word) SW_BARRIER()
#endif

// Writes a 16-bit word of FRAM behind everything before it and ahead of everything after it. It is written
// whole or not at all (sim/README.md, power failures).
#define SW_COMMIT(word, value)                                                                               \
    do {                                                                                                     \
        SW_BARRIER();                                                                                        \
        (word) = (value);                                                                                    \
        SW_BARRIER_BEHIND(word);                                                                             \
    } while (0)

// Fails to compile when `condition` is false (C99 has no _Static_assert).
#define SW_STATIC_ASSERT(name, condition) typedef char sw_static_assert_##name[(condition) ? 1 : -1]

// Sets clocks, wait states and pins. Runs before .data and .bss exist, so it must not touch them.
void sw_board_init(void);

// Copies `words` 16-bit words; the ranges must not overlap.
void sw_board_copy(int16_t *to, const int16_t *from, uint16_t words);

// Returns when `*flag` is not 0; sleeps meanwhile if the board can.
void sw_board_wait(const volatile uint16_t *flag);

#endif
