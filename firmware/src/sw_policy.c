// SPDX-License-Identifier: Apache-2.0
// The policy. Levels trade accuracy for energy, a missed request costs more than any level gains: first the
// reserve for requests to come, then the densest level whose price the store can pay. A full store turns away
// what comes in: where much does, a dense level is free whatever the reserve.
#include "sw_policy.h"

enum {
    FORGET_AFTER = 256,
    FORGET_SHIFT = 10,
    FORGET_MOST_SHIFT = 8,
    FORGET_HIGHEST_SHIFT = 12,
    DARKS = 4,
    TRIES_AFTER = 8,
    TRIAL_AFTER = 16,
    FAILURES = 5,
    FALLS = 2,
    FALL_SHIFT = 3
};

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

void sw_policy_start(const sw_policy_t *policy, sw_policy_state_t *state, sw_policy_note_t *note) {
    state->note = note;
    state->income = state->income_before = 0;
    state->stored = state->highest = state->spent = state->gain = state->rate = state->most = 0;
    state->drawdown = state->trough = state->deepest = state->deepest_before = 0;
    state->reserve = policy->full_nj;
    state->darks = state->full_for = state->falls = state->requests = 0;
}

// What became of the last inference that needed more than a full store. Power may fail anywhere here: then a
// trial counts twice at most.
static void judge(const sw_policy_t *policy, sw_policy_note_t *note, uint32_t stored) {
    if (note->trusted && (note->trial || !is_full(policy, stored))) SW_COMMIT(note->trusted, 0);
    if (!note->trial) return;
    if (note->failures < FAILURES) SW_COMMIT(note->failures, note->failures + 1);
    SW_COMMIT(note->trial, 0);
}

static int are_darks_known(const sw_policy_state_t *state) {
    return state->deepest_before != 0;
}

// A cloud says nothing about nights: the reserve is the deepest of the last four to eight darks. What took
// less than half of an inference is none.
static void end_of_dark(const sw_policy_t *policy, sw_policy_state_t *state) {
    uint32_t trough = state->trough;
    state->trough = 0;
    if (trough < policy->cost[policy->thrifty].energy_nj >> 1) return;
    state->most = state->falls = 0;
    if (state->deepest < trough) state->deepest = trough;
    if (++state->darks < DARKS) return;
    state->darks = 0;
    state->reserve = state->deepest > state->deepest_before ? state->deepest : state->deepest_before;
    state->deepest_before = state->deepest;
    state->deepest = 0;
}

void sw_policy_request(const sw_policy_t *policy, sw_policy_state_t *state, uint32_t stored_nj) {
    if (state->note) judge(policy, state->note, stored_nj);
    if (state->requests) {
        uint32_t need = policy->cost[policy->thrifty].energy_nj;
        state->gain = less(stored_nj + state->spent, state->stored);
        // Nothing was turned away; by the highest seen, since boards differ in what they call full.
        int whole = stored_nj < state->highest - (state->highest >> 8);
        if (whole || state->gain > state->rate) state->rate = state->gain;
        state->most -= state->most >> FORGET_MOST_SHIFT;
        if (state->gain >= state->most) {
            state->most = state->gain;
            state->falls = 0;
        } else if (whole && state->spent > with_margin(need) && state->falls < FALLS) {
            state->falls += state->gain < state->most - (state->most >> 4);
        }
        // A full store hides what came in, and ends a dark whatever it was.
        state->drawdown = is_full(policy, stored_nj)
                              ? 0
                              : smaller(less(state->drawdown + need, state->gain), policy->full_nj);
        if (state->drawdown) {
            if (state->trough < state->drawdown) state->trough = state->drawdown;
            if (state->reserve < state->trough) state->reserve = state->trough;
        } else {
            end_of_dark(policy, state);
            if (state->full_for > FORGET_AFTER) state->reserve -= state->reserve >> FORGET_SHIFT;
        }
        if (!is_full(policy, stored_nj))
            state->full_for = 0;
        else if (state->full_for < 0xFFFF)
            state->full_for++;
    }
    state->stored = stored_nj;
    state->highest -= state->highest >> FORGET_HIGHEST_SHIFT;
    if (state->highest < stored_nj) state->highest = stored_nj;
    state->spent = 0;
    if (state->requests < TRIES_AFTER) state->requests++;
}

static uint32_t switch_cost(const sw_policy_t *policy, uint16_t from, uint16_t to) {
    return from == to ? 0 : policy->switch_nj[from * policy->levels + to];
}

// A switch of resident levels takes some nanojoules: who goes back and forth need not reckon with it.
static int is_dear(const sw_policy_t *policy, uint32_t switch_nj) {
    return switch_nj > policy->cost[policy->thrifty].energy_nj >> 6;
}

// What must stay in the store at `level`; all of it while nobody knows how deep darks are here. A level whose
// switch costs can't be tried now and then: there it is also less after a long time without a dark.
static uint32_t kept(const sw_policy_t *policy, const sw_policy_state_t *state, uint16_t level) {
    uint32_t need = policy->cost[policy->thrifty].energy_nj;
    int is_tried = !is_dear(policy, switch_cost(policy, policy->thrifty, level));
    if (!are_darks_known(state) && (state->drawdown || is_tried)) return policy->full_nj;
    return state->reserve < need ? need : state->reserve;
}

