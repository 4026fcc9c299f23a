// SPDX-License-Identifier: Apache-2.0
// The supply of a PC, for tests: a store that sleep fills.
#include "sw_supply.h"

uint16_t host_supply_mv = 3000; // now
uint16_t host_gain_mv = 0;      // by each sleep
uint16_t host_sleeps = 0;

uint16_t sw_board_supply_mv(void) {
    return host_supply_mv;
}

void sw_board_sleep(uint16_t ticks, const volatile uint16_t *event) {
    (void)ticks;
    if (event && *event) return;
    host_sleeps++;
    host_supply_mv += host_gain_mv;
}
