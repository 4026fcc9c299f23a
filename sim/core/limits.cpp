// SPDX-License-Identifier: Apache-2.0
// How a run ends early: see limits.h.
//
// Modelled / Not modelled: see limits.h.
#include "machine.h"

namespace sw {

uint64_t Machine::nvm_writes() const {
    return (limits.scope == NvmScope::External ? 0 : n.writes[kFram]) +
           (limits.scope == NvmScope::Chip ? 0 : external_writes);
}

// The limit as a count of on-chip writes, for the compare in `write`.
void Machine::arm_nvm(uint64_t at) {
    uint64_t others = limits.scope == NvmScope::All ? external_writes : 0;
    bool never = at == Limits::kNever || limits.scope == NvmScope::External;
    nvm_stop = never ? Limits::kNever : at > others ? at - others : 0;
}

void Machine::nvm_reached() {
    uint64_t now = nvm_writes();
    if (now >= limits.write_cut) throw PowerCut{};
    if (now >= limits.write_pause) attention(); // leave at the boundary
    arm_nvm(now >= limits.write_pause ? limits.write_cut : limits.first_write());
}

void Machine::external_written() {
    ++external_writes;
    if (limits.scope != NvmScope::Chip) nvm_reached();
}

bool Machine::limit_reached(Reason &why) const {
    if (n.instructions >= limits.instructions)
        why = Reason::Instructions;
    else if (nvm_writes() >= limits.write_pause)
        why = Reason::Writes;
    else if (limits.at_watch && watch_events.size() > limits.watch_from)
        why = Reason::Watch;
    else if (analog.mark_moved && analog.follower)
        why = Reason::Instructions;
    else
        return false;
    return true;
}

Reason Machine::enter(const Op *until) {
    arm_nvm(limits.first_write());
    limits.watch_from = watch_events.size();
    auto once = [&] { return profiling || tracing ? loop<true>(until) : loop<false>(until); };
    if (!limits.breakpoints.empty()) {
        bool at_one = limits.breaks_at(r[kPc]);
        uint64_t end = limit;
        if (at_one) { // leave it before the entries are emptied
            limit = n.cycles;
            Reason why = once();
            limit = end;
            if (why != Reason::Cycles || n.cycles >= end || limit_reached(why)) return why;
        }
        for (uint32_t address : limits.breakpoints)
            if (address < memory.size()) ops.data()[address >> 1].fn = nullptr;
        if (at_one && limits.breaks_at(r[kPc])) return Reason::Break;
    }
    return once();
}

void Machine::record(const Op *next) {
    TraceRecord entry{n.cycles, cs.time_s(n.cycles), {}};
    std::copy(r, r + 16, entry.r);
    entry.r[kPc] = pc_of(next);
    trace.push_back(entry);
}

void Machine::remove_watch(uint32_t address) { // the page stays on the slow path
    watches.erase(std::remove(watches.begin(), watches.end(), address & ~1u), watches.end());
}

} // namespace sw
