// SPDX-License-Identifier: Apache-2.0
// The slow side of the bus: peripherals, tiny RAM, faults, watches, self-modifying code, host access.
//
// Modelled: see machine.h. Not modelled: vacant reads returning 3FFFh, as silicon may (they raise).
#include "machine.h"

#include <algorithm>

namespace sw {

namespace {

[[noreturn]] SW_COLD void no_access(uint8_t region, uint32_t a, const char *verb) {
    if (region == kReadOnly && verb[0] == 'w')
        raise(FaultKind::ReadOnly, a,
              "write of 0x%05X in boot code or device descriptors, which are read-only", a);
    if (region == kReadOnly)
        raise(FaultKind::Unmodelled, a, "%s of 0x%05X in boot code, whose contents are not modelled", verb,
              a);
    raise(FaultKind::Vacant, a, "%s of 0x%05X, where the device has no memory; check the pointer", verb, a);
}

[[noreturn]] SW_COLD void odd_address(uint32_t a, const char *verb) {
    raise(FaultKind::Misaligned, a, "16-bit %s at odd address 0x%05X; words must lie at even addresses", verb,
          a);
}

} // namespace

void Machine::read_fault(uint32_t a, bool word) {
    if (word && (a & 1)) odd_address(a, "read");
    raise(FaultKind::Uninitialised, a,
          "read of 0x%05X, which was not written since power-up and holds random bits; initialise it or pass "
          "allow_uninitialised=True",
          a);
}

template <Size S> uint32_t Machine::read_slow(uint32_t a) {
    uint8_t region = read_region[a >> kPageShift];
    if (S == Size::W && (a & 1)) odd_address(a, "read");
    if (region == kLow && a <= kTinyLast) {
        if (a < kTinyFirst) no_access(kVacant, a, "read");
        bool known = initialised[a] && (S == Size::B || initialised[a + 1]);
        if (!known) read_fault(a, S == Size::W);
        ++n.reads[kSram];
        return S == Size::B ? memory[a] : load16(memory.data() + a);
    }
    if (region == kLeaBusy) {
        lea.touch(*this, a, "read");
        bool known = initialised[a] && (S == Size::B || initialised[a + 1]);
        if (!known) read_fault(a, S == Size::W);
        ++n.reads[kLeaRam];
        return S == Size::B ? memory[a] : load16(memory.data() + a);
    }
    if (region == kGuarded || (region == kReadOnly && a < kRamEnd && initialised[a])) {
        if (region == kGuarded && !mpu.reads(*this, a)) {
            mpu.deny(*this, a, "read of");
            return S == Size::W ? 0x3FFF : (a & 1) ? 0x3F : 0xFF; // SLAU367P 9.4.2
        }
        ++n.reads[kFram];
        if (!frctl.cache.touch(a >> 3)) {
            ++n.read_misses;
            stall(frctl.nwaits);
        }
        return S == Size::B ? memory[a] : load16(memory.data() + a);
    }
    if (region == kPeripheral || region == kLow) {
        uint32_t v = peripheral_read(a & ~1u);
        return S == Size::W ? v : (a & 1) ? v >> 8 : v & 0xFF;
    }
    no_access(region, a, "read");
}

template <Size S> void Machine::write_slow(uint32_t a, uint32_t v) {
    uint8_t region = read_region[a >> kPageShift];
    if (S == Size::W && (a & 1)) odd_address(a, "write");
    if (region == kLow && a <= kTinyLast) {
        if (a < kTinyFirst) no_access(kVacant, a, "write");
        region = kSram;
    }
    if (region == kLeaBusy) {
        lea.touch(*this, a, "write");
        region = kLeaRam;
    }
    if (mpu.on && (region == kFram || region == kGuarded)) {
        if (!mpu.writes(*this, a)) return mpu.deny(*this, a, "write to");
        region = kFram;
    }
    if (region <= kFram) { // page with code, a watch or the signatures
        if (a >= kSignatureFirst && a <= kSignatureLast)
            raise(
                FaultKind::Signature, a,
                "write to 0x%05X in 0xFF80-0xFF8F (JTAG, BSL and IPE signatures), which can lock the device",
                a);
        ++n.writes[region];
        if (region == kFram) {
            frctl.cache.invalidate(a >> 3);
            stall(frctl.nwaits);
        } else {
            initialised[a] = 1;
            if (S == Size::W) initialised[a + 1] = 1;
        }
        memory[a] = static_cast<uint8_t>(v);
        if (S == Size::W) memory[a + 1] = static_cast<uint8_t>(v >> 8);
        invalidate(a);
        if (!watches.empty()) log_write(a);
        if (region == kFram && n.writes[kFram] >= nvm_stop) nvm_reached();
        return;
    }
    if (region == kPeripheral || region == kLow) {
        if (S == Size::W) return peripheral_write(a, static_cast<uint16_t>(v), 0xFFFF);
        return (a & 1) ? peripheral_write(a & ~1u, static_cast<uint16_t>((v & 0xFF) << 8), 0xFF00)
                       : peripheral_write(a, static_cast<uint16_t>(v & 0xFF), 0x00FF);
    }
    no_access(region, a, "write");
}

template uint32_t Machine::read_slow<Size::B>(uint32_t);
template uint32_t Machine::read_slow<Size::W>(uint32_t);
template void Machine::write_slow<Size::B>(uint32_t, uint32_t);
template void Machine::write_slow<Size::W>(uint32_t, uint32_t);

void Machine::fetch_slow(const Op *o) {
    uint32_t misses = frctl.cache.touch(o->line) ? 0 : 1;
    if (o->straddle) misses += frctl.cache.touch(o->line + 1) ? 0 : 1;
    n.fetch_misses += misses;
    stall(misses * frctl.nwaits);
}

void Machine::invalidate(uint32_t address) {
    Op *table = ops.data();
    if (!table) return;
    uint32_t word = (address & ~1u) >> 1; // an instruction is at most four words long
    for (uint32_t back = 0; back < 4 && back <= word; ++back) table[word - back].fn = nullptr;
}

void Machine::lea_store(uint32_t address, uint16_t value) {
    store16(memory.data() + address, value);
    store16(initialised + address, 0x0101);
    if (write_region[address >> kPageShift] != kSlow) return;
    invalidate(address);
    if (!watches.empty()) log_write(address);
}

void Machine::lea_stall(uint32_t cycles) {
    stall(cycles);
    n.lea_stall_cycles += cycles;
}

void Machine::code_in_lea_ram(uint32_t first, uint32_t end) {
    for (uint32_t page = first >> kPageShift; page < end >> kPageShift; ++page)
        if (lea.page_write[page - (first >> kPageShift)] == kSlow && ops.data())
            for (uint32_t a = page << kPageShift; a < (page + 1) << kPageShift; a += 2)
                ops.data()[a >> 1].fn = nullptr;
}

void Machine::log_write(uint32_t address) {
    uint32_t word = address & ~1u;
    if (std::find(watches.begin(), watches.end(), word) == watches.end()) return;
    watch_events.push_back(
        {word, static_cast<uint16_t>(load16(memory.data() + word)), pc_of(op), Counters{}, 0.0});
    attention(); // the counters are filled in at the end of the instruction
}

void Machine::add_watch(uint32_t address) {
    watches.push_back(address & ~1u);
    write_region[address >> kPageShift] = kSlow;
}

// ASSUMPTION tlv-ideal: their contents are made by sim/descriptors.py; layout recalled, calibration of an
// ideal part, checksum over 0x1A04-0x1AFF as CRCDIRB computes it.
void Machine::set_descriptors(uint32_t first, const uint8_t *data, uint32_t size) {
    std::copy_n(data, size, memory.data() + first);
    std::fill_n(initialised + first, size, uint8_t{1});
}

void Machine::host_read(uint32_t address, uint8_t *out, uint32_t size) const {
    std::copy_n(memory.data() + address, size, out);
}

void Machine::host_write(uint32_t address, const uint8_t *data, uint32_t size) {
    std::copy_n(data, size, memory.data() + address);
    for (uint32_t a = address; a < address + size; ++a) {
        if (a < kRamEnd) initialised[a] = 1;
        if (write_region[a >> kPageShift] == kSlow) invalidate(a);
    }
}

} // namespace sw
