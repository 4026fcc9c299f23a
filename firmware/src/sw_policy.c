// SPDX-License-Identifier: Apache-2.0
// The policy. Levels trade accuracy for energy, a missed request costs more than any level gains: first the
// reserve for requests to come, then the densest level whose price the store can pay. A full store turns away
// what comes in: where much does, a dense level is free whatever the reserve.
#include "sw_policy.h"

enum { LEARN_SHIFT = 3, FORGET_SHIFT = 10, DARKS_KNOWN = 2, FULL_FOR = 8 };

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
    state->stored = state->spent = state->gain = state->rate = state->drawdown = state->trough = 0;
    state->reserve = policy->full_nj;
    state->darks = state->full_for = state->known = 0;
}

void sw_policy_request(const sw_policy_t *policy, sw_policy_state_t *state, uint32_t stored_nj) {
    if (state->known) {
        uint32_t need = policy->cost[policy->thrifty].energy_nj;
        state->gain = less(stored_nj + state->spent, state->stored);
        if (state->gain > state->rate || !is_full(policy, stored_nj)) state->rate = state->gain;
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
        if (!is_full(policy, stored_nj))
            state->full_for = 0;
        else if (state->full_for < 0xFFFF)
            state->full_for++;
    }
    state->stored = stored_nj;
    state->spent = 0;
    state->known = 1;
}

static uint32_t switch_cost(const sw_policy_t *policy, uint16_t from, uint16_t to) {
    return from == to ? 0 : policy->switch_nj[from * policy->levels + to];
}

// A switch of resident levels takes some nanojoules: who goes back and forth need not reckon with it.
static int is_dear(const sw_policy_t *policy, uint32_t switch_nj) {
    return switch_nj > policy->cost[policy->thrifty].energy_nj >> 6;
}

// What must stay in the store; all of it while nobody knows how deep this dark will be.
static uint32_t kept(const sw_policy_t *policy, const sw_policy_state_t *state) {
    uint32_t need = policy->cost[policy->thrifty].energy_nj;
    if (state->drawdown && state->darks < DARKS_KNOWN) return policy->full_nj;
    return state->reserve < need ? need : state->reserve;
}

// Is the store full enough for the price of `level`, at the next request?
static int pays(const sw_policy_t *policy, const sw_policy_state_t *state, uint32_t stored, uint32_t once,
                uint16_t level) {
    uint32_t full = policy->full_nj, reserve = kept(policy, state);
    if (is_full(policy, stored)) return 1; // what comes in is lost anyway
    uint32_t next = smaller(less(stored + state->gain, once), full);
    return less(next, reserve) >= (less(full, reserve) >> 8) * policy->cost[level].price;
}

// Will the stay at `level` be long enough that it spends more than the way there and back?
static int worth(const sw_policy_t *policy, const sw_policy_state_t *state, uint32_t spare, uint16_t from,
                 uint16_t level) {
    uint32_t way = switch_cost(policy, from, level) + switch_cost(policy, level, from);
    uint32_t more = less(policy->cost[level].energy_nj, policy->cost[from].energy_nj);
    uint32_t drain = less(policy->cost[level].energy_nj, state->gain);
    if (way == 0 || more == 0 || drain == 0) return 1;
    return spare / drain >= way / more;
}

// Does so much come in that a full store is full again soon? It must be more than twice what the thrifty
// level needs, so that the evening finds the store full; or nobody knows, because it has been full for long:
// then a dense inference shows it.
static int overflows(const sw_policy_t *policy, const sw_policy_state_t *state, uint32_t stored,
                     uint16_t level) {
    uint32_t need = policy->cost[policy->thrifty].energy_nj;
    const sw_policy_cost_t *cost = &policy->cost[level];
    if (!is_full(policy, stored)) return 0;
    if (state->full_for >= FULL_FOR + (cost->price >> 2)) return 1;
    return state->rate >= (cost->price ? cost->energy_nj : 2 * need + (need >> 2));
}

static int affords(const sw_policy_t *policy, const sw_policy_state_t *state, uint32_t stored, uint16_t from,
                   uint16_t level) {
    uint32_t way = switch_cost(policy, from, level), once = policy->cost[level].energy_nj + way;
    uint32_t reserve = kept(policy, state);
    if (stored < with_margin(once)) return 0;
    if (!is_dear(policy, way) && overflows(policy, state, stored, level)) return 1;
    if (stored - once < reserve) return 0;
    // Where leaving costs, staying needs no more than the reserve.
    if (from == level && is_dear(policy, switch_cost(policy, level, policy->thrifty))) return 1;
    return pays(policy, state, stored, once, level) &&
           worth(policy, state, stored - once - reserve, from, level);
}

static uint16_t propose(const sw_policy_t *policy, const sw_policy_state_t *state, uint16_t level,
                        uint32_t stored, uint32_t left_us) {
    uint16_t thrifty = policy->thrifty, late = 1;
    if (stored < with_margin(policy->cost[thrifty].energy_nj))
        return SW_POLICY_WAIT; // the quick way in a dark
    for (uint16_t k = policy->levels; k-- > 0;) {
        const sw_policy_cost_t *cost = &policy->cost[k];
        if (cost->latency_us > left_us) continue;
        late = 0;
        if (k == thrifty || cost->price == SW_POLICY_NEVER) continue;
        if (affords(policy, state, stored, level, k)) return k;
    }
    if (late) return SW_POLICY_LATE;
    const sw_policy_cost_t *least = &policy->cost[thrifty], *present = &policy->cost[level];
    if (least->latency_us <= left_us &&
        stored >= with_margin(least->energy_nj + switch_cost(policy, level, thrifty)))
        return thrifty;
    // The way to the thrifty level may cost more than to stay once more.
    return present->latency_us <= left_us && stored >= with_margin(present->energy_nj) ? level
                                                                                       : SW_POLICY_WAIT;
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
    state->spent += policy->cost[level].energy_nj + switch_cost(policy, from, level);
}
