// SPDX-License-Identifier: Apache-2.0
// Comparator COMP_E, 0x8C0: compares two voltages, wakes the CPU when the result changes.
//
// Modelled: both terminals from channels that the host drives or from the reference ladder (1/32 to
//   32/32 of the supply, of 1.2, 2.0 or 2.5 V, or those directly), CEREF0/CEREF1 chosen by CEOUT
//   (hysteresis) or CEMRVL, CEEX, CEOUTPOL, CEIFG, CEIIFG, CERDYIFG, CEIV and the interrupt, in
//   every low-power mode up to LPM4.
//
// Not modelled: CESHORT (raises), the output on a pin, as capture input or as ADC trigger.
//
// ASSUMPTION comp-ideal: COMP_E has no offset, built-in hysteresis, filter or delay (silicon: some
// mV, below 5 us); it is ready with its reference, and its output is low until then.
#pragma once

#include "analog.h"

namespace sw {

struct Comp {
    uint16_t ctl[4] = {}; // CECTL0..3
    uint16_t interrupts = 0;
    bool out = false;   // CEOUT
    bool ready = false; // output valid
    double mark = 0;    // threshold as it was told last

    void reset() { *this = Comp{}; }
    void update(Machine &m);                  // voltages, registers or the reference changed
    double threshold(const Machine &m) const; // supply voltage at which CEOUT changes; 0: it does not
    bool uses_reference() const;
    void schedule(Machine &m); // when the reference is ready
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);

  private:
    bool on() const { return ctl[1] & 0x0400; }
    bool terminals(const Machine &m, Level &plus, Level &minus) const; // false: one is open
    void lines(Machine &m);
    uint16_t take_vector(Machine &m);
};

} // namespace sw
