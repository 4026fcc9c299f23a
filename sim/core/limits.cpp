// SPDX-License-Identifier: Apache-2.0
// How a run ends early: see limits.h.
//
// Modelled / Not modelled: see limits.h.
#include "machine.h"

namespace sw {

void Machine::nvm_reached() {
    if (n.writes[kFram] >= limits.write_cut) throw PowerCut{};
    nvm_stop = limits.write_cut;
    attention(); // leave at the boundary
}

bool Machine::limit_reached(Reason &why) const {
    if (n.instructions >= limits.instructions)
        why = Reason::Instructions;
    else if (n.writes[kFram] >= limits.write_pause)
        why = Reason::Writes;
    else if (limits.at_watch && watch_events.size() > limits.watch_from)
        why = Reason::Watch;
    else
        return false;
    return true;
}

Reason Machine::enter(const Op *until) {
    nvm_stop = limits.first_write();
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
