// SPDX-License-Identifier: Apache-2.0
// CRC32 module, 0x980: CRC-32-ISO3309 and CRC16-CCITT with register sets of their own (SLAU367P chapter 16).
//
// Modelled: CRC32DI, CRC32DIRB, CRC32INIRES, CRC32RESR, CRC16DI, CRC16DIRB, CRC16INIRES, CRC16RESR; byte and
//   word writes, low byte first.
// Not modelled (raise): reading data registers back, CRC16DIW1 and CRC16DIRBW1, writes to result registers
//   that are read-only.
// ASSUMPTION crc32-order: CRC32DI takes the least significant bit of a byte first and CRC32DIRB the most
//   significant one, as the registers of the CRC16 module do; either data word may be written alone.
#pragma once

#include "crc16.h"

namespace sw {

struct Crc32 {
    uint32_t result = 0;
    Crc16 crc16;

    void add(uint8_t byte, bool msb_first) {
        result ^= (msb_first ? byte : Crc16::reversed(byte, 8)) << 24;
        for (int i = 0; i < 8; ++i) result = result & 0x80000000u ? result << 1 ^ 0x04C11DB7u : result << 1;
    }
    uint16_t read(Machine &m, uint32_t address) const {
        switch (address) {
        case 0x988: return static_cast<uint16_t>(result);                               // CRC32INIRESW0
        case 0x98A: return static_cast<uint16_t>(result >> 16);                         // CRC32INIRESW1
        case 0x98C: return static_cast<uint16_t>(Crc16::reversed(result >> 16, 16));    // CRC32RESRW1
        case 0x98E: return static_cast<uint16_t>(Crc16::reversed(result & 0xFFFF, 16)); // CRC32RESRW0
        case 0x998: return crc16.read(m, 0x154);                                        // CRC16INIRESW0
        case 0x99E: return crc16.read(m, 0x156);                                        // CRC16RESRW0
        default: raise(FaultKind::Unmodelled, address, "CRC32 register 0x%05X cannot be read", address);
        }
    }
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
        auto merge = [&](uint32_t old) { return (old & ~uint32_t{lanes}) | (value & lanes); };
        switch (address) {
        case 0x980:
        case 0x982:   // CRC32DIW0, W1
        case 0x984:   // CRC32DIRBW1
        case 0x986: { // CRC32DIRBW0
            bool msb_first = address >= 0x984;
            if (lanes & 0x00FF) add(static_cast<uint8_t>(value), msb_first);
            if (lanes & 0xFF00) add(static_cast<uint8_t>(value >> 8), msb_first);
            return;
        }
        case 0x988: result = (result & 0xFFFF0000u) | (merge(result) & 0xFFFF); return;
        case 0x98A: result = (result & 0xFFFFu) | merge(result >> 16) << 16; return;
        case 0x990: return crc16.write(m, 0x150, value, lanes); // CRC16DIW0
        case 0x996: return crc16.write(m, 0x152, value, lanes); // CRC16DIRBW0
        case 0x998: return crc16.write(m, 0x154, value, lanes); // CRC16INIRESW0
        default: raise(FaultKind::Unmodelled, address, "CRC32 register 0x%05X cannot be written", address);
        }
    }
};

} // namespace sw
