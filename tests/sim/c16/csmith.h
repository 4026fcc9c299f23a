// SPDX-License-Identifier: Apache-2.0
// What random programs include, on the device (C99) and on the PC (C++17 with 16-bit int): types, the
// checksum, and csmith's arithmetic, which is defined for every operand.
//
// csmith only needs the wrappers to be total and of the named type. These wrap where C leaves a result
// undefined, and give back the first operand for a division by zero, MIN / -1 and a shift by a count out of
// range.
#pragma once

#ifdef __cplusplus
#include "host_int16.h"
#include <cstdio>
#define int8_t c16::Int<8, true>
#define uint8_t c16::Int<8, false>
#define int16_t c16::Int<16, true>
#define uint16_t c16::Int<16, false>
#define int32_t c16::Int<32, true>
#define uint32_t c16::Int<32, false>
#define const
#define volatile
#else
#include <stdint.h>
#endif

#ifdef __cplusplus
static uint32_t result;
#else
volatile uint32_t result;
#endif
static uint32_t checksum;

static void mix(uint32_t value) {
    checksum = (checksum ^ value) *
               (((uint32_t)0x0100 << 16) + 0x0193); // FNV's prime: one changed value always shows
}

#ifdef __cplusplus
static void report() {
    result = checksum;
    std::printf("%lu\n", static_cast<unsigned long>(result.get()));
}
#else
static void report(void) {
    result = checksum;
}
#endif

#define transparent_crc(value, name, flag) mix(value)
#define platform_main_begin() ((void)0)
#define platform_main_end(value, flag) report()
#define crc32_gentab() ((void)0)
#define printf(...) ((void)0)

#define UNSIGNED(N) uint##N##_t
#define SIGNED(N) int##N##_t

#define SAFE_UNSIGNED(N, WIDE)                                                                               \
    static UNSIGNED(N) safe_unary_minus_func_uint##N##_t_u(UNSIGNED(N) a) {                                  \
        return (UNSIGNED(N))(-(UNSIGNED(WIDE))a);                                                            \
    }                                                                                                        \
    static UNSIGNED(N) safe_add_func_uint##N##_t_u_u(UNSIGNED(N) a, UNSIGNED(N) b) {                         \
        return (UNSIGNED(N))((UNSIGNED(WIDE))a + (UNSIGNED(WIDE))b);                                         \
    }                                                                                                        \
    static UNSIGNED(N) safe_sub_func_uint##N##_t_u_u(UNSIGNED(N) a, UNSIGNED(N) b) {                         \
        return (UNSIGNED(N))((UNSIGNED(WIDE))a - (UNSIGNED(WIDE))b);                                         \
    }                                                                                                        \
    static UNSIGNED(N) safe_mul_func_uint##N##_t_u_u(UNSIGNED(N) a, UNSIGNED(N) b) {                         \
        return (UNSIGNED(N))((UNSIGNED(WIDE))a * (UNSIGNED(WIDE))b);                                         \
    }                                                                                                        \
    static UNSIGNED(N) safe_mod_func_uint##N##_t_u_u(UNSIGNED(N) a, UNSIGNED(N) b) {                         \
        if (b == 0) return a;                                                                                \
        return (UNSIGNED(N))(a % b);                                                                         \
    }                                                                                                        \
    static UNSIGNED(N) safe_div_func_uint##N##_t_u_u(UNSIGNED(N) a, UNSIGNED(N) b) {                         \
        if (b == 0) return a;                                                                                \
        return (UNSIGNED(N))(a / b);                                                                         \
    }

#define SAFE_SIGNED(N, WIDE)                                                                                 \
    static SIGNED(N) safe_unary_minus_func_int##N##_t_s(SIGNED(N) a) {                                       \
        return (SIGNED(N))(-(UNSIGNED(WIDE))a);                                                              \
    }                                                                                                        \
    static SIGNED(N) safe_add_func_int##N##_t_s_s(SIGNED(N) a, SIGNED(N) b) {                                \
        return (SIGNED(N))((UNSIGNED(WIDE))a + (UNSIGNED(WIDE))b);                                           \
    }                                                                                                        \
    static SIGNED(N) safe_sub_func_int##N##_t_s_s(SIGNED(N) a, SIGNED(N) b) {                                \
        return (SIGNED(N))((UNSIGNED(WIDE))a - (UNSIGNED(WIDE))b);                                           \
    }                                                                                                        \
    static SIGNED(N) safe_mul_func_int##N##_t_s_s(SIGNED(N) a, SIGNED(N) b) {                                \
        return (SIGNED(N))((UNSIGNED(WIDE))a * (UNSIGNED(WIDE))b);                                           \
    }                                                                                                        \
    static SIGNED(N) safe_mod_func_int##N##_t_s_s(SIGNED(N) a, SIGNED(N) b) {                                \
        if (b == 0 || (b == -1 && a == (SIGNED(N))((UNSIGNED(WIDE))1 << (N - 1)))) return a;                 \
        return (SIGNED(N))(a % b);                                                                           \
    }                                                                                                        \
    static SIGNED(N) safe_div_func_int##N##_t_s_s(SIGNED(N) a, SIGNED(N) b) {                                \
        if (b == 0 || (b == -1 && a == (SIGNED(N))((UNSIGNED(WIDE))1 << (N - 1)))) return a;                 \
        return (SIGNED(N))(a / b);                                                                           \
    }

#define SAFE_SHIFTS(N, WIDE, TYPE, NAME, BY, COUNT)                                                          \
    static TYPE(N) safe_lshift_func_##NAME##N##_t_##BY(TYPE(N) a, COUNT(16) b) {                             \
        if (b < 0 || b >= N) return a;                                                                       \
        return (TYPE(N))((UNSIGNED(WIDE))a << b);                                                            \
    }                                                                                                        \
    static TYPE(N) safe_rshift_func_##NAME##N##_t_##BY(TYPE(N) a, COUNT(16) b) {                             \
        if (b < 0 || b >= N) return a;                                                                       \
        return (TYPE(N))(a >> b);                                                                            \
    }

#define SAFE(N, WIDE)                                                                                        \
    SAFE_UNSIGNED(N, WIDE)                                                                                   \
    SAFE_SIGNED(N, WIDE)                                                                                     \
    SAFE_SHIFTS(N, WIDE, UNSIGNED, uint, u_u, UNSIGNED)                                                      \
    SAFE_SHIFTS(N, WIDE, UNSIGNED, uint, u_s, SIGNED)                                                        \
    SAFE_SHIFTS(N, WIDE, SIGNED, int, s_u, UNSIGNED)                                                         \
    SAFE_SHIFTS(N, WIDE, SIGNED, int, s_s, SIGNED)

SAFE(8, 16)
SAFE(16, 16)
SAFE(32, 32)
