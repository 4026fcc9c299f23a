// SPDX-License-Identifier: Apache-2.0
// Which level the next inference should have: by stored energy, harvest, deadline and the cost of a switch.
//
// Of each request the application tells the energy that is stored; the policy learns from that how much comes
// in between two requests and how deep the store sinks while too little comes in. It never spends on a denser
// level what the sparsest will need until the dark is over. What was learned lies in SRAM and starts again,
// carefully, after each power failure. Only an inference that needs more than a full store, and so fails on
// the way, leaves a note in FRAM.
#ifndef SW_POLICY_H
#define SW_POLICY_H

#include "sw_platform.h"

#define SW_POLICY_WAIT 0xFFFF // not enough energy for any level: ask again at the next request
#define SW_POLICY_LATE 0xFFFE // no level meets the deadline any more
#define SW_POLICY_NO_DEADLINE 0xFFFFFFFF
#define SW_POLICY_NEVER 0xFFFF // price of a level that another one beats in energy and accuracy

typedef struct {
    uint32_t energy_nj;  // of one inference, with what the device needs around it
    uint32_t latency_us; // of one inference
    uint16_t price;      // how full the store must be for this level, of 256
} sw_policy_cost_t;

typedef struct sw_policy_state sw_policy_state_t;

// Made by `swtrain policy` from a measured report.
typedef struct {
    uint16_t levels;
    uint16_t thrifty;             // the level that needs least energy
    const sw_policy_cost_t *cost; // of each level
    const uint32_t *switch_nj;    // of the switch from level i to j: [i * levels + j]; 0: switching is free
    uint32_t full_nj;             // the store from empty (v_off) to full (v_max)
    uint32_t empty_mv2;           // v_off squared, in mV * mV / 1024
    uint16_t scale, shift;        // nJ = (mV * mV / 1024 - empty_mv2) * scale >> shift
    // May be 0. Takes the level that the policy proposes, or the two codes above, and returns another.
    uint16_t (*hook)(const sw_policy_state_t *state, uint16_t proposed);
} sw_policy_t;

extern const sw_policy_t sw_policy;

// In FRAM (SW_NVM), of levels that need more than the store holds. Each word is valid by itself; all 0 at
// first. Lost, it costs some requests at a sparser level.
typedef struct {
    uint16_t trusted;  // 1 + the level that was done in time by what came in meanwhile; 0: none
    uint16_t trial;    // 1 + the level that runs; 0: none does
    uint16_t failures; // trials that were not done in time; stops at a few
} sw_policy_note_t;

// Nanojoules unless another unit stands beside.
struct sw_policy_state {
    sw_policy_note_t *note;  // 0: nothing is started that the store can't finish
    uint32_t income;         // in 1.024 ms, as measured since the last inference; 0: unknown
    uint32_t income_before;  // since the one before
    uint32_t stored;         // at the last request
    uint32_t highest;        // of all requests, forgotten very slowly
    uint32_t spent;          // since the last request, by inferences
    uint32_t gain;           // what came in between the last two requests, as far as the store took it
    uint32_t rate;           // the same when it was last seen whole: a full store hides part of it
    uint32_t most;           // the highest gain since the last dark, forgotten slowly
    uint32_t drawdown;       // how far the sparsest level would have sunk the store since it last rose
    uint32_t trough;         // the deepest of this dark
    uint32_t deepest;        // of the last darks, up to four
    uint32_t deepest_before; // of the four before; 0: so many are not known yet
    uint32_t reserve;        // the deepest of all these, forgotten where the store is full for long
    uint16_t darks;          // whose depth `deepest` has
    uint16_t full_for;       // requests that found a full store, one behind the other; saturates
    uint16_t falls;          // dense inferences that found less coming in than `most`; saturates
    uint16_t requests;       // since start-up; saturates
};

// Energy above v_off at a supply voltage in millivolts.
uint32_t sw_policy_energy(const sw_policy_t *policy, uint16_t supply_mv);

// After each reset: nothing is known, so nothing is spent that the sparsest level might need.
void sw_policy_start(const sw_policy_t *policy, sw_policy_state_t *state, sw_policy_note_t *note);

// A request has come: learns. Once for each request.
void sw_policy_request(const sw_policy_t *policy, sw_policy_state_t *state, uint32_t stored_nj);

// The level for the request, from what is stored now and the time that is left; `level` is the present one.
// Changes nothing.
uint16_t sw_policy_pick(const sw_policy_t *policy, const sw_policy_state_t *state, uint16_t level,
                        uint32_t stored_nj, uint32_t left_us);

// The densest level that is done within `left_us`, whatever is stored; SW_POLICY_LATE: none is.
uint16_t sw_policy_deadline(const sw_policy_t *policy, uint32_t left_us);

// An inference at `level` begins; the request counts as taken. Ends the trust in another level that needs
// more than the store holds.
void sw_policy_begin(const sw_policy_t *policy, const sw_policy_state_t *state, uint16_t level);

// An inference is done: `from` is the level before the request, `level` the one that ran.
void sw_policy_done(const sw_policy_t *policy, sw_policy_state_t *state, uint16_t from, uint16_t level,
                    int in_time);

// Would it help to know what comes in? Then the application measures the store twice before the next request
// and says so to `sw_policy_watched`.
int sw_policy_watches(const sw_policy_t *policy, const sw_policy_state_t *state);

// The store had `from_nj`, and `to_nj` after `us` without an inference.
void sw_policy_watched(const sw_policy_t *policy, sw_policy_state_t *state, uint32_t from_nj, uint32_t to_nj,
                       uint32_t us);

#endif
