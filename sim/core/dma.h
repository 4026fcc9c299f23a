// SPDX-License-Identifier: Apache-2.0
// DMA controller, six channels (three on devices that say so), base 0x500.
//
// Modelled: triggers by software (DMAREQ), timers, eUSCI, ADC12_B, LEA, MPY32, the flag of the previous
// channel and the
//   pin DMAE0 (edge and level), and by whoever calls `trigger`; all eight transfer modes; byte and word,
//   every increment mode, 20-bit addresses; fixed and round-robin priority; DMAIFG, DMAIV and the interrupt;
//   ENNMI with DMAABORT. The CPU is stalled for 2 MCLK per transfer plus FRAM wait states plus kSyncCycles
//   per trigger; burst-block gives 2 MCLK to the CPU after every four transfers and after each block.
// Not modelled (raise): triggers without a modelled source (AES, I2C), level sensitivity of anything but
//   DMAE0 or in a repeated mode, a trigger selected anew while its channel is enabled, DMAxSZ = 0.
// ASSUMPTION dma-sync: 3 cycles of start and synchronisation per trigger (measured total beyond set-up code:
//   3-7).
// ASSUMPTION dma-boundary: a transfer starts between two instructions, whatever DMARMWDIS says.
// ASSUMPTION dma-nmi: with ENNMI an NMI stops a channel after the running transfer and sets DMAABORT; until
//   software clears that, the channel takes no trigger, then it goes on with the rest.
// ASSUMPTION dma-pin: DMAE0 is P1.0 with P1DIR = 0, P1SEL1 = 1, P1SEL0 = 0 (port tables recalled from
// SLASE54). ASSUMPTION cache-order: DMA reads of FRAM go through the read cache (measured: 2.25 cycles per
// word,
//   1 wait per 64-bit line).
#pragma once

#include "types.h"

namespace sw {

struct Machine;

struct Dma {
    static constexpr int kChannels = 6;
    static constexpr uint32_t kSyncCycles = 3;
    static constexpr int kAdcTrigger = 26, kMpyTrigger = 29, kFlagTrigger = 30, kPinTrigger = 31;

    struct Channel {
        uint16_t ctl = 0, size = 0;
        uint32_t source = 0, destination = 0;                   // as written
        uint32_t now_source = 0, now_destination = 0, left = 0; // working copies, latched when enabled
        bool latched = false;
    };
    Channel channel[kChannels];
    uint16_t select[3] = {}; // DMACTL0..2
    uint16_t control = 0;    // DMACTL4
    uint8_t requested = 0;   // bit per channel: trigger seen, transfer due
    uint8_t first = 0;       // channel of the highest priority
    int8_t bursting = -1;    // channel in the middle of a burst-block: the others wait
    bool pin_high = false;   // DMAE0
    uint32_t awaited =
        0; // bit per trigger that an enabled channel waits for; never 0, the request by software
    uint64_t resume_at = 0; // burst-block: the CPU owns the bus until this cycle

    void reset();
    bool due(uint64_t now) const { return requested && now >= resume_at; }
    uint64_t next_event() const { return requested ? resume_at : ~0ull; }
    bool irq() const; // any DMAIFG with DMAIE
    bool listens(int number) const { return awaited >> number & 1; }
    void trigger(Machine &m, int number, unsigned channels = 0x3F); // rising edge; which channels have it
    void pin(Machine &m, bool high);                                // DMAE0
    void service(Machine &m);                                       // one transfer, block or part of a burst
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);

  private:
    int source(int i) const { return select[i / 2] >> (8 * (i & 1)) & 0x1F; }
    void request(Machine &m, int index);
    void drop(int index);
    int next_channel() const;
    bool held(int index) const;
    bool run_channel(Machine &m, int index);
    void transfer(Machine &m, Channel &c);
    void finish(Machine &m, int index);
    void raise_flag(Machine &m, int index);
    void listeners_changed(Machine &m);
    void write_select(Machine &m, uint32_t address, uint16_t value);
    void write_control(Machine &m, int index, uint32_t address, uint16_t value);
    void check(const Machine &m, int index, uint32_t address) const;
};

} // namespace sw
