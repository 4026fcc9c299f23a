// SPDX-License-Identifier: Apache-2.0
// Random bytes as programs, for the sanitizers: every run must end in a stop or a fault, never in undefined
// behaviour.
#include "machine.h"
#include <cstdio>
#include <random>

using namespace sw;

int main() {
    const std::vector<MemoryRange> map{
        {kLow, 0, 0xFF},           {kPeripheral, 0x100, 0xFFF}, {kReadOnly, 0x1000, 0x17FF},
        {kFram, 0x1800, 0x19FF},   {kReadOnly, 0x1A00, 0x1AFF}, {kSram, 0x1C00, 0x2BFF},
        {kLeaRam, 0x2C00, 0x3BFF}, {kFram, 0x4000, 0x43FFF}};
    long faults = 0, runs = 0;
    for (uint32_t seed = 0; seed < 400; ++seed) {
        std::mt19937 random(seed);
        auto byte = [&] { return static_cast<uint8_t>(random()); };
        Machine m(map, seed, seed & 1);
        std::vector<uint8_t> noise(0x10000);
        for (uint8_t &b : noise) b = byte();
        m.host_write(0x4000, noise.data(), 0xBF80);
        m.host_write(0x10000, noise.data(), 0x10000);
        m.host_write(0x40000, noise.data(), 0x4000);
        m.host_write(0xFF90, noise.data(), 0x70);
        if (seed % 3 == 0) m.profile_enable({0, 0x4000, 0x5000, 0x43000});
        m.add_watch(0x1C00);
        m.add_watch(0x5000);
        const uint8_t hold[] = {0xB2, 0x40, 0x80, 0x5A, 0x5C, 0x01}; // hold the watchdog
        m.host_write(0x3000, hold, sizeof hold);
        m.r[kPc] = 0x3000;
        m.run(-1, 0);
        for (int k = 0; k < 300; ++k) {
            m.r[kPc] = (random() % 3 == 0 ? 0x43F00 + random() % 0x100 : 0x4000 + random() % 0x10000) & ~1u;
            for (int i = 1; i < 16; ++i)
                m.r[i] = random() % 2 ? random() & kAddressMask : 0x1C00 + (random() & 0x1FFE);
            m.r[kSr] = random() & 0x10F;
            m.r[kCg] = 0;
            if (random() % 4 == 0) m.raise_interrupt(static_cast<int>(random() % 55));
            if (random() % 2) { // MOV #random,&peripheral
                const uint8_t w[] = {0xB2, 0x40, byte(), byte(), byte(), static_cast<uint8_t>(random() % 16)};
                m.host_write(m.r[kPc] < 0x43FF0 ? m.r[kPc] : 0x4000, w, sizeof w);
            }
            int64_t until = random() % 8 ? -1 : static_cast<int64_t>(0x4000 + (random() & 0x3FFFE));
            faults += m.run(until, 1000) == Reason::Fault;
            ++runs;
            if (k % 50 == 0) {
                Machine fork(m);
                fork.run(-1, 500);
                m = fork;
                if (k % 100 == 0) m.reset(true);
            }
        }
    }
    std::printf("%ld runs, %ld faults\n", runs, faults);
    return 0;
}
