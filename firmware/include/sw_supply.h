// SPDX-License-Identifier: Apache-2.0
// What a policy must know of the supply. The board's part.
#ifndef SW_SUPPLY_H
#define SW_SUPPLY_H

#include "sw_platform.h"

// Supply voltage in millivolts, 1800 to 3600, measured now. Interrupts are on meanwhile.
uint16_t sw_board_supply_mv(void);

#endif
