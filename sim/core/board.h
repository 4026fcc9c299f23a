// SPDX-License-Identifier: Apache-2.0
// The small peripherals that start-up code touches: SFR, PMM, RAMCTL, WDT_A, SYS and the GPIO ports.
//
// Modelled: WDT password and hold (a running watchdog raises when it would expire), PM5CTL0 and PMMCTL0 with
// their
//   keys, SYSRSTIV after power-on, storage of SFRIE1/SFRIFG1/SYSCTL/RCCTL0, GPIO direction, output and
//   function select registers; inputs read pull level, own output, or 0.
// Not modelled (raise): software resets through PMMCTL0, WDT interval mode, NMI sources, GPIO interrupts,
//   LPMx.5, RAM power-down.
// ASSUMPTION watchdog-clock: a running watchdog counts MCLK cycles (SMCLK equals MCLK after reset).
// ASSUMPTION inputs: oscillator fault flags can be cleared at once (a crystal is fitted); unconnected inputs
// read 0.
#pragma once

#include "types.h"

namespace sw {

struct Machine;

struct Wdt {
    static constexpr uint16_t kHold = 0x80;
    uint8_t ctl = 0x04;      // reset: running from SMCLK, 2^15 cycles (SLAU367 WDT_A)
    uint64_t cleared_at = 0; // cycle of the last counter clear

    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);
    uint64_t expires() const; // cycle at which a running watchdog would reset the device
};

struct Board {
    uint16_t sfrie = 0, sfrifg = 0x0002, sfrrpcr = 0x001C;
    uint16_t pmmctl0 = 0x0040, pm5ctl0 = 0x0001, pmmifg = 0;
    bool pmm_unlocked = false;
    uint8_t rcctl = 0;
    uint16_t sysctl = 0, sysrstiv = 0x0002; // 2: brown-out reset, i.e. power was applied
    uint16_t gpio[5][16] = {};              // PA, PB, PC, PD, PJ by register index (offset / 2)

    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);
};

} // namespace sw
