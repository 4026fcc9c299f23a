// SPDX-License-Identifier: Apache-2.0
// The small peripherals that start-up code touches: SFR, PMM, RAMCTL, SYS and the GPIO ports.
//
// Modelled: PM5CTL0 and PMMCTL0 with their keys, software BOR and POR, PMMREGOFF (lpm5.cpp),
//   SYSRSTIV, SYSSNIV and SYSUNIV with their interrupts, PMMIFG, WDTIFG/WDTIE and OFIFG/OFIE,
//   storage of SFRRPCR/SYSCTL/RCCTL0, GPIO direction, output and function select registers; inputs
//   read what the host drives, else the pull level, else 0; edges of driven inputs set PxIFG, PxIV
//   and the interrupts of P1-P8.
//
// Not modelled (raise): other SFR interrupts, flags from writes to PxIES or PxOUT, RAM power-down.
//
// ASSUMPTION svs-levels: SVSH holds the device in reset below 1.80 V and lets go at 1.88 V; without
// it BOR does below 1.66 V (recalled typical levels of SVSH, the highest one of BOR: SLASE54).
//
// ASSUMPTION inputs: oscillator fault flags can be cleared at once; unconnected inputs read 0.
#pragma once

#include "reset.h"

namespace sw {

struct Machine;

struct Board {
    uint16_t sfrie = 0, sfrifg = 0x0002, sfrrpcr = 0x001C;
    uint16_t pmmctl0 = 0x0040, pm5ctl0 = 0x0001, pmmifg = 0;
    bool pmm_unlocked = false;
    uint8_t rcctl = 0;
    uint16_t sysctl = 0;
    uint32_t system_nmi = 0, user_nmi = 0; // bit n: SYSSNIV or SYSUNIV value 2n is pending
    uint16_t gpio[5][16] = {};             // PA, PB, PC, PD, PJ by register index (offset / 2)

    bool frozen = false; // LPMx.5: pins keep what these say until LOCKLPM5 is cleared
    uint16_t frozen_out[5] = {}, frozen_dir[5] = {};
    uint16_t driven[5] = {}, level[5] = {}; // inputs that the host drives

    void reset(ResetKind kind);
    void set_pin(Machine &m, int port, int pin, bool high);
    uint16_t inputs(int pair) const;
    bool output(int port, int pin) const; // level of a pin that others only pull up; port 1-8, 9: J
    bool dma_trigger() const;             // level of DMAE0
    void freeze();
    double lowest_supply_v() const; // below it SVSH or BOR holds the device in reset
    void lines(Machine &m);
    void raise_nmi(Machine &m, int sysnmi_vector); // an enabled source, by its SYSSNIV value
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);
};

} // namespace sw
