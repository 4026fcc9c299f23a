// SPDX-License-Identifier: Apache-2.0
// The policy. Levels trade accuracy for energy, a missed request costs more than any level gains: first the
// reserve for requests to come, then the densest level whose price the store can pay.
#include "sw_policy.h"

enum { LEARN_SHIFT = 3, FORGET_SHIFT = 6, DARKS_KNOWN = 2, DWELL_SHIFT = 2 };

// A margin of 1/16 over measured energy: what an ADC's step and an unlike input may take.
static uint32_t with_margin(uint32_t nj) {
    return nj + (nj >> 4);
}

static uint32_t less(uint32_t a, uint32_t b) {
    return a > b ? a - b : 0;
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static int is_full(const sw_policy_t *policy, uint32_t stored) {
    return stored >= policy->full_nj - (policy->full_nj >> 5);
}

uint32_t sw_policy_energy(const sw_policy_t *policy, uint16_t supply_mv) {
    uint32_t square = (uint32_t)supply_mv * supply_mv >> 10;
    return less(square, policy->empty_mv2) * policy->scale >> policy->shift;
}

void sw_policy_start(const sw_policy_t *policy, sw_policy_state_t *state) {
    state->stored = state->spent = state->gain = state->drawdown = state->trough = 0;
    state->reserve = policy->full_nj;
    state->darks = state->run = state->known = 0;
    state->dwell = 1;
}

void sw_policy_request(const sw_policy_t *policy, sw_policy_state_t *state, uint32_t stored_nj) {
    if (state->known) {
        uint32_t need = policy->cost[policy->thrifty].energy_nj;
        state->gain = less(stored_nj + state->spent, state->stored);
        // A full store hides what came in, and ends a dark whatever it was.
        state->drawdown = is_full(policy, stored_nj)
                              ? 0
                              : smaller(less(state->drawdown + need, state->gain), policy->full_nj);
        if (state->drawdown) {
            if (state->trough < state->drawdown) state->trough = state->drawdown;
            if (state->reserve < state->trough) state->reserve = state->trough;
        } else {
            if (state->trough) {
                state->reserve -= (state->reserve - state->trough) >> LEARN_SHIFT;
                state->trough = 0;
                if (state->darks < 0xFFFF) state->darks++;
            }
            state->reserve -= state->reserve >> FORGET_SHIFT;
        }
    }
    state->stored = stored_nj;
    state->spent = 0;
    state->known = 1;
}

// What an inference at `level` costs when the switch to it pays over the stay that is usual.
static uint32_t spread(const sw_policy_t *policy, const sw_policy_state_t *state, uint16_t from,
                       uint16_t level) {
    uint32_t energy = policy->cost[level].energy_nj;
    uint32_t once = from == level ? 0 : policy->switch_nj[from * policy->levels + level];
    return once == 0 ? energy : energy + once / state->dwell;
}

static uint32_t at_once(const sw_policy_t *policy, uint16_t from, uint16_t level) {
    uint32_t energy = policy->cost[level].energy_nj;
    return from == level ? energy : energy + policy->switch_nj[from * policy->levels + level];
}

// Can the store spend `cost` and `cost_once` and keep what requests to come will need?
static int affords(const sw_policy_t *policy, const sw_policy_state_t *state, uint32_t stored, uint32_t once,
                   uint32_t cost, uint16_t price) {
    uint32_t full = policy->full_nj, need = policy->cost[policy->thrifty].energy_nj;
    if (stored < with_margin(once)) return 0;
    if (state->drawdown && state->darks < DARKS_KNOWN) return 0; // how deep this dark will be is not known
    uint32_t reserve = state->reserve < need ? need : state->reserve;
    if (stored - once < reserve) return 0;
    if (is_full(policy, stored)) return 1; // what comes in is lost anyway
    uint32_t next = smaller(less(stored + state->gain, cost), full);
    return less(next, reserve) >= (less(full, reserve) >> 8) * price;
}

static uint16_t propose(const sw_policy_t *policy, const sw_policy_state_t *state, uint16_t level,
                        uint32_t stored, uint32_t left_us) {
    uint16_t thrifty = policy->thrifty, late = 1;
    for (uint16_t k = policy->levels; k-- > 0;) {
        if (policy->cost[k].latency_us > left_us) continue;
        late = 0;
        if (k == thrifty || policy->cost[k].price == SW_POLICY_NEVER) continue;
        uint32_t once = at_once(policy, level, k), cost = spread(policy, state, level, k);
        if (affords(policy, state, stored, once, cost, policy->cost[k].price)) return k;
    }
    if (late) return SW_POLICY_LATE;
    // Down to the thrifty level only where that saves more than the switch costs, or where there is no
    // choice.
    if (level != thrifty && policy->cost[level].latency_us <= left_us &&
        spread(policy, state, level, thrifty) >= policy->cost[level].energy_nj &&
        stored >= with_margin(policy->cost[level].energy_nj))
        return level;
    if (policy->cost[thrifty].latency_us > left_us) return SW_POLICY_WAIT;
    return stored >= with_margin(at_once(policy, level, thrifty)) ? thrifty : SW_POLICY_WAIT;
}

uint16_t sw_policy_deadline(const sw_policy_t *policy, uint32_t left_us) {
    for (uint16_t k = policy->levels; k-- > 0;) {
        if (policy->cost[k].latency_us <= left_us && policy->cost[k].price != SW_POLICY_NEVER) return k;
    }
    return SW_POLICY_LATE;
}

uint16_t sw_policy_pick(const sw_policy_t *policy, const sw_policy_state_t *state, uint16_t level,
                        uint32_t stored_nj, uint32_t left_us) {
    uint16_t proposed = propose(policy, state, level, stored_nj, left_us);
    return policy->hook ? policy->hook(state, proposed) : proposed;
}

void sw_policy_done(const sw_policy_t *policy, sw_policy_state_t *state, uint16_t from, uint16_t level) {
    state->spent += at_once(policy, from, level);
    if (from != level) {
        // The usual stay follows what was seen; never below 1, it divides.
        uint16_t seen = state->run ? state->run : 1;
        state->dwell = (uint16_t)(state->dwell - (state->dwell >> DWELL_SHIFT) + (seen >> DWELL_SHIFT));
        if (state->dwell == 0) state->dwell = 1;
        state->run = 0;
    }
    if (state->run < 0x7FFF) state->run++;
}
