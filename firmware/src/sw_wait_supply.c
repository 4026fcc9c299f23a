// SPDX-License-Identifier: Apache-2.0
// Waits for energy asleep. A look costs about 1 uJ and 60 us of LPM0 (supply.c), the sleep between two about
// 1 uA: whoever looks every 100 ms waits on 10 uW.
#include "sw_supply.h"

uint16_t sw_wait_supply(uint16_t mv, uint16_t ticks, const volatile uint16_t *event) {
    for (;;) {
        uint16_t now = sw_board_supply_mv();
        if (now >= mv || (event && *event)) return now;
        sw_board_sleep(ticks, event);
    }
}
