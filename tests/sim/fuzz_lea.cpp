// SPDX-License-Identifier: Apache-2.0
// Random LEA commands with random and nearly legal blocks, for the sanitizers: each must end in a result or a
// fault, never in undefined behaviour.
#include "machine.h"
#include <cstdio>
#include <random>

using namespace sw;

int main() {
    const std::vector<MemoryRange> map{{kLow, 0, 0xFF},
                                       {kPeripheral, 0x100, 0xFFF},
                                       {kSram, 0x1C00, 0x2BFF},
                                       {kLeaRam, 0x2C00, 0x3BFF},
                                       {kFram, 0x4000, 0x43FFF}};
    long faults = 0, runs = 0;
    for (uint32_t seed = 0; seed < 200; ++seed) {
        std::mt19937 random(seed);
        Machine m(map, seed, true);
        auto config = std::make_shared<LeaConfig>();
        config->accumulator = static_cast<Accumulator>(random() % 4);
        config->truncation = static_cast<Truncation>(random() % 2);
        config->long_product = static_cast<LongProduct>(random() % 2);
        config->oor_flag = random() % 2;
        config->mpy_round = random() % 2;
        for (auto &row : config->cost)
            for (double &c : row) c = static_cast<double>(random() % 5);
        m.lea.config = config;
        auto word = [&](uint32_t at, uint16_t v) {
            const uint8_t b[] = {static_cast<uint8_t>(v), static_cast<uint8_t>(v >> 8)};
            m.host_write(at, b, 2);
        };
        for (int k = 0; k < 500; ++k) {
            m.reset(false);
            for (int i = 0; i < 6; ++i) { // sizes, pointers into LEA RAM, or anything
                uint32_t kind = random() % 8;
                uint32_t v = kind < 4 ? random() % 40 : kind < 7 ? 0xB00 + random() % 0x400 : random();
                word(0x2C10 + 2 * static_cast<uint32_t>(i), static_cast<uint16_t>(v));
            }
            uint32_t at = 0x4400;
            auto move = [&](uint32_t v, uint32_t to) {
                word(at, 0x40B2);
                word(at + 2, static_cast<uint16_t>(v));
                word(at + 4, static_cast<uint16_t>(to));
                at += 6;
            };
            move(0x5A80, 0x15C);
            move(0x500, 0xA84);
            move(0xF00, 0xA8C);
            move(1, 0xAC0);
            move(0xB00 + random() % 0x400, 0xACC);
            move(0x2C10 >> 2, 0xAC8);
            move((random() % 0x50) << 2 | 2, 0xAD0);
            move(random(), random() % 4 ? 0x2C00 + (random() & 0xFFE) : 0xA80 + (random() & 0x7E));
            while (at < 0x4700) word(at, 0x4303), at += 2;
            m.r[kPc] = 0x4400;
            m.r[kSr] = 0;
            faults += m.run(0x4600, 3000) == Reason::Fault;
            ++runs;
            if (k % 50 == 0) {
                Machine fork(m);
                m = fork;
            }
        }
    }
    std::printf("%ld runs, %ld faults\n", runs, faults);
    return 0;
}
