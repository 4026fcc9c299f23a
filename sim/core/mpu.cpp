// SPDX-License-Identifier: Apache-2.0
// Segments, rights and registers of the MPU.
//
// Modelled / Not modelled: see mpu.h.
#include "mpu.h"
#include "machine.h"

#include <algorithm>

namespace sw {

namespace {

constexpr uint16_t kEnable = 1u << 0, kLock = 1u << 1, kNmi = 1u << 4;         // MPUCTL0
constexpr uint16_t kIpReset = 1u << 5, kIpEnable = 1u << 6, kIpLock = 1u << 7; // MPUIPC0
constexpr int kRead = 1, kWrite = 2, kExecute = 4, kReset = 8;                 // a nibble of MPUSAM
constexpr uint16_t kBorder = 0xFFC0;                                           // bits of MPUSEGBx, 1 KB
constexpr uint32_t kInfoFirst = 0x1800, kInfoLast = 0x19FF;
constexpr uint32_t kVectorFirst = 0xFF80, kVectorLast = 0xFFFF;
constexpr int kIp = 4;
constexpr int kPasswordCause = 0x22;
// by bit of MPUCTL1: SYSRSTIV, SYSSNIV (TI header)
constexpr int kResetCause[5] = {0x2A, 0x2C, 0x2E, 0x28, 0x26};
constexpr int kNmiCause[5] = {0x0C, 0x0E, 0x10, 0x0A, 0x08};
constexpr const char *kNames[5] = {"segment 1", "segment 2", "segment 3", "the information memory segment",
                                   "the IP encapsulation segment"};

bool vector_table(uint32_t a) {
    return a >= kVectorFirst && a <= kVectorLast;
}

} // namespace

void Mpu::reset(Machine &m) {
    bool was = on;
    *this = Mpu{};
    if (was) apply(m);
}

int Mpu::segment(uint32_t a) const {
    if (a >= kInfoFirst && a <= kInfoLast) return 3;
    uint32_t low = uint32_t{std::min(segb1, segb2)} << 4, high = uint32_t{std::max(segb1, segb2)} << 4;
    return a < low ? 0 : a < high ? 1 : 2;
}

bool Mpu::right(uint32_t a, int bits) const {
    return !(ctl0 & kEnable) || (sam >> (4 * segment(a)) & bits) != 0;
}

bool Mpu::encapsulated(uint32_t a) const {
    uint32_t low = uint32_t{std::min(ipsegb1, ipsegb2)} << 4,
             high = uint32_t{std::max(ipsegb1, ipsegb2)} << 4;
    return (ipc0 & kIpEnable) && a >= low && a < high;
}

// Data inside the IP segment, asked for from outside (table 9-2; its first 8 bytes open nothing).
bool Mpu::sealed(const Machine &m, uint32_t a) const {
    if (!encapsulated(a) || vector_table(a)) return false;
    uint32_t pc = static_cast<uint32_t>(m.op - m.ops.data()) * 2;
    return m.in_dma || !encapsulated(pc) || pc < (uint32_t{std::min(ipsegb1, ipsegb2)} << 4) + 8;
}

// Execute and write rights include that to read; the vector table can always be read (tables 9-4, 9-5).
bool Mpu::reads(const Machine &m, uint32_t a) const {
    return !sealed(m, a) && (vector_table(a) || right(a, kRead | kWrite | kExecute));
}

bool Mpu::writes(const Machine &m, uint32_t a) const {
    return !sealed(m, a) && right(a, kWrite);
}

bool Mpu::executes(uint32_t a) const {
    return right(a, kExecute);
}

void Mpu::deny(Machine &m, uint32_t a, const char *what) {
    bool fetch = what[0] == 'i';
    int s = !fetch && sealed(m, a) ? kIp : segment(a);
    ctl1 |= static_cast<uint16_t>(1u << s);
    bool puc = s == kIp ? ipc0 & kIpReset : sam >> (4 * s) & kReset;
    if (!m.violations_reset)
        raise(FaultKind::Protection, a,
              "%s 0x%05X in %s of the MPU, whose rights (MPUSAM = 0x%04X) forbid it; silicon would set its "
              "flag and raise %s",
              what, a, kNames[s], sam,
              puc           ? "a PUC"
              : ctl0 & kNmi ? "an NMI"
                            : "nothing");
    if (puc) return m.request_reset(ResetKind::Puc, kResetCause[s]);
    if (ctl0 & kNmi) m.board.raise_nmi(m, kNmiCause[s]);
}

// Pages with restrictions leave the fast paths; what may no longer be executed is decoded again.
void Mpu::apply(Machine &m) {
    on = (ctl0 & kEnable) || (ipc0 & kIpEnable);
    for (const MemoryRange &range : m.ranges) {
        if (range.region != kFram) continue;
        for (uint32_t a = range.first; a < range.last; a += 1u << kPageShift) {
            uint32_t page = a >> kPageShift;
            bool guard = on && (encapsulated(a) || !right(a, kRead | kWrite | kExecute));
            m.read_region[page] = guard ? kGuarded : kFram;
            bool code = m.write_region[page] == kSlow; // or a watch
            if (guard || (on && !right(a, kWrite))) m.write_region[page] = kSlow;
            if (!code || !m.ops.data() || !on || executes(a)) continue;
            uint32_t first = std::max(a, 6u) - 6; // instructions that reach into the page
            for (uint32_t b = first; b < a + (1u << kPageShift); b += 2) m.ops.data()[b >> 1].fn = nullptr;
        }
    }
}

uint16_t Mpu::read(Machine &, uint32_t address) {
    switch (address) {
    case 0x5A0: return static_cast<uint16_t>(0x9600 | ctl0);
    case 0x5A2: return ctl1;
    case 0x5A4: return segb2;
    case 0x5A6: return segb1;
    case 0x5A8: return sam;
    case 0x5AA: return ipc0;
    case 0x5AC: return ipsegb2;
    default: return ipsegb1;
    }
}

void Mpu::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    auto merge = [&](uint16_t old) { return static_cast<uint16_t>((old & ~lanes) | (value & lanes)); };
    bool key = value >> 8 == 0xA5;
    if (address == 0x5A0) {
        if (lanes == 0xFF00) { // any other byte locks again
            unlocked = key;
            return;
        }
        if (lanes == 0xFFFF && !key)
            return m.violation(address, kPasswordCause,
                               "MPUCTL0 written as 0x%04X without the key A5h; silicon would reset (SYSRSTIV "
                               "22h); write 0xA5nn",
                               value);
        if (lanes == 0xFFFF) unlocked = true;
    }
    if (!unlocked)
        return m.violation(address, kPasswordCause,
                           "register 0x%05X of the MPU written while locked; silicon would reset (SYSRSTIV "
                           "22h); write A5h to MPUCTL0_H first",
                           address);
    bool ip = address >= 0x5AA;
    if (address != 0x5A2 && (ip ? ipc0 & kIpLock : ctl0 & kLock)) {
        if (m.violations_reset) return; // silicon ignores it
        raise(FaultKind::Password, address,
              "register 0x%05X of the MPU written although %s is set, until a BOR", address,
              ip ? "MPUIPLOCK" : "MPULOCK");
    }
    switch (address) {
    case 0x5A0: ctl0 = merge(ctl0) & (kEnable | kLock | kNmi); break;
    case 0x5A2: ctl1 = merge(ctl1) & 0x1F; return;
    case 0x5A4: segb2 = merge(segb2) & kBorder; break;
    case 0x5A6: segb1 = merge(segb1) & kBorder; break;
    case 0x5A8: sam = merge(sam); break;
    case 0x5AA: ipc0 = merge(ipc0) & (kIpReset | kIpEnable | kIpLock); break;
    case 0x5AC: ipsegb2 = merge(ipsegb2) & kBorder; break;
    default: ipsegb1 = merge(ipsegb1) & kBorder; break;
    }
    apply(m);
}

} // namespace sw
