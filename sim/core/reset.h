// SPDX-License-Identifier: Apache-2.0
// Reset causes: what SYSRSTIV reports and how much of the device a reset reaches.
//
// Modelled: PUC, POR, BOR, wake-up from LPMx.5 and loss of power; SYSRSTIV with its priorities; password
// violations as errors
//   (default) or as the PUC that silicon performs (`violations="reset"`).
// Not modelled: the time a reset takes, security violations.
// ASSUMPTION puc-scope: a PUC leaves Timer_A/B and DMA registers, port outputs and LOCKLPM5 alone (registers
// marked rw-(0) in SLAU367 are reset by POR); the clock system, all others and the CPU start over.
#pragma once

#include "types.h"

namespace sw {

enum class ResetKind : uint8_t { None, Puc, Por, Bor, Lpm5, Power };

struct ResetCauses {
    uint32_t pending = 0; // bit n: SYSRSTIV value 2n; the lowest value has the highest priority

    void add(int vector) { pending |= 1u << (vector / 2); }
    uint16_t take() {
        for (int n = 1; n < 32; ++n) {
            if (!(pending >> n & 1)) continue;
            pending &= ~(1u << n);
            return static_cast<uint16_t>(2 * n);
        }
        return 0;
    }
};

} // namespace sw
