// SPDX-License-Identifier: Apache-2.0
// Voltages that the device measures: its supply, and analog inputs that the host drives.
//
// Modelled: one supply voltage (DVCC = AVCC), constant or followed along a capacitor while a
//   metered run spends its energy (`Follower`); channels A0-A31 of ADC12_B and C0-C15 of COMP_E as
//   volts + ratio * supply, so that a divider from the supply is an input too.
//
// Not modelled: noise, source resistance, leakage, which pin a channel lies on.
//
// ASSUMPTION analog-current: REF_A, ADC12_B and COMP_E draw no current of their own in the energy
// books; the Fused project gives 296 uA for the whole chip while its ADC is on.
#pragma once

#include "types.h"

namespace sw {

struct Machine;

// volts + ratio * supply
struct Level {
    double volts = 0, ratio = 0;
    double at(double supply_v) const { return volts + ratio * supply_v; }
};

// Knows the supply voltage at any instant of a run.
struct Follower {
    virtual ~Follower() = default;
    virtual double supply_v(const Machine &m) const = 0;
};

struct Analog {
    static constexpr int kAdc = 0, kComp = 1, kChannels = 32;
    double supply_v = 3.0;
    double temperature_c = 25.0;
    const Follower *follower = nullptr; // set only while a run lasts, never part of the state
    bool mark_moved = false;            // the level at which COMP_E changes is another: look again
    Level level[2][kChannels];
    uint32_t driven[2] = {}; // bit per channel

    double supply(const Machine &m) const { return follower ? follower->supply_v(m) : supply_v; }
    bool has(int kind, int channel) const { return driven[kind] >> channel & 1; }
    void drive(int kind, int channel, Level v) {
        level[kind][channel] = v;
        driven[kind] |= 1u << channel;
    }
};

} // namespace sw
