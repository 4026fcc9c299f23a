// SPDX-License-Identifier: Apache-2.0
// DMA controller, six channels, base 0x500.
//
// Modelled: software trigger (DMAREQ), triggers by timers and whoever calls `trigger`, single, block,
// burst-block, repeated single and repeated block; byte and
//   word, every increment mode, 20-bit addresses, DMAIFG, DMAIV and the interrupt (vector 42); the CPU is
//   stalled for 2 MCLK per transfer plus FRAM wait states plus kSyncCycles per trigger; burst-block returns 2
//   MCLK to the CPU after every four transfers.
// Not modelled (raise): the remaining triggers, level sensitivity, repeated burst-block, DMAABORT, DMACTL4.
// ASSUMPTION dma-sync: 3 cycles of start and synchronisation per trigger (measured total beyond set-up code:
// 3-7). ASSUMPTION cache-order: DMA reads of FRAM go through the read cache (measured: 2.25 cycles per word,
// 1 wait per 64-bit line).
#pragma once

#include "types.h"

namespace sw {

struct Machine;

struct Dma {
    static constexpr int kChannels = 6;
    static constexpr uint32_t kSyncCycles = 3;

    struct Channel {
        uint16_t ctl = 0, size = 0;
        uint32_t source = 0, destination = 0;                   // as written
        uint32_t now_source = 0, now_destination = 0, left = 0; // working copies, latched when enabled
        bool latched = false;
    };
    Channel channel[kChannels];
    uint16_t select[3] = {}; // DMACTL0..2
    uint8_t requested = 0;   // bit per channel: trigger seen, transfer due
    uint64_t resume_at = 0;  // burst-block: the CPU owns the bus until this cycle

    void reset() { *this = Dma{}; }
    bool due(uint64_t now) const { return requested && now >= resume_at; }
    uint64_t next_event() const { return requested ? resume_at : ~0ull; }
    bool irq() const;               // any DMAIFG with DMAIE
    bool listens(int number) const; // an enabled channel waits for this trigger; never for 0
    void trigger(Machine &m, int number, unsigned channels = 0x3F); // rising edge; which channels have it
    void service(Machine &m);
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);

  private:
    int source(int i) const { return select[i / 2] >> (8 * (i & 1)) & 0x1F; }
    void run_channel(Machine &m, int index);
    void transfer(Machine &m, Channel &c);
    void finish(Channel &c);
};

} // namespace sw
