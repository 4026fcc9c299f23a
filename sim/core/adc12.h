// SPDX-License-Identifier: Apache-2.0
// Analog-to-digital converter ADC12_B, 0x800, as far as supply monitoring needs it.
//
// Modelled: start by ADC12SC; single channel, sequence, repeated single channel and repeated
//   sequence, with and without ADC12MSC; 8, 10 and 12 bit, right-justified; AVCC or the internal
//   reference as VR+; external channels that the host drives, AVCC / 2 (ADC12BATMAP) and the
//   temperature sensor (ADC12TCMAP); ADC12CLK from MODCLK, ACLK or SMCLK with its dividers; window
//   comparator, overflow flags, ADC12IV and the interrupt, DMA trigger 26.
//
// Not modelled (raise): other triggers, extended sampling, differential inputs, signed results,
//   MCLK as ADC12CLK, external references, the internal channels ICH0-ICH3. Sampling settles
//   whatever the source is.
//
// ASSUMPTION adc-timing: a conversion takes one ADC12CLK to synchronise, ADC12SHT to sample and 10,
// 12 or 14 to convert (8, 10, 12 bit); the input counts at its end; a reference that is off settles
// first.
//
// ASSUMPTION temp-sensor: 700 mV at 30 C and 2.5 mV per degree (recalled typical values of
// SLASE54); option `temperature_c`.
#pragma once

#include "clocks.h"

namespace sw {

struct Machine;

struct Adc12 {
    static constexpr int kMemories = 32;
    uint16_t ctl[4] = {0, 0, 0x0020, 0};
    uint16_t low = 0, high = 0x0FFF;
    uint32_t flags = 0, enables = 0;             // ADC12IFGR0-1, ADC12IER0-1
    uint16_t other_flags = 0, other_enables = 0; // ADC12IFGR2, ADC12IER2
    uint16_t control[kMemories] = {}, memory[kMemories] = {};
    bool busy = false, in_sequence = false;
    uint8_t at = 0;         // ADC12MEMx of the conversion, or of the next one in a sequence
    uint64_t done_tick = 0; // of ADC12CLK's source

    void reset() { *this = Adc12{}; }
    bool uses(Clk c) const { return busy && clock() == c; }
    bool uses_reference() const { return busy && (control[at] >> 8 & 0xF) == 1; }
    void schedule(Machine &m);
    void convert(Machine &m); // the event: a conversion is complete
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);

  private:
    Clk clock() const;
    int bits() const { return 8 + 2 * (ctl[2] >> 4 & 3); }
    int mode() const { return ctl[1] >> 1 & 3; } // ADC12CONSEQ
    void trigger(Machine &m, uint32_t address);
    void start(Machine &m);
    void store(Machine &m, uint16_t value);
    void next(Machine &m);
    void check(uint32_t address) const;
    void control_write(Machine &m, int index, uint32_t address, uint16_t value);
    double input_v(Machine &m) const;
    void lines(Machine &m);
    uint16_t take_vector(Machine &m);
};

} // namespace sw
