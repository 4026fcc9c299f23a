// SPDX-License-Identifier: Apache-2.0
// Which peripheral answers at which address, and what the others are called.
//
// Modelled: dispatch of 8-, 16- and 20-bit accesses in 0x0020-0x0FFF. Every access is 16 bit wide with byte
// lanes. Not modelled: everything that ends in a name here raises with that name.
#include "machine.h"

namespace sw {

namespace {

struct Block {
    uint32_t first, last;
    const char *name;
};

// TI header msp430fr5994.h
constexpr Block kBlocks[] = {
    {0x100, 0x11F, "SFR"},      {0x120, 0x13F, "PMM"},      {0x140, 0x14F, "FRCTL_A"},
    {0x150, 0x157, "CRC16"},    {0x158, 0x159, "RAMCTL"},   {0x15C, 0x15D, "WDT_A"},
    {0x160, 0x17F, "CS"},       {0x180, 0x19F, "SYS"},      {0x1B0, 0x1BF, "REF_A"},
    {0x200, 0x27F, "GPIO"},     {0x320, 0x33F, "GPIO PJ"},  {0x340, 0x37F, "Timer_A0"},
    {0x380, 0x3BF, "Timer_A1"}, {0x3C0, 0x3FF, "Timer_B0"}, {0x400, 0x43F, "Timer_A2"},
    {0x440, 0x47F, "Timer_A3"}, {0x4A0, 0x4BF, "RTC_C"},    {0x4C0, 0x4EF, "MPY32"},
    {0x500, 0x56F, "DMA"},      {0x5A0, 0x5AF, "MPU"},      {0x5C0, 0x5DF, "eUSCI_A0"},
    {0x5E0, 0x5FF, "eUSCI_A1"}, {0x600, 0x61F, "eUSCI_A2"}, {0x620, 0x63F, "eUSCI_A3"},
    {0x640, 0x67F, "eUSCI_B0"}, {0x680, 0x6BF, "eUSCI_B1"}, {0x6C0, 0x6FF, "eUSCI_B2"},
    {0x700, 0x73F, "eUSCI_B3"}, {0x7C0, 0x7FF, "Timer_A4"}, {0x800, 0x89F, "ADC12_B"},
    {0x8C0, 0x8CF, "COMP_E"},   {0x980, 0x9AF, "CRC32"},    {0x9C0, 0x9CF, "AES256"},
    {0xA80, 0xAFF, "LEA"},
};

} // namespace

const char *peripheral_name(uint32_t address) {
    for (const Block &b : kBlocks)
        if (address >= b.first && address <= b.last) return b.name;
    return "reserved peripheral space";
}

uint16_t Machine::peripheral_read(uint32_t address) {
    ++n.reads[kPeripheral];
    if (SW_LIKELY(address - 0x4C0 < 0x30)) return mpy.read(*this, address);
    for (const MemoryRange &gap : absent)
        if (address >= gap.first && address <= gap.last)
            raise(FaultKind::Vacant, address, "register 0x%05X: this device has no %s", address,
                  peripheral_name(address));
    switch (address >> 4) {
    case 0x14: return frctl.read(*this, address);
    case 0x15:
        if (address < 0x158) return crc16.read(address);
        if (address == 0x15C) return wdt.read(*this, address);
        return board.read(*this, address);
    case 0x16: return cs.read(*this, address);
    case 0x50:
    case 0x51:
    case 0x52:
    case 0x53:
    case 0x54:
    case 0x55:
    case 0x56: return dma.read(*this, address);
    case 0x34:
    case 0x35:
    case 0x36:
    case 0x37: return timers[0].read(*this, address);
    case 0x38:
    case 0x39:
    case 0x3A:
    case 0x3B: return timers[1].read(*this, address);
    case 0x3C:
    case 0x3D:
    case 0x3E:
    case 0x3F: return timers[5].read(*this, address);
    case 0x40:
    case 0x41:
    case 0x42:
    case 0x43: return timers[2].read(*this, address);
    case 0x44:
    case 0x45:
    case 0x46:
    case 0x47: return timers[3].read(*this, address);
    case 0x7C:
    case 0x7D:
    case 0x7E:
    case 0x7F: return timers[4].read(*this, address);
    case 0x5C:
    case 0x5D:
    case 0x5E:
    case 0x5F:
    case 0x60:
    case 0x61:
    case 0x62:
    case 0x63: return eusci[(address - 0x5C0) / 0x20].read(*this, address);
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0x68:
    case 0x69:
    case 0x6A:
    case 0x6B:
    case 0x6C:
    case 0x6D:
    case 0x6E:
    case 0x6F:
    case 0x70:
    case 0x71:
    case 0x72:
    case 0x73: return eusci[4 + (address - 0x640) / 0x40].read(*this, address);
    case 0xA8:
    case 0xA9:
    case 0xAA:
    case 0xAB:
    case 0xAC:
    case 0xAD:
    case 0xAE:
    case 0xAF: return lea.read(*this, address);
    default: return board.read(*this, address);
    }
}

void Machine::peripheral_write(uint32_t address, uint16_t value, uint16_t lanes) {
    ++n.writes[kPeripheral];
    if (SW_LIKELY(address - 0x4C0 < 0x30)) return mpy.write(*this, address, value, lanes);
    for (const MemoryRange &gap : absent)
        if (address >= gap.first && address <= gap.last)
            raise(FaultKind::Vacant, address, "register 0x%05X: this device has no %s", address,
                  peripheral_name(address));
    switch (address >> 4) {
    case 0x14: return frctl.write(*this, address, value, lanes);
    case 0x15:
        if (address < 0x158) return crc16.write(address, value, lanes);
        if (address == 0x15C) return wdt.write(*this, address, value, lanes);
        return board.write(*this, address, value, lanes);
    case 0x16: return cs.write(*this, address, value, lanes);
    case 0x50:
    case 0x51:
    case 0x52:
    case 0x53:
    case 0x54:
    case 0x55:
    case 0x56: return dma.write(*this, address, value, lanes);
    case 0x34:
    case 0x35:
    case 0x36:
    case 0x37: return timers[0].write(*this, address, value, lanes);
    case 0x38:
    case 0x39:
    case 0x3A:
    case 0x3B: return timers[1].write(*this, address, value, lanes);
    case 0x3C:
    case 0x3D:
    case 0x3E:
    case 0x3F: return timers[5].write(*this, address, value, lanes);
    case 0x40:
    case 0x41:
    case 0x42:
    case 0x43: return timers[2].write(*this, address, value, lanes);
    case 0x44:
    case 0x45:
    case 0x46:
    case 0x47: return timers[3].write(*this, address, value, lanes);
    case 0x7C:
    case 0x7D:
    case 0x7E:
    case 0x7F: return timers[4].write(*this, address, value, lanes);
    case 0x5C:
    case 0x5D:
    case 0x5E:
    case 0x5F:
    case 0x60:
    case 0x61:
    case 0x62:
    case 0x63: return eusci[(address - 0x5C0) / 0x20].write(*this, address, value, lanes);
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0x68:
    case 0x69:
    case 0x6A:
    case 0x6B:
    case 0x6C:
    case 0x6D:
    case 0x6E:
    case 0x6F:
    case 0x70:
    case 0x71:
    case 0x72:
    case 0x73: return eusci[4 + (address - 0x640) / 0x40].write(*this, address, value, lanes);
    case 0xA8:
    case 0xA9:
    case 0xAA:
    case 0xAB:
    case 0xAC:
    case 0xAD:
    case 0xAE:
    case 0xAF: return lea.write(*this, address, value, lanes);
    default: return board.write(*this, address, value, lanes);
    }
}

} // namespace sw
