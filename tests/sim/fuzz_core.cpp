// SPDX-License-Identifier: Apache-2.0
// Random bytes as programs, for the sanitizers: every run must end in a stop or a fault, never in undefined
// behaviour. Peripherals, DMA and LEA get random registers; power goes at random places; forks run on.
#include "machine.h"
#include <cstdio>
#include <random>

using namespace sw;

namespace {

struct Fuzz {
    std::mt19937 random;
    Machine m;
    long faults = 0, runs = 0, losses = 0;

    Fuzz(const std::vector<MemoryRange> &map, uint32_t seed) : random(seed), m(map, seed, seed & 1) {
        std::vector<uint8_t> noise(0x10000);
        for (uint8_t &b : noise) b = byte();
        m.host_write(0x4000, noise.data(), 0xBF80);
        m.host_write(0x10000, noise.data(), 0x10000);
        m.host_write(0x40000, noise.data(), 0x4000);
        m.host_write(0xFF90, noise.data(), 0x70);
        m.host_write(0x2C00, noise.data(), 0x1000); // LEA RAM: parameter blocks and operands
        if (seed % 3 == 0) m.profile_enable({0, 0x4000, 0x5000, 0x43000});
        m.add_watch(0x1C00);
        m.add_watch(0x5000);
        run_words({0x40B2, 0x5A80, 0x015C}); // hold the watchdog
    }

    uint8_t byte() { return static_cast<uint8_t>(random()); }
    uint32_t below(uint32_t n) { return random() % n; }

    // Straight code in SRAM, as long as it does not fault.
    void run_words(const std::vector<uint16_t> &words) {
        std::vector<uint8_t> code;
        for (uint16_t w : words) {
            code.push_back(static_cast<uint8_t>(w));
            code.push_back(static_cast<uint8_t>(w >> 8));
        }
        m.host_write(0x2800, code.data(), static_cast<uint32_t>(code.size()));
        m.r[kPc] = 0x2800;
        run(static_cast<int64_t>(0x2800 + code.size()), 2000);
    }

    void run(int64_t until, uint64_t cycles) {
        if (m.dead) return;
        faults += m.run(until, cycles) == Reason::Fault;
        ++runs;
    }

    // MOV #value,&address, or MOV &address,R5
    void touch(uint16_t address, uint16_t value) {
        if (below(4) == 0)
            run_words({0x4215, address});
        else
            run_words({0x40B2, value, address});
    }

    void peripherals() {
        static const uint16_t blocks[][2] = {{0x100, 0x13F}, {0x140, 0x19F}, {0x200, 0x33F}, {0x340, 0x47F},
                                             {0x4C0, 0x4EF}, {0x5C0, 0x6DF}, {0x7C0, 0x7EF}, {0xA80, 0xAFF}};
        const auto &b = blocks[below(8)];
        for (int k = 0; k < 6; ++k)
            touch(static_cast<uint16_t>(b[0] + (below(b[1] - b[0]) & ~1u)), static_cast<uint16_t>(random()));
    }

    void dma() {
        const uint16_t base = static_cast<uint16_t>(0x510 + 0x10 * below(6));
        touch(0x500, static_cast<uint16_t>(below(4) ? 0 : random()));
        touch(static_cast<uint16_t>(base + 2),
              static_cast<uint16_t>(below(2) ? 0x4000 + below(0x8000) : random()));
        touch(static_cast<uint16_t>(base + 6),
              static_cast<uint16_t>(below(2) ? 0x1C00 + below(0x1000) : random()));
        touch(static_cast<uint16_t>(base + 10), static_cast<uint16_t>(below(300)));
        touch(base, static_cast<uint16_t>((random() & 0x7FFF) | 0x11));
    }

    void
    lea() { // switch on, then any command with a random block in LEA RAM (fuzz_lea.cpp has nearly legal ones)
        run_words({0x40B2, 0x0500, 0x0A84, 0x40B2, 0x0F00, 0x0A8C, 0x40B2, 0x0001, 0x0AC0});
        touch(0xAC8, static_cast<uint16_t>((0x2C00 + (below(0x1000) & ~3u)) >> 2));
        touch(0xAD0, static_cast<uint16_t>(below(0x50) << 2 | 2));
        touch(static_cast<uint16_t>(0xA80 + (random() & 0x7E)), static_cast<uint16_t>(random()));
    }

    void random_code() {
        m.r[kPc] = (below(3) == 0 ? 0x43F00 + below(0x100) : 0x4000 + below(0x10000)) & ~1u;
        for (int i = 1; i < 16; ++i)
            m.r[i] = below(2) ? random() & kAddressMask : 0x1C00 + (random() & 0x1FFE);
        m.r[kSr] = random() & 0x1FF;
        m.r[kCg] = 0;
        if (below(4) == 0) m.raise_interrupt(static_cast<int>(below(55)));
        if (below(8) == 0)
            m.limits.write_cut = m.n.writes[kFram] + 1 + below(4); // power goes inside an instruction
        const int64_t until = below(8) ? -1 : static_cast<int64_t>(0x4000 + (random() & 0x3FFFE));
        run(until, 1000);
    }

    void step(int k) {
        switch (below(4)) {
        case 0: peripherals(); break;
        case 1: below(2) ? dma() : lea(); break;
        default: random_code(); break;
        }
        if (k % 50 == 0) { // a fork goes on in its place
            Machine fork(m);
            if (!fork.dead) fork.run(-1, 500);
            m = fork;
        }
        if (m.dead || k % 40 == 39) {
            m.reset(true);
            m.limits = {};
            ++losses;
            run_words({0x40B2, 0x5A80, 0x015C});
        }
    }
};

} // namespace

int main() {
    const std::vector<MemoryRange> map{
        {kLow, 0, 0xFF},           {kPeripheral, 0x100, 0xFFF}, {kReadOnly, 0x1000, 0x17FF},
        {kFram, 0x1800, 0x19FF},   {kReadOnly, 0x1A00, 0x1AFF}, {kSram, 0x1C00, 0x2BFF},
        {kLeaRam, 0x2C00, 0x3BFF}, {kFram, 0x4000, 0x43FFF}};
    long faults = 0, runs = 0, losses = 0;
    for (uint32_t seed = 0; seed < 400; ++seed) {
        Fuzz fuzz(map, seed);
        for (int k = 0; k < 300; ++k) fuzz.step(k);
        faults += fuzz.faults;
        runs += fuzz.runs;
        losses += fuzz.losses;
    }
    std::printf("%ld runs, %ld faults, %ld power losses\n", runs, faults, losses);
    return runs > 120000 && losses > 2000 ? 0 : 1;
}
