// SPDX-License-Identifier: Apache-2.0
// Registers of the clock system at 0x160 (TI header msp430fr5994.h).
//
// Modelled / Not modelled: see cs.h.
#include "cs.h"
#include "machine.h"

namespace sw {

namespace {
// DCO frequency by CSCTL1.DCORSEL and DCOFSEL (SLASE54 DCO table). 0: reserved code.
constexpr uint32_t kDco[2][8] = {{1000000, 2670000, 3330000, 4000000, 5330000, 6670000, 8000000, 0},
                                 {1000000, 5330000, 6670000, 8000000, 16000000, 21000000, 24000000, 0}};
constexpr uint32_t kFramHz = 8000000;
constexpr uint32_t kCpuHz = 16000000;
} // namespace

uint32_t Cs::dco_hz() const {
    return kDco[(ctl[1] >> 6) & 1][(ctl[1] >> 1) & 7];
}

void Cs::reset(uint64_t now_cycles) {
    double now = time_s(now_cycles);
    *this = Cs{};
    base_s = now;
    base_cycles = now_cycles;
}

void Cs::check(Machine &m) const {
    if (mclk_hz > kCpuHz)
        raise(FaultKind::Clock, 0x160, "MCLK set to %u Hz; the CPU is specified to 16000000 Hz", mclk_hz);
    if (mclk_hz > kFramHz && m.frctl.nwaits == 0)
        raise(
            FaultKind::Clock, 0x140,
            "MCLK is %u Hz with NWAITS = 0, FRAM allows 8000000 Hz; write FRCTL0 = 0xA510 before raising the "
            "clock",
            mclk_hz);
}

uint16_t Cs::read(Machine &, uint32_t address) {
    uint32_t i = (address - 0x160) / 2;
    if (i > 6) raise(FaultKind::Unmodelled, address, "CS has no register at 0x%05X", address);
    return ctl[i];
}

void Cs::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    uint32_t i = (address - 0x160) / 2;
    if (i > 6) raise(FaultKind::Unmodelled, address, "CS has no register at 0x%05X", address);
    if (i == 0) {
        bool key = (value >> 8) == 0xA5;
        if (lanes == 0xFFFF && !key)
            return m.violation(address, 0x24,
                               "CSCTL0 written as 0x%04X without the key A5h in the high byte; silicon would "
                               "reset (SYSRSTIV 24h); write 0xA500, or lock with a byte write to CSCTL0_H",
                               value);
        if (lanes & 0xFF00) unlocked = key;
        return;
    }
    if (!unlocked)
        raise(FaultKind::Password, address, "CSCTL%u written while CS is locked; write A5h to CSCTL0_H first",
              i);
    uint16_t v = static_cast<uint16_t>((ctl[i] & ~lanes) | (value & lanes));
    ctl[i] = v;
    if (i < 1 || i > 3) return;
    uint32_t source = ctl[2] & 7;
    if (source != 3)
        raise(FaultKind::Unmodelled, address,
              "CSCTL2 = 0x%04X selects clock %u for MCLK; only the DCO (3) is modelled", ctl[2], source);
    uint32_t dco = dco_hz();
    uint32_t shift = ctl[3] & 7;
    bool reserved =
        (ctl[3] >> 4 & 7) > 5 || (ctl[3] >> 8 & 7) > 5 || (ctl[2] >> 4 & 7) > 5 || (ctl[2] >> 8 & 7) > 2;
    if (dco == 0 || shift > 5 || reserved)
        raise(FaultKind::Unmodelled, address, "CSCTL1-3 = 0x%04X, 0x%04X, 0x%04X hold a reserved code",
              ctl[1], ctl[2], ctl[3]);
    uint32_t hz = dco >> shift;
    if (hz != mclk_hz) {
        base_s = time_s(m.n.cycles);
        base_cycles = m.n.cycles;
        mclk_hz = hz;
        check(m);
        m.changed();
    }
    m.clocks.update(m);
}

} // namespace sw
