// SPDX-License-Identifier: Apache-2.0
// The members of every struct that is state, each listed once for both directions.
//
// SW_STATE binds the members of a struct by a structured binding, which must name all of them: a member that
// is added to a struct and not here does not compile ("only N names provided"). Order is that of declaration.
//
// Modelled / Not modelled: see snapshot.h.
#include "snapshot.h"
#include "machine.h"

#include <algorithm>

namespace sw {

#define SW_STATE(Type, ...)                                                                                  \
    template <class A> void visit(A &a, Type &state) {                                                       \
        auto &[__VA_ARGS__] = state;                                                                         \
        a(__VA_ARGS__);                                                                                      \
    }

// Derived from the rest, or valid inside run() only: a fresh machine has them right.
template <class A> void visit(A &, OpTable &) {}
template <class A> void visit(A &, const Op *&) {}
template <class A> void visit(A &, const Follower *&) {}

template <class A> void visit(A &a, Memory &memory) {
    if (count(a, memory.size()) != memory.size()) throw BadState("memory of another size");
    a.block(memory.data(), memory.size());
}

// clang-format off
SW_STATE(Counters, instructions, cycles, wait_cycles, fetch_words, fetch_misses, reads, read_misses, writes,
         dma_words, dma_cycles, interrupts, lpm_cycles, lpm_ns, wakeups, spi_bytes, spi_fram_bytes, resets, lea_commands,
         lea_stall_cycles, lea_cycles)
SW_STATE(Cache, mru, lru)
SW_STATE(Frctl, cache, nwaits, unlocked, gcctl0, gcctl1)
SW_STATE(Mpy32, result, op1, op2, mode, op1_32, op2_32, carry, upper_known, fractional, saturating, delayed,
         delayed_32, ready, low_written)
SW_STATE(Cs, unlocked, ctl, mclk_hz, base_s, base_cycles)
SW_STATE(Dma::Channel, ctl, size, source, destination, now_source, now_destination, left, latched)
SW_STATE(Dma, channel, select, control, requested, first, bursting, pin_high, awaited, resume_at)
SW_STATE(LeaConfig, accumulator, truncation, long_product, mpy_round, fir_round, fir_oor, oor_flag, highest_tie,
         stall_cycles, stack_bytes, refused, cost)
SW_STATE(LeaSpan, first, count, stride)
SW_STATE(LeaJob, code, n, m, mask, start, scale, in1, in2, out, block, spurious_oor)
SW_STATE(Lea, cnf0, cnf2, pmctl, pmdst, pms1, pms0, pmcb, cmdstat, mctl, ie, ifg, busy, ran_out, started_at,
         done_at, counted_to, job, page_write, code_ram, config)
SW_STATE(Wdt, ctl, touched, start, count)
SW_STATE(Board, sfrie, sfrifg, sfrrpcr, pmmctl0, pm5ctl0, pmmifg, pmm_unlocked, rcctl, sysctl, system_nmi,
         user_nmi, gpio, frozen, frozen_out, frozen_dir, driven, level)
SW_STATE(Mpu, ctl0, ctl1, segb2, segb1, sam, ipc0, ipsegb2, ipsegb1, unlocked, on)
SW_STATE(Domain, num, den, base_cycle, base_tick, rest)
SW_STATE(Clocks, vlo_hz, modosc_hz, lfxt_hz, hfxt_hz, smclk_off, aclk_off, domain)
SW_STATE(Events, at, next)
SW_STATE(Timer, id, channels, ctl, ex0, cctl, ccr, phase, anchor)
SW_STATE(Eusci, id, ctl, brw, mctl, stat, ie, ifg, rxbuf, txbuf, shift, arriving, tx_busy, tx_full, rx_busy,
         tx_end, rx_end, input)
SW_STATE(SpiFram, bus, port, pin, size, device_id, pages, status, selected, writable, asleep, ready_at, opcode,
         count, address)
SW_STATE(SerialByte, port, value, cycle, time_s)
SW_STATE(Crc16, data, result)
SW_STATE(Crc32, result, crc16)
SW_STATE(Level, volts, ratio)
SW_STATE(Analog, supply_v, temperature_c, follower, mark_moved, level, driven)
SW_STATE(Ref, settle_s, ctl, ready_s, on)
SW_STATE(Adc12, ctl, low, high, flags, enables, other_flags, other_enables, control, memory, busy, in_sequence, at,
         done_tick)
SW_STATE(Comp, ctl, interrupts, out, ready, mark)
SW_STATE(Rtc, unlocked, ctl0, ctl13, ps, time, year, alarm, count, converted, phase, anchor, masked)
SW_STATE(Gap, first, last, name, there)
SW_STATE(Vectors, of)
SW_STATE(MemoryRange, region, first, last)
SW_STATE(ResetCauses, pending)
SW_STATE(Limits, scope, instructions, write_pause, write_cut, watch_from, at_watch, at_sleep, at_change, breakpoints)
SW_STATE(WatchEvent, address, value, pc, counters, time_s)
SW_STATE(TraceRecord, cycles, time_s, r)
SW_STATE(Fault, kind, address, message)
SW_STATE(CallGraph::Node, parent, slot, counters)
SW_STATE(CallGraph::Frame, node, sp)
template <class A> void visit(A &, std::map<std::pair<int, uint16_t>, int> &) {} // from nodes: see below
SW_STATE(CallGraph, nodes, stack, children)
SW_STATE(Machine,
         r, stop_at, nvm_stop, n, frctl, op, in_dma, gie_hold, mpy, read_region, write_region, initialised, memory,
         ops,
         cs, dma, lea, wdt, board, mpu, clocks, events, timers, compares, eusci, spi_frams, external_writes, uart_log,
         crc16, crc32, analog, ref, adc, comp, rtc, vectors, gaps, lpm_rest, pending, lines, causes, reset_due,
         violations_reset, lpm0_wake_ns, limit, limits, dead, random_state,
         allow_uninitialised, ranges, watches, watch_events, watch_open, profiling, function_of, profile,
         profile_slot, profile_mark, calls, tracing, trace, fault)
// clang-format on

namespace {

void need(bool good, const char *what) {
    if (!good) throw BadState(what);
}

bool same(const MemoryRange &a, const MemoryRange &b) {
    return a.region == b.region && a.first == b.first && a.last == b.last;
}

bool same(const std::vector<MemoryRange> &a, const std::vector<MemoryRange> &b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](auto &x, auto &y) { return same(x, y); });
}

