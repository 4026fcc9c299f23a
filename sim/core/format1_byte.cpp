// SPDX-License-Identifier: Apache-2.0
// Instances of the two-operand template for size B (a file per size keeps compile time short).
//
// Modelled / Not modelled: see format1.h.
#include "format1.h"

namespace sw {

Handler format1_byte(Alu o, Src s, Dst d) {
    return Format1<Size::B>::find(o, s, d);
}

} // namespace sw
