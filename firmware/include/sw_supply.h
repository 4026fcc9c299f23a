// SPDX-License-Identifier: Apache-2.0
// The supply: how much there is, and sleep until there is more. A program that includes this is built with
// it.
#ifndef SW_SUPPLY_H
#define SW_SUPPLY_H

#include "sw_platform.h"

#define SW_TICK_US 106 // of sw_board_sleep. VLO: 9.4 kHz, typical (SLASE54, recalled)

// Waits in LPM3 until the supply has `mv` millivolts, looking every `ticks`, or until `*event` is not 0
// (`event` may be 0); returns the supply. If it sinks meanwhile until power fails, the reboot leads here
// again.
uint16_t sw_wait_supply(uint16_t mv, uint16_t ticks, const volatile uint16_t *event);

// --- the board's part

// Supply voltage in millivolts, 1800 to 3600, measured now. Interrupts are on meanwhile.
uint16_t sw_board_supply_mv(void);

// Sleeps in LPM3 until an interrupt routine ends it (it clears the LPM bits of the stacked SR) or `ticks`
// have passed, 0: no limit. Returns at once if `*event` is not 0. Makes ACLK the VLO and uses timer A1 if
// `ticks` is not 0. Interrupts are on meanwhile.
void sw_board_sleep(uint16_t ticks, const volatile uint16_t *event);

#endif
