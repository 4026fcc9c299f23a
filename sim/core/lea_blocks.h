// SPDX-License-Identifier: Apache-2.0
// How each LEA command reads its parameter block (sim/LEA.md, Commands): fields, sizes, operands, overlap.
//
// Modelled: the blocks of lea_commands.cpp. Not modelled: reserved fields, which are not read.
#pragma once

#include "lea.h"

namespace sw {

namespace block {

LeaJob pairs(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1);
LeaJob words(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1);
LeaJob dot(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1);
LeaJob strided_dot(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1);
LeaJob matrix_row(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1);
LeaJob fir_block(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1);
LeaJob extreme(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1);
LeaJob interleaved(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1);

} // namespace block

} // namespace sw
