// SPDX-License-Identifier: Apache-2.0
// Which peripheral answers at which address. A new peripheral is one line of kBlocks.
//
// Modelled: dispatch of 8-, 16- and 20-bit accesses in 0x0020-0x0FFF. Every access is 16 bit wide with byte
// lanes. Not modelled: a block without a peripheral raises with its name.
#include "machine.h"

#include <array>

namespace sw {

namespace {

struct Port {
    uint16_t (*read)(Machine &, uint32_t address) = nullptr; // null: not modelled
    void (*write)(Machine &, uint32_t address, uint16_t value, uint16_t lanes) = nullptr;
};

template <auto Member> constexpr Port port() {
    return {[](Machine &m, uint32_t address) -> uint16_t { return (m.*Member).read(m, address); },
            [](Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
                (m.*Member).write(m, address, value, lanes);
            }};
}

template <auto Member, int Index> constexpr Port port() { // one of an array of equal peripherals
    return {[](Machine &m, uint32_t address) -> uint16_t { return (m.*Member)[Index].read(m, address); },
            [](Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
                (m.*Member)[Index].write(m, address, value, lanes);
            }};
}

struct Block {
    uint32_t first, last;
    const char *name;
    Port port;
};

// clang-format off
constexpr Block kBlocks[] = { // TI header msp430fr5994.h
    {0x000, 0x000, "reserved peripheral space", {}}, // every address without a block of its own
    {0x100, 0x11F, "SFR", port<&Machine::board>()},
    {0x120, 0x13F, "PMM", port<&Machine::board>()},
    {0x140, 0x14F, "FRCTL_A", port<&Machine::frctl>()},
    {0x150, 0x157, "CRC16", port<&Machine::crc16>()},
    {0x158, 0x159, "RAMCTL", port<&Machine::board>()},
    {0x15C, 0x15D, "WDT_A", port<&Machine::wdt>()},
    {0x160, 0x17F, "CS", port<&Machine::cs>()},
    {0x180, 0x19F, "SYS", port<&Machine::board>()},
    {0x1B0, 0x1BF, "REF_A", port<&Machine::ref>()},
    {0x200, 0x27F, "GPIO", port<&Machine::board>()},
    {0x320, 0x33F, "GPIO PJ", port<&Machine::board>()},
    {0x340, 0x37F, "Timer_A0", port<&Machine::timers, 0>()},
    {0x380, 0x3BF, "Timer_A1", port<&Machine::timers, 1>()},
    {0x3C0, 0x3FF, "Timer_B0", port<&Machine::timers, 5>()},
    {0x400, 0x43F, "Timer_A2", port<&Machine::timers, 2>()},
    {0x440, 0x47F, "Timer_A3", port<&Machine::timers, 3>()},
    {0x4A0, 0x4BF, "RTC_C", port<&Machine::rtc>()},
    {0x4C0, 0x4EF, "MPY32", port<&Machine::mpy>()},
    {0x500, 0x53F, "DMA", port<&Machine::dma>()},
    {0x540, 0x56F, "DMA channels 3 to 5", port<&Machine::dma>()},
    {0x5A0, 0x5AF, "MPU", port<&Machine::mpu>()},
    {0x5C0, 0x5DF, "eUSCI_A0", port<&Machine::eusci, 0>()},
    {0x5E0, 0x5FF, "eUSCI_A1", port<&Machine::eusci, 1>()},
    {0x600, 0x61F, "eUSCI_A2", port<&Machine::eusci, 2>()},
    {0x620, 0x63F, "eUSCI_A3", port<&Machine::eusci, 3>()},
    {0x640, 0x67F, "eUSCI_B0", port<&Machine::eusci, 4>()},
    {0x680, 0x6BF, "eUSCI_B1", port<&Machine::eusci, 5>()},
    {0x6C0, 0x6FF, "eUSCI_B2", port<&Machine::eusci, 6>()},
    {0x700, 0x73F, "eUSCI_B3", port<&Machine::eusci, 7>()},
    {0x7C0, 0x7FF, "Timer_A4", port<&Machine::timers, 4>()},
    {0x800, 0x89F, "ADC12_B", port<&Machine::adc>()},
    {0x8C0, 0x8CF, "COMP_E", port<&Machine::comp>()},
    {0x980, 0x9AF, "CRC32", port<&Machine::crc32>()},
    {0x9C0, 0x9CF, "AES256", {}},
    {0xA80, 0xAFF, "LEA", port<&Machine::lea>()},
};
// clang-format on

constexpr uint32_t kWords = 0x1000 / 2;

constexpr std::array<uint8_t, kWords> block_of_words() {
    std::array<uint8_t, kWords> out{};
    uint8_t index = 0;
    for (const Block &b : kBlocks) {
        if (index > 0)
            for (uint32_t word = b.first / 2; word <= b.last / 2; ++word) out[word] = index;
        ++index;
    }
    return out;
}

constexpr std::array<uint8_t, kWords> kBlockOf = block_of_words(); // index into kBlocks

const Block &block_at(uint32_t address) {
    return kBlocks[address / 2 < kWords ? kBlockOf[address / 2] : 0];
}

[[noreturn]] SW_COLD void unmodelled(uint32_t address) {
    raise(FaultKind::Unmodelled, address, "register 0x%05X (%s) is not modelled", address,
          peripheral_name(address));
}

void check_present(const std::vector<Gap> &gaps, uint32_t address) {
    for (const Gap &gap : gaps) {
        if (address < gap.first || address > gap.last) continue;
        if (gap.there)
            raise(FaultKind::Unmodelled, address, "register 0x%05X (%s) is not modelled", address,
                  gap.name.c_str());
        raise(FaultKind::Vacant, address, "register 0x%05X: this device has no %s", address,
              gap.name.c_str());
    }
}

} // namespace

const char *peripheral_name(uint32_t address) {
    return block_at(address).name;
}

bool Machine::is_absent(uint32_t address) const {
    for (const Gap &gap : gaps)
        if (address >= gap.first && address <= gap.last) return true;
    return false;
}

uint16_t Machine::peripheral_read(uint32_t address) {
    ++n.reads[kPeripheral];
    if (SW_LIKELY(address - 0x4C0 < 0x30)) return mpy.read(*this, address); // inner loops live here
    check_present(gaps, address);
    const Block &block = block_at(address);
    if (SW_UNLIKELY(!block.port.read)) unmodelled(address);
    return block.port.read(*this, address);
}

void Machine::peripheral_write(uint32_t address, uint16_t value, uint16_t lanes) {
    ++n.writes[kPeripheral];
    if (SW_LIKELY(address - 0x4C0 < 0x30)) return mpy.write(*this, address, value, lanes);
    check_present(gaps, address);
    const Block &block = block_at(address);
    if (SW_UNLIKELY(!block.port.write)) unmodelled(address);
    block.port.write(*this, address, value, lanes);
}

} // namespace sw