bool same(const std::vector<Gap> &a, const std::vector<Gap> &b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](auto &x, auto &y) {
               return x.first == y.first && x.last == y.last && x.name == y.name && x.there == y.there;
           });
}

// The regions of a device are its own; a page may be watched, hold code, belong to a running LEA command or
// be restricted by the MPU.
bool page_fits(uint8_t now, uint8_t home, bool writes) {
    return now == home || (writes && now == kSlow) || (home == kLeaRam && now == kLeaBusy) ||
           (home == kFram && now == kGuarded);
}

void check_pages(const Machine &m, const Machine &fresh) {
    for (uint32_t p = 0; p < kPages; ++p)
        need(page_fits(m.read_region[p], fresh.read_region[p], false) &&
                 page_fits(m.write_region[p], fresh.write_region[p], true),
             "a page of another device");
    for (uint8_t page : m.lea.page_write) need(page <= kLeaRam || page == kSlow, "LEA RAM");
}

void check_profile(Machine &m) {
    size_t slots = m.profile.size();
    if (m.profiling) {
        need(m.function_of.size() == m.memory.size() / 2 + 8 && m.profile_slot < slots, "profile");
        for (uint16_t slot : m.function_of) need(slot < slots, "profile");
    }
    m.calls.children.clear();
    for (size_t i = 0; i < m.calls.nodes.size(); ++i) {
        const CallGraph::Node &node = m.calls.nodes[i];
        need(node.parent >= -1 && node.parent < static_cast<int>(i) && node.slot < slots, "call graph");
        m.calls.children.insert({{node.parent, node.slot}, static_cast<int>(i)});
    }
    for (const CallGraph::Frame &frame : m.calls.stack)
        need(frame.node >= 0 && static_cast<size_t>(frame.node) < m.calls.nodes.size(), "call stack");
}

void check_parts(const Machine &m, const Machine &fresh) {
    for (int i = 0; i < 6; ++i)
        need(m.timers[i].id == i && m.timers[i].channels == fresh.timers[i].channels, "timer");
    for (int i = 0; i < 8; ++i) need(m.eusci[i].id == i, "serial interface");
    for (const SpiFram &f : m.spi_frams)
        need(f.bus < 8 && f.port >= 1 && f.port <= 9 && f.pin < 8 &&
                 (f.size == 0x80000 || f.size == 0x100000) && f.pages.size() == f.size / SpiFram::kPage,
             "external FRAM");
    for (const Domain &d : m.clocks.domain) need(d.den != 0, "clock");
    for (uint8_t v : m.vectors.of) need(v <= 54 || v == Vectors::kAbsent, "interrupt vector");
    for (uint32_t a : m.limits.breakpoints) need(!(a & 1) && a < m.memory.size(), "breakpoint");
    for (uint32_t a : m.watches) need(a <= kAddressMask, "watch");
    for (uint32_t value : m.r) need(value <= kAddressMask, "register");
    need(m.cs.mclk_hz != 0 && m.dma.requested < 1u << Dma::kChannels, "clock system or DMA");
    need(m.dma.first < Dma::kChannels && m.dma.bursting >= -1 && m.dma.bursting < Dma::kChannels, "DMA");
    need(m.rtc.time[5] >= 1 && m.rtc.time[5] <= 12, "RTC_C");
    need(m.adc.at < Adc12::kMemories, "ADC12_B");
    need(m.watch_open <= m.watch_events.size(), "watch log");
    need(!m.lea.busy || (m.lea.config && lea_command(m.lea.job.code)), "LEA command");
}

} // namespace

std::string save_state(const Machine &m) {
    Writer out;
    out(const_cast<Machine &>(m)); // one list for both directions; a writer changes nothing
    return out.take();
}

void load_state(Machine &m, const std::string &state) {
    const Machine fresh(m);
    Reader in(state);
    in(m);
    need(in.rest() == 0, "bytes behind the state");
    need(same(m.ranges, fresh.ranges) && same(m.gaps, fresh.gaps), "memory of another device");
    check_pages(m, fresh);
    check_parts(m, fresh);
    check_profile(m);
}

} // namespace sw
