// SPDX-License-Identifier: Apache-2.0
// How RTC_C counts (SLAU367 RTC_C chapter).
//
// Modelled / Not modelled: see rtc.h. Registers: rtc_registers.cpp.
#include "rtc.h"
#include "machine.h"

namespace sw {

namespace {
constexpr uint64_t kSecond = 32768, kWindow = 64; // keep-out: 128 / 32768 s about the update
constexpr uint8_t kReady = 1, kAlarm = 2, kEvent = 4;

int month_days(int month, int year) {
    constexpr int days[13] = {31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month] + (month == 2 && year % 4 == 0);
}
} // namespace

uint64_t Rtc::unit1() const { // RT1PS: behind all of RT0PS in calendar mode, else RT1SSEL and RT0PSDIV
    if (calendar()) return 256;
    return ps[1] & 0x8000 ? 2ull << (ps[0] >> 11 & 7) : 1;
}

uint64_t Rtc::unit() const {
    if (calendar()) return kSecond;
    return ctl13 & 0x08 ? unit1() << ((ps[1] >> 11 & 7) + 1) : 1; // RTCSSEL: RT1PS or the crystal
}

uint64_t Rtc::interval(int k) const { // RTxIP
    return (k ? unit1() : 1) * (2ull << (ps[k] >> 2 & 7));
}

bool Rtc::wants() const {
    return (ctl0 >> 4 & ctl0 & 0xF) || (ps[0] & 3) == 3 || (ps[1] & 3) == 3;
}

void Rtc::lines(Machine &m) {
    m.set_line(Irq::Rtc, wants() && !masked);
}

bool Rtc::alarmed() const {
    bool any = false;
    constexpr int field[4] = {1, 2, 3, 4};
    for (int k = 0; k < 4; ++k) {
        if (!(alarm[k] & 0x80)) continue;
        if ((alarm[k] & 0x7F) != shown(field[k])) return false;
        any = true;
    }
    return any;
}

void Rtc::second() {
    bool was = alarmed();
    if (++time[0] < 60) return;
    time[0] = 0;
    bool hour = ++time[1] == 60, day = false;
    if (hour) {
        time[1] = 0;
        if (++time[2] == 24) {
            time[2] = 0;
            day = true;
        }
    }
    if (day) {
        time[3] = static_cast<uint8_t>((time[3] + 1) % 7);
        if (++time[4] > month_days(time[5], year)) {
            time[4] = 1;
            if (++time[5] > 12) {
                time[5] = 1;
                ++year;
            }
        }
    }
    const bool event[4] = {true, hour, day, hour && time[2] == 12}; // RTCTEV: minute, hour, 00:00, 12:00
    if (event[ctl13 & 3]) ctl0 |= kEvent;
    if (!was && alarmed()) ctl0 |= kAlarm;
}

void Rtc::sync(Machine &m) {
    if (!running()) return;
    uint64_t now = m.clocks.of(Clk::Lfxtclk).ticks(m.n.cycles);
    uint64_t before = phase, after = phase + (now - anchor);
    if (before == after) return;
    anchor = now;
    phase = after;
    auto crossed = [&](uint64_t period, uint64_t early) {
        return (after + early) / period != (before + early) / period;
    };
    for (int k = 0; k < 2; ++k)
        if (crossed(interval(k), 0)) ps[k] |= 1;
    uint64_t units = after / unit() - before / unit();
    if (calendar()) {
        for (uint64_t k = 0; k < units; ++k) second();
        if (crossed(kSecond, kSecond - kWindow)) ctl0 |= kReady;
    } else {
        int width = 8 * ((ctl13 & 3) + 1); // RTCTEV: overflow of 8, 16, 24 or 32 bits
        if ((count + units) >> width != uint64_t{count} >> width) ctl0 |= kEvent;
        count = static_cast<uint32_t>(count + units);
    }
    lines(m);
}

// The next tick at which an enabled flag may be set; alarms and time events come with a new minute only.
void Rtc::schedule(Machine &m) {
    uint64_t next = kNever;
    if (running()) {
        auto consider = [&](uint64_t period, uint64_t late) {
            next = std::min(next, period - (phase + period - late) % period);
        };
        for (int k = 0; k < 2; ++k)
            if (ps[k] & 2) consider(interval(k), 0);
        if (calendar() && (ctl0 & kReady << 4)) consider(kSecond, kWindow);
        if (calendar() && (ctl0 & (kAlarm | kEvent) << 4))
            next = std::min(next, (60u - time[0]) * kSecond - phase % kSecond);
        if (!calendar() && (ctl0 & kEvent << 4)) {
            uint64_t span = 1ull << 8 * ((ctl13 & 3) + 1);
            next = std::min(next, (span - count % span) * unit() - phase % unit());
        }
    }
    m.schedule(Ev::Rtc, next == kNever ? kNever : m.clocks.of(Clk::Lfxtclk).cycle_of(anchor + next));
}

void Rtc::restart(Machine &m) {
    phase = 0;
    anchor = m.clocks.of(Clk::Lfxtclk).ticks(m.n.cycles);
}

} // namespace sw
