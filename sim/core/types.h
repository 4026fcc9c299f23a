// SPDX-License-Identifier: Apache-2.0
// Small vocabulary shared by every file of the core: operand sizes, memory regions, status bits.
//
// Modelled: the names. Not modelled: nothing lives here.
#pragma once

#include <cstdint>

#if defined(__GNUC__)
#define SW_LIKELY(x) __builtin_expect(!!(x), 1)
#define SW_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define SW_COLD __attribute__((cold, noinline))
#define SW_NOINLINE __attribute__((noinline))
#else
#define SW_LIKELY(x) (x)
#define SW_UNLIKELY(x) (x)
#define SW_COLD __declspec(noinline)
#define SW_NOINLINE __declspec(noinline)
#endif

namespace sw {

// Operand sizes: byte, word, 20-bit address word (SLAU445 4.5.2).
enum class Size : uint8_t { B, W, A };

constexpr uint32_t size_mask(Size s) {
    return s == Size::B ? 0xFFu : s == Size::W ? 0xFFFFu : 0xFFFFFu;
}
constexpr uint32_t size_msb(Size s) {
    return s == Size::B ? 0x80u : s == Size::W ? 0x8000u : 0x80000u;
}
constexpr int size_bits(Size s) {
    return s == Size::B ? 8 : s == Size::W ? 16 : 20;
}

constexpr uint32_t kAddressMask = 0xFFFFF;
constexpr uint32_t kPageShift = 8;
constexpr uint32_t kPages = 1u << (20 - kPageShift);

// What a 256-byte page holds. The order matters: the hot paths test `<= kLeaRam` and `== kFram`.
enum Region : uint8_t {
    kSram = 0,
    kLeaRam = 1,
    kFram = 2,
    kPeripheral = 3,
    kLow = 4,      // page 0: reserved words, tiny RAM, peripherals
    kReadOnly = 5, // boot code, whose contents are not modelled, and device descriptors
    kVacant = 6,
    kSlow = 7,    // write table only: code, a watch or signatures live in this page
    kLeaBusy = 8, // LEA RAM while the LEA runs a command
    kGuarded = 9, // FRAM that the MPU restricts
};

// Status register bits (SLAU445 4.3.3).
constexpr uint32_t kC = 1u << 0;
constexpr uint32_t kZ = 1u << 1;
constexpr uint32_t kN = 1u << 2;
constexpr uint32_t kGie = 1u << 3;
constexpr uint32_t kCpuOff = 1u << 4;
constexpr uint32_t kOscOff = 1u << 5;
constexpr uint32_t kScg0 = 1u << 6;
constexpr uint32_t kScg1 = 1u << 7;
constexpr uint32_t kV = 1u << 8;
constexpr uint32_t kSrMask = 0x1FF; // ASSUMPTION sr-write: the reserved SR bits 15:9 read as 0

constexpr int kPc = 0;
constexpr int kSp = 1;
constexpr int kSr = 2;
constexpr int kCg = 3;

} // namespace sw
