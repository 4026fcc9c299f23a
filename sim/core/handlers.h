// SPDX-License-Identifier: Apache-2.0
// What the decoder can choose from: one handler per operation, size and pair of addressing modes.
//
// Modelled: lookup only. Not modelled: nothing.
#pragma once

#include "alu.h"
#include "modes.h"

namespace sw {

Handler format1_byte(Alu o, Src s, Dst d);
Handler format1_word(Alu o, Src s, Dst d);
Handler format1_address(Alu o, Src s, Dst d);
Handler format1(Alu o, Size size, Src s, Dst d);

Handler repeated(); // register mode with a repeat count or the zero-carry bit; see extended.cpp

Handler format2(Unary o, Size size, Src mode);
Handler push(Size size, Src mode);
Handler call(Src mode);
Handler calla(Src mode);
Handler jump_if(int condition);
Handler jump_outside();
Handler reti();

enum class Address : uint8_t { Mova, Cmpa, Adda, Suba };
Handler address(Address o, Src s, Dst d);
Handler push_many(Size size);
Handler pop_many(Size size);
Handler rotate_many(int kind, Size size); // 0 RRCM 1 RRAM 2 RLAM 3 RRUM

} // namespace sw
