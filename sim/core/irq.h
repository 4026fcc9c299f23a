// SPDX-License-Identifier: Apache-2.0
// Interrupt sources and the vector each has; a higher vector index wins.
//
// Modelled: the vectors of the FR5994 by default (TI header msp430fr5994.h), others by device data file.
// Not modelled: sources without a modelled peripheral (AES).
#pragma once

#include "types.h"

namespace sw {

// clang-format off
enum class Irq : uint8_t { // the order of the FR5994's table, from index 18 on
    Lea, P8, P7, Ucb3, Ucb2, Ucb1, Uca3, Uca2, P6, P5, Ta4N, Ta4, Aes, Rtc, P4, P3, Ta3N, Ta3, P2, Ta2N, Ta2, P1,
    Ta1N, Ta1, Dma, Uca1, Ta0N, Ta0, Adc, Ucb0, Uca0, Wdt, Tb0N, Tb0, Comp, Unmi, Snmi, Count
};
constexpr const char *kIrqNames[] = {
    "LEA", "P8", "P7", "UCB3", "UCB2", "UCB1", "UCA3", "UCA2", "P6", "P5", "TA4_1", "TA4_0", "AES", "RTC", "P4",
    "P3", "TA3_1", "TA3_0", "P2", "TA2_1", "TA2_0", "P1", "TA1_1", "TA1_0", "DMA", "UCA1", "TA0_1", "TA0_0", "ADC12",
    "UCB0", "UCA0", "WDT", "TB0_1", "TB0_0", "COMP_E", "UNMI", "SYSNMI"};
// clang-format on

struct Vectors {
    static constexpr int kSources = static_cast<int>(Irq::Count);
    static constexpr uint8_t kAbsent = 0xFF;
    uint8_t of[kSources]; // index: address 0xFF90 + 2 * index

    Vectors() {
        for (int i = 0; i < kSources; ++i) of[i] = static_cast<uint8_t>(18 + i);
    }
    uint64_t bit(Irq i) const {
        uint8_t v = of[static_cast<int>(i)];
        return v == kAbsent ? 0 : 1ull << v;
    }
};

} // namespace sw
