// SPDX-License-Identifier: Apache-2.0
// Real-time clock RTC_C, 0x4A0, clocked by the 32-kHz crystal (option `lfxt_hz`).
//
// Modelled: calendar mode (seconds to year, binary or BCD, leap years 1901-2099), counter mode (32
//   bits, from the crystal or through RT0PS and RT1PS), RT0PSIFG, RT1PSIFG, RTCRDYIFG with its
//   keep-out window, RTCTEVIFG, RTCAIFG, RTCIV and the interrupt, key, RTCHOLD, BCD conversion; it
//   runs in every low-power mode and in LPM3.5.
//
// Not modelled (raise): calibration and temperature compensation, RTxPSHOLD in counter mode, values
//   outside the calendar. RTCOFIFG stays 0: a crystal that the board has never fails.
//
// ASSUMPTION rtc-detail: the prescalers start from zero with RTCHOLD, RTCMODE and RTCBCD; RTCHOLD
// stops them too; the key protects all but the alarm, RTCPSxCTL and conversion registers; PUC and
// POR leave the RTC running.
#pragma once

#include "types.h"

namespace sw {

struct Machine;

struct Rtc {
    bool unlocked = false;
    uint8_t ctl0 = 0;                     // RTCCTL0: enables 7:4, flags 3:0
    uint16_t ctl13 = 0x0040;              // RTCCTL13
    uint16_t ps[2] = {0x0100, 0x0100};    // RTCPS0CTL, RTCPS1CTL
    uint8_t time[6] = {0, 0, 0, 0, 1, 1}; // second, minute, hour, day of week, day, month: binary
    uint16_t year = 0;
    uint8_t alarm[4] = {}; // RTCAMIN, RTCAHOUR, RTCADOW, RTCADAY as written
    uint32_t count = 0;    // counter mode
    uint16_t converted[2] = {};
    uint64_t phase = 0, anchor = 0; // ticks since the prescalers were zero, exact at this tick of the crystal
    bool masked = false;            // woke up from LPM3.5: interrupts wait for LOCKLPM5

    void reset() { *this = Rtc{}; }
    bool running() const { return !(ctl13 & 0x40); }
    bool wants() const; // an enabled flag is set
    void sync(Machine &m);
    void schedule(Machine &m);
    void lines(Machine &m);
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);

  private:
    bool calendar() const { return ctl13 & 0x20; }
    bool bcd() const { return ctl13 & 0x80; }
    uint64_t unit1() const; // ticks per count of RT1PS
    uint64_t unit() const;  // ticks per second or per count
    uint64_t interval(int k) const;
    uint8_t shown(int field) const;
    void second();
    bool alarmed() const;
    void restart(Machine &m);
    void control(Machine &m, uint32_t address, uint16_t value);
    void set_time(uint32_t address, int field, uint8_t value);
    uint16_t take_vector(Machine &m);
};

} // namespace sw
