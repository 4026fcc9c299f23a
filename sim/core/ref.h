// SPDX-License-Identifier: Apache-2.0
// Shared reference REF_A, 0x1B0: 1.2, 2.0 or 2.5 V for ADC12_B and COMP_E.
//
// Modelled: REFON, REFVSEL, requests by ADC12_B and COMP_E, settling, REFGENACT, REFBGACT,
//   REFGENRDY, REFBGRDY, REFGENBUSY (a write meanwhile raises: silicon ignores it), REFTCOFF.
//
// Not modelled (raise): REFOUT, the one-time triggers REFGENOT and REFBGOT. BGMODE reads 0.
//
// ASSUMPTION ref-settling: the reference is right 40 us after it is switched on or its level
// changes, and not ready before (recalled from SLASE54, REF_A; maximum 80 us); option
// `ref_settle_us`.
#pragma once

#include "types.h"

namespace sw {

struct Machine;

struct Ref {
    double settle_s = 40e-6;
    uint16_t ctl = 0;   // REFON, REFTCOFF, REFVSEL
    double ready_s = 0; // when the generator has settled
    bool on = false;

    void reset() { *this = Ref{settle_s}; }
    void update(Machine &m); // somebody starts or ends using it
    bool ready(const Machine &m) const;
    double volts() const { return of_level(ctl >> 4 & 3); }
    static double of_level(int select) { return select == 0 ? 1.2 : select == 1 ? 2.0 : 2.5; }
    uint16_t read(Machine &m, uint32_t address) const;
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);
};

} // namespace sw
