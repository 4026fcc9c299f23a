// SPDX-License-Identifier: Apache-2.0
// Watchdog timer WDT_A, 0x15C.
//
// Modelled: watchdog and interval mode, all four clock sources and eight intervals, hold, counter clear,
//   password, WDTIFG/WDTIE in SFR with its interrupt (the flag clears when it is accepted), expiry as PUC.
// Not modelled: fail-safe change of its clock source.
// ASSUMPTION watchdog-forgotten: a watchdog that the program never wrote since reset raises when it would
// expire, since that program would never get further on a board; option `violations="reset"` resets instead.
#pragma once

#include "clocks.h"

namespace sw {

struct Machine;

struct Wdt {
    uint8_t ctl = 0x04;   // reset: running from SMCLK, 2^15 ticks (SLAU367 WDT_A)
    bool touched = false; // the program wrote WDTCTL
    uint64_t start = 0;   // tick at which the counter was zero
    uint64_t count = 0;   // counter while it is held

    void reset(Machine &m);
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);
    void schedule(Machine &m);
    void expire(Machine &m);
    bool held() const { return ctl & 0x80; }
    bool interval() const { return ctl & 0x10; }
    bool uses(Clk c) const { return !held() && clock() == c; }

  private:
    Clk clock() const;
    uint64_t length() const;
};

} // namespace sw