// Is the store full enough for the price of `level`, at the next request?
static int pays(const sw_policy_t *policy, const sw_policy_state_t *state, uint32_t stored, uint32_t once,
                uint16_t level) {
    uint32_t full = policy->full_nj, reserve = kept(policy, state, level);
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

// Does so much come in that a full store is full again soon? A quarter more than the inference takes, so that
// the evening finds the store full. Before darks are known a full store may try: that shows what comes in.
// Where it falls, evening may be near, and the next try is far.
static int overflows(const sw_policy_t *policy, const sw_policy_state_t *state, uint32_t stored,
                     uint16_t level) {
    const sw_policy_cost_t *cost = &policy->cost[level];
    uint32_t wait =
        (cost->price >> 2) + (state->falls ? (uint32_t)TRIES_AFTER << FALL_SHIFT * state->falls : 0);
    if (!is_full(policy, stored)) return 0;
    if (!are_darks_known(state) && state->requests == TRIES_AFTER && state->full_for > wait) return 1;
    return state->rate >= cost->energy_nj + (cost->energy_nj >> 2);
}

static int affords(const sw_policy_t *policy, const sw_policy_state_t *state, uint32_t stored, uint16_t from,
                   uint16_t level) {
    uint32_t way = switch_cost(policy, from, level), once = policy->cost[level].energy_nj + way;
    uint32_t reserve = kept(policy, state, level);
    if (stored < with_margin(once)) return 0;
    if (!is_dear(policy, way) && overflows(policy, state, stored, level)) return 1;
    if (stored - once < reserve) return 0;
    // Where leaving costs, staying needs no more than the reserve.
    if (from == level && is_dear(policy, switch_cost(policy, level, policy->thrifty))) return 1;
    return pays(policy, state, stored, once, level) &&
           worth(policy, state, stored - once - reserve, from, level);
}

// Can a full store not finish it?
static int is_beyond(const sw_policy_t *policy, uint16_t level) {
    return with_margin(policy->cost[level].energy_nj) > policy->full_nj;
}

static int may_try(const sw_policy_t *policy, const sw_policy_state_t *state) {
    return state->note && is_full(policy, state->stored) &&
           state->full_for >= (uint32_t)TRIAL_AFTER << smaller(state->note->failures, FAILURES);
}

// Is `need` in before the next request, at the less of the last two measurements? Where they fall, they are
// taken to fall as much again.
static int comes_in(const sw_policy_state_t *state, uint32_t need, uint32_t left_us) {
    uint32_t now = state->income, before = state->income_before;
    uint32_t expected = before > now ? less(now, before - now) : before ? before : now;
    return expected && need / expected < left_us >> 10;
}

// Power will fail on the way, and what comes in must finish it in time. A request that is missed costs more
// than hundreds of answers at a denser level gain, so the whole inference and 1/8 more must come in before
// the next request: it finds a full store, and if it does not, that was the last time. At half of that the
// answer would still be in time. A level that is trusted goes on unless less was measured.
static int dares(const sw_policy_t *policy, const sw_policy_state_t *state, uint32_t stored, uint32_t left_us,
                 uint16_t level) {
    uint32_t need = policy->cost[level].energy_nj;
    if (!state->note || !is_full(policy, stored) || left_us == SW_POLICY_NO_DEADLINE) return 0;
    int enough = comes_in(state, need + (need >> 3), left_us);
    if (state->note->trusted == (uint32_t)level + 1) return !state->income || enough;
    return may_try(policy, state) && state->income && state->income_before && enough;
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
        if (is_beyond(policy, k) ? dares(policy, state, stored, left_us, k)
                                 : affords(policy, state, stored, level, k))
            return k;
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

void sw_policy_begin(const sw_policy_t *policy, const sw_policy_state_t *state, uint16_t level) {
    if (!state->note) return;
    if (state->note->trusted && state->note->trusted != level + 1) SW_COMMIT(state->note->trusted, 0);
    if (is_beyond(policy, level)) SW_COMMIT(state->note->trial, level + 1);
}

void sw_policy_done(const sw_policy_t *policy, sw_policy_state_t *state, uint16_t from, uint16_t level,
                    int in_time) {
    state->spent += policy->cost[level].energy_nj + switch_cost(policy, from, level);
    state->income_before = state->income;
    state->income = 0;
    if (!state->note || !state->note->trial || !in_time) return; // not in time: the next request judges
    SW_COMMIT(state->note->trusted, state->note->trial);
    SW_COMMIT(state->note->trial, 0);
}

int sw_policy_watches(const sw_policy_t *policy, const sw_policy_state_t *state) {
    if (!may_try(policy, state) && !(state->note && state->note->trusted)) return 0;
    for (uint16_t k = 0; k < policy->levels; k++)
        if (policy->cost[k].price != SW_POLICY_NEVER && is_beyond(policy, k)) return 1;
    return 0;
}

void sw_policy_watched(const sw_policy_t *policy, sw_policy_state_t *state, uint32_t from_nj, uint32_t to_nj,
                       uint32_t us) {
    uint32_t gained = less(to_nj, from_nj);
    if (is_full(policy, from_nj)) { // it was won back while the inference ran, which took this at least
        gained = less(policy->cost[policy->thrifty].energy_nj, policy->full_nj >> 5);
        us = policy->cost[policy->thrifty].latency_us;
    }
    if (us >> 10 == 0) return;
    state->income = gained / (us >> 10);
    if (state->income == 0) state->income = 1; // nothing comes in, and that is known
}
