// SPDX-License-Identifier: Apache-2.0
// Fields of DMAxCTL and DMACTL4 (TI header msp430fr5994.h).
//
// Modelled / Not modelled: see dma.h.
#pragma once

#include "types.h"

namespace sw {

constexpr uint16_t kDmaReq = 1u << 0, kDmaAbort = 1u << 1, kDmaIe = 1u << 2, kDmaIfg = 1u << 3,
                   kDmaEn = 1u << 4, kDmaLevel = 1u << 5, kDmaSourceByte = 1u << 6,
                   kDmaDestinationByte = 1u << 7;
constexpr uint16_t kEnnmi = 1u << 0, kRoundRobin = 1u << 1; // DMACTL4

// DMADT: 0 single, 1 block, 2-3 burst-block, 4 repeated single, 5 repeated block, 6-7 repeated burst-block.
inline int dma_mode(uint16_t ctl) {
    return ctl >> 12 & 7;
}

inline bool dma_bursts(int mode) {
    return (mode & 2) != 0;
}

} // namespace sw
