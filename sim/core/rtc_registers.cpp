// SPDX-License-Identifier: Apache-2.0
// Registers of RTC_C: RTCCTL0 4A0, RTCCTL13 4A2, RTCOCAL 4A4, RTCTCMP 4A6, RTCPS0CTL 4A8, RTCPS1CTL 4AA,
// RTCPS 4AC, RTCIV 4AE, RTCTIM0 4B0, RTCTIM1 4B2, RTCDATE 4B4, RTCYEAR 4B6, RTCAMINHR 4B8, RTCADOWDAY 4BA,
// BIN2BCD 4BC, BCD2BIN 4BE (TI header msp430fr6989.h for bits and order; SLAU367 RTC_C register table).
//
// Modelled / Not modelled: see rtc.h.
#include "machine.h"
#include "rtc.h"

namespace sw {

namespace {
constexpr uint16_t kHold = 0x40, kMode = 0x20, kBcd = 0x80, kReady = 0x10;

unsigned to_bcd(unsigned v) {
    return v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12;
}
unsigned from_bcd(unsigned v) {
    return (v & 15) + 10 * (v >> 4 & 15) + 100 * (v >> 8 & 15) + 1000 * (v >> 12 & 15);
}
} // namespace

uint8_t Rtc::shown(int field) const {
    return static_cast<uint8_t>(bcd() ? to_bcd(time[field]) : time[field]);
}

uint16_t Rtc::take_vector(Machine &m) { // RTCOFIFG, RTCRDYIFG, RTCTEVIFG, RTCAIFG, RT0PSIFG, RT1PSIFG
    constexpr uint8_t flag[4] = {8, 1, 4, 2};
    for (int k = 0; k < 4; ++k) {
        if (!(ctl0 >> 4 & ctl0 & flag[k])) continue;
        ctl0 = static_cast<uint8_t>(ctl0 & ~flag[k]);
        lines(m);
        return static_cast<uint16_t>(2 * (k + 1));
    }
    for (int k = 0; k < 2; ++k) {
        if ((ps[k] & 3) != 3) continue;
        ps[k] &= static_cast<uint16_t>(~1u);
        lines(m);
        return static_cast<uint16_t>(0x0A + 2 * k);
    }
    return 0;
}

uint16_t Rtc::read(Machine &m, uint32_t address) {
    sync(m);
    auto pair = [&](int low) { return static_cast<uint16_t>(shown(low) | shown(low + 1) << 8); };
    switch (address & 0x1E) {
    case 0x00: return static_cast<uint16_t>(0x9600 | ctl0);
    case 0x02: {
        uint64_t at = (phase + 64) % 32768; // RTCRDY is 0 in the keep-out window
        return static_cast<uint16_t>(ctl13 | (calendar() && running() && at < 128 ? 0 : kReady));
    }
    case 0x04:
    case 0x06: return 0;
    case 0x08:
    case 0x0A: return ps[address >> 1 & 1];
    case 0x0C: return static_cast<uint16_t>((phase & 0xFF) | (phase / unit1() & 0xFF) << 8);
    case 0x0E: return take_vector(m);
    case 0x10: return calendar() ? pair(0) : static_cast<uint16_t>(count);
    case 0x12: return calendar() ? pair(2) : static_cast<uint16_t>(count >> 16);
    case 0x14: return pair(4);
    case 0x16: return static_cast<uint16_t>(bcd() ? to_bcd(year) : year);
    case 0x18:
    case 0x1A: return static_cast<uint16_t>(alarm[address & 2] | alarm[(address & 2) + 1] << 8);
    default: return converted[address >> 1 & 1];
    }
}

void Rtc::control(Machine &m, uint32_t address, uint16_t v) {
    uint16_t changed = ctl13 ^ v;
    bool through = (v & 8) != 0;
    if (!(v & (kHold | kMode))) {
        if ((v >> 2 & 3) == 1)
            raise(FaultKind::Unmodelled, address, "RTCSSEL = 1 is reserved; choose 0 (crystal) or 2 (RT1PS)");
        if (through && ((ps[1] & 0x0100) || ((ps[1] & 0x8000) && (ps[0] & 0x0100))))
            raise(FaultKind::Unmodelled, address, "RT0PSHOLD and RT1PSHOLD in counter mode are not modelled");
    }
    if (!(v & kHold) && m.clocks.lfxt_hz == 0)
        raise(FaultKind::Unmodelled, address,
              "RTC_C started on a board without a crystal at LFXT; set the option lfxt_hz = 32768");
    ctl13 = v & 0x03EF;
    if (changed & (kMode | kBcd)) { // the other format starts over (SLAU367 RTC_C, calendar mode)
        *time = time[1] = time[2] = time[3] = 0;
        time[4] = time[5] = 1;
        year = 0;
        count = 0;
        restart(m);
    }
    if (changed & ~v & kHold) restart(m);
}

void Rtc::set_time(uint32_t address, int field, uint8_t value) {
    constexpr unsigned low[6] = {0, 0, 0, 0, 1, 1}, high[6] = {59, 59, 23, 6, 31, 12};
    unsigned v = bcd() ? from_bcd(value) : value;
    if (v < low[field] || v > high[field])
        raise(FaultKind::Unmodelled, address,
              "RTC_C calendar value 0x%02X lies outside %u to %u; silicon's result is "
              "not predictable",
              value, low[field], high[field]);
    time[field] = static_cast<uint8_t>(v);
}

void Rtc::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    sync(m);
    uint32_t reg = address & 0x1E;
    uint16_t v = static_cast<uint16_t>((lanes == 0xFFFF ? 0
                                        : reg == 0x0E   ? 0
                                                        : read(m, address)) &
                                       ~lanes) |
                 static_cast<uint16_t>(value & lanes);
    if (reg == 0 && (lanes & 0xFF00)) unlocked = (value >> 8) == 0xA5;
    bool free = reg == 0x08 || reg == 0x0A || reg == 0x0E || reg >= 0x18 || (reg == 0 && !(lanes & 0xFF));
    if (!free && !unlocked)
        raise(FaultKind::Password, address,
              "RTC_C register 0x%05X written while locked; write A5h to RTCCTL0_H first", address);
    switch (reg) {
    case 0x00:
        if (lanes & 0xFF) ctl0 = static_cast<uint8_t>(v);
        break;
    case 0x02: control(m, address, v); break;
    case 0x04:
    case 0x06:
        if (v)
            raise(FaultKind::Unmodelled, address, "calibration of RTC_C (RTCOCAL, RTCTCMP) is not modelled");
        break;
    case 0x08:
    case 0x0A: ps[address >> 1 & 1] = v & (reg == 0x08 ? 0x3D1F : 0xFD1F); break;
    case 0x0C:
        restart(m);
        phase = (v >> 8) * unit1() + (v & 0xFF) % unit1();
        break;
    case 0x0E: take_vector(m); break;
    case 0x10:
    case 0x12:
    case 0x14:
        if (!calendar() && reg != 0x14) {
            count = reg == 0x10 ? (count & 0xFFFF0000) | v : (count & 0xFFFF) | uint32_t{v} << 16;
            break;
        }
        for (int k = 0; k < 2; ++k)
            if (lanes >> 8 * k & 0xFF)
                set_time(address, static_cast<int>(reg - 0x10) + k, static_cast<uint8_t>(v >> 8 * k));
        break;
    case 0x16: year = static_cast<uint16_t>(bcd() ? from_bcd(v) : v & 0x0FFF); break;
    case 0x18:
    case 0x1A:
        for (int k = 0; k < 2; ++k)
            if (lanes >> 8 * k & 0xFF)
                alarm[(address & 2) + static_cast<unsigned>(k)] = static_cast<uint8_t>(v >> 8 * k);
        break;
    case 0x1C: converted[0] = static_cast<uint16_t>(to_bcd(v & 0x0FFF)); break;
    default: converted[1] = static_cast<uint16_t>(from_bcd(v)); break;
    }
    lines(m);
    schedule(m);
}

} // namespace sw
