// SPDX-License-Identifier: Apache-2.0
// Timer_A and Timer_B: counters that exist only when somebody looks.
//
// Modelled: stop, up, continuous and up/down mode; ACLK and SMCLK with ID and TAIDEX dividers; TACLR; compare
//   flags, TAIFG, TAIV, both interrupts (CCIFG0 clears when it is accepted), DMA triggers by CCR0 and CCR2.
// Not modelled (raise): capture, output modes and the OUT bit, external clocks (TACLK, INCLK), grouped or
//   delayed loading of compare latches, counters shorter than 16 bits on Timer_B.
// ASSUMPTION timer-start: the divider starts from zero when the mode leaves stop and at TACLR, so the first
// count comes one divided period after the next clock edge; a new CCR0 below the count makes the next count
// zero. ASSUMPTION access-time: a register access takes effect at the end of its instruction.
#pragma once

#include "clocks.h"
#include "events.h"
#include "irq.h"

namespace sw {

struct Machine;

struct Timer {
    static constexpr int kChannels = 7;
    uint8_t id = 0, channels = 0; // id 0-4: TA0-TA4, 5: TB0; channels: compare registers it has
    uint16_t ctl = 0, ex0 = 0;
    uint16_t cctl[kChannels] = {}, ccr[kChannels] = {};
    uint32_t phase = 0;  // counter value; in up/down mode 0 .. 2 * CCR0 - 1
    uint64_t anchor = 0; // tick of the clock at which `phase` was exact

    void init(int index, int count) {
        *this = Timer{};
        id = static_cast<uint8_t>(index);
        channels = static_cast<uint8_t>(count);
    }
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);
    void sync(Machine &m);     // bring phase and flags to now
    void schedule(Machine &m); // the next cycle at which somebody listens
    void accepted(Machine &m); // interrupt 0 was taken
    bool uses(Clk c) const { return running() && clock() == c; }

  private:
    bool running() const;
    int mode() const { return ctl >> 4 & 3; }
    Clk clock() const { return (ctl >> 8 & 3) == 1 ? Clk::Aclk : Clk::Smclk; }
    uint64_t divider() const { return (1ull << (ctl >> 6 & 3)) * ((ex0 & 7) + 1u); }
    uint32_t period() const { return mode() == 1 ? ccr[0] + 1u : mode() == 2 ? 0x10000u : ccr[0] * 2u; }
    uint32_t place() const; // phase inside the period
    uint64_t until_compare(int k) const;
    uint64_t until_zero() const { return period() - place(); }
    bool listens(const Machine &m, int k) const;
    uint16_t counter() const;
    void restart(Machine &m);
    void lines(Machine &m);
    uint16_t take_vector(Machine &m);
};

} // namespace sw
