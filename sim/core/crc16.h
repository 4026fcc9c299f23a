// SPDX-License-Identifier: Apache-2.0
// CRC16 module, 0x150: CRC-CCITT of bytes and words.
//
// Modelled: CRCDI, CRCDIRB (bits reversed per byte), CRCINIRES, CRCRESR (result with bits reversed); byte and
//   word writes, low byte first. "123456789" from FFFFh gives 29B1h by CRCDIRB and 89F6h by CRCDI (SLAU367).
// Not modelled: nothing.
#pragma once

#include "faults.h"

namespace sw {

struct Machine;

struct Crc16 {
    uint16_t data = 0, result = 0;

    static uint32_t reversed(uint32_t v, int bits) {
        uint32_t out = 0;
        for (int i = 0; i < bits; ++i) out |= (v >> i & 1) << (bits - 1 - i);
        return out;
    }
    void add(uint8_t byte, bool msb_first) {
        result = static_cast<uint16_t>(result ^ (msb_first ? byte : reversed(byte, 8)) << 8);
        for (int i = 0; i < 8; ++i)
            result = static_cast<uint16_t>(result & 0x8000 ? result << 1 ^ 0x1021 : result << 1);
    }
    uint16_t read(Machine &, uint32_t address) const {
        switch (address) {
        case 0x150: return data;
        case 0x152: return static_cast<uint16_t>(reversed(data & 0xFF, 8) | reversed(data >> 8, 8) << 8);
        case 0x154: return result;
        default: return static_cast<uint16_t>(reversed(result, 16));
        }
    }
    void write(Machine &, uint32_t address, uint16_t value, uint16_t lanes) {
        auto merge = [&](uint16_t old) { return static_cast<uint16_t>((old & ~lanes) | (value & lanes)); };
        if (address == 0x154) {
            result = merge(result);
            return;
        }
        if (address == 0x156) raise(FaultKind::Unmodelled, address, "CRCRESR cannot be written");
        data = merge(data);
        if (lanes & 0x00FF) add(static_cast<uint8_t>(value), address == 0x152);
        if (lanes & 0xFF00) add(static_cast<uint8_t>(value >> 8), address == 0x152);
    }
};

} // namespace sw
