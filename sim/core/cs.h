// SPDX-License-Identifier: Apache-2.0
// Clock system CS: what MCLK runs at, and simulated time across changes of it.
//
// Modelled: CSCTL0 key, DCO table, MCLK from the DCO with its divider, time in seconds integrated over
// changes;
//   MCLK above 8 MHz without wait states and above 16 MHz raise (FRAM limit, TI datasheet SLASE54).
// Not modelled: LFXT, HFXT, VLO and MODOSC as source of MCLK (raise), settling time of the DCO, erratum CS12
//   (overshoot). The other clocks: clocks.h.
#pragma once

#include "types.h"

namespace sw {

struct Machine;

struct Cs {
    bool unlocked = false;
    // Reset: DCO 8 MHz, SMCLK and MCLK divided by 8. ASSUMPTION reset-clock: register values recalled from
    // SLAU367, CS chapter.
    uint16_t ctl[7] = {0x9600, 0x000C, 0x0033, 0x0033, 0xCDC9, 0x00C0, 0x0007};
    uint32_t mclk_hz = 1000000;
    double base_s = 0.0; // time at base_cycles
    uint64_t base_cycles = 0;

    void reset(uint64_t now_cycles);
    double time_s(uint64_t cycles) const {
        return base_s + static_cast<double>(cycles - base_cycles) / mclk_hz;
    }
    uint32_t dco_hz() const;
    uint64_t mclk_hz32() const { return uint64_t{dco_hz()} * 32 >> (ctl[3] & 7); } // in 1/32 Hz, exact
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);
    void check(Machine &m) const; // MCLK against the wait states
};

} // namespace sw
