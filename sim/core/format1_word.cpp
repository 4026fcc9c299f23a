// SPDX-License-Identifier: Apache-2.0
// Instances of the two-operand template for size W (a file per size keeps compile time short).
//
// Modelled / Not modelled: see format1.h.
#include "format1.h"

namespace sw {

Handler format1_word(Alu o, Src s, Dst d) {
    return Format1<Size::W>::find(o, s, d);
}

} // namespace sw
