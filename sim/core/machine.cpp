// SPDX-License-Identifier: Apache-2.0
// Life of the device: reset, the run loop, interrupts, sleep, profile.
//
// Modelled: interrupt acceptance in 6 cycles with PC[19:16] in bits 15:12 of the stacked SR and SR cleared
// except
//   SCG0 (SLAU367 1.3.4, 4.2); fixed priority by vector index; one instruction after EINT; time events.
//   Sleep: sleep.cpp. Not modelled: nesting rules of NMIs.
// ASSUMPTION reti-next: after RETI a pending interrupt is accepted at once, without an instruction in
// between.
#include "machine.h"

#include <algorithm>

namespace sw {

namespace {
constexpr Irq kTimerIrq[6] = {Irq::Ta0, Irq::Ta1, Irq::Ta2, Irq::Ta3, Irq::Ta4, Irq::Tb0};
}

Machine::Machine(const std::vector<MemoryRange> &map, uint64_t seed, bool allow)
    : random_state(seed), allow_uninitialised(allow), ranges(map) {
    std::fill(std::begin(read_region), std::end(read_region), static_cast<uint8_t>(kVacant));
    std::fill(std::begin(write_region), std::end(write_region), static_cast<uint8_t>(kSlow));
    uint32_t end = kRamEnd;
    for (const MemoryRange &range : ranges) {
        for (uint32_t p = range.first >> kPageShift; p <= range.last >> kPageShift; ++p) {
            read_region[p] = range.region;
            write_region[p] = static_cast<uint8_t>(range.region <= kFram ? range.region : kSlow);
        }
        if (range.region <= kFram) end = std::max(end, range.last + 1);
    }
    write_region[kSignatureFirst >> kPageShift] = kSlow;
    memory.assign(end, 0xFF);
    reset(ResetKind::Power);
}

uint64_t Machine::next_random() { // splitmix64
    uint64_t z = (random_state += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

void Machine::randomise(uint32_t first, uint32_t last) {
    uint8_t known = allow_uninitialised ? 1 : 0;
    for (uint32_t a = first; a <= last; a += 2) {
        uint64_t bits = next_random();
        memory[a] = static_cast<uint8_t>(bits);
        memory[a + 1] = static_cast<uint8_t>(bits >> 8);
        initialised[a] = initialised[a + 1] = known;
        invalidate(a);
    }
}

void Machine::forget() {
    n = Counters{};
    cs = Cs{};
    events = Events{};
    external_writes = 0;
    std::fill(std::begin(lpm_rest), std::end(lpm_rest), 0);
    uart_log.clear();
    for (Domain &d : clocks.domain) d = Domain{};
    reset(ResetKind::Power);
}

void Machine::reset(bool power_on) {
    ++n.resets;
    causes.add(power_on ? 0x02 : 0x04); // SYSRSTIV: brown-out, or the RST pin
    reset(power_on ? ResetKind::Power : ResetKind::Bor);
}

void Machine::reset(ResetKind kind) {
    if (kind == ResetKind::Power) {
        causes = ResetCauses{};
        causes.add(0x02);
    }
    if (kind >= ResetKind::Lpm5) {
        randomise(kTinyFirst, kTinyLast);
        for (const MemoryRange &range : ranges)
            if (range.region <= kLeaRam) randomise(range.first, range.last);
        for (uint32_t &reg : r) reg = static_cast<uint32_t>(next_random()) & kAddressMask;
    }
    reset_due = ResetKind::None;
    r[kSr] = 0;
    r[kCg] = 0;
    lines = 0;
    lea.reset(*this);
    frctl.reset();
    cs.reset(n.cycles);
    clocks.smclk_off = clocks.aclk_off = false;
    if (kind >= ResetKind::Bor) mpu.reset(*this);
    if (kind != ResetKind::Puc) {
        dma.reset();
        for (int i = 0; i < 6; ++i) timers[i].init(i, compares[i]);
    }
    mpy.reset();
    crc16 = Crc16{};
    crc32 = Crc32{};
    ref.reset();
    adc.reset();
    comp.reset();
    if (kind == ResetKind::Bor || kind == ResetKind::Power) rtc.reset();
    rtc.masked = kind == ResetKind::Lpm5;
    for (int i = 0; i < 8; ++i) eusci[i].reset(i);
    for (SpiFram &f : spi_frams)
        if (kind == ResetKind::Power) f.power_loss();
    board.reset(kind);
    pins_changed();
    clocks.update(*this);
    wdt.reset(*this);
    rtc.lines(*this);
    pending = 0;
    gie_hold = in_dma = dead = false;
    fault = Fault{FaultKind::None, 0, ""};
    r[kPc] = load16(memory.data() + 0xFFFE); // reset vector
}

void Machine::request_reset(ResetKind kind, int cause) {
    causes.add(cause);
    reset_due = std::max(reset_due, kind);
    attention();
}

// The energy meter looks again: the price or the length of a cycle is another one.
void Machine::changed() {
    if (!limits.at_change) return;
    limits.instructions = n.instructions;
    attention();
}

void Machine::violation(uint32_t address, int cause, const char *format, unsigned value) {
    if (!violations_reset) raise(FaultKind::Password, address, format, value);
    request_reset(ResetKind::Puc, cause);
}

void Machine::reschedule() {
    rtc.sync(*this);
    rtc.schedule(*this);
    if (deep()) return; // nothing else has a clock
    for (Timer &t : timers) {
        t.sync(*this);
        t.schedule(*this);
    }
    for (Eusci &e : eusci) e.schedule(*this);
    wdt.schedule(*this);
    adc.schedule(*this);
    comp.schedule(*this);
}

void Machine::fire(Ev e) {
    int i = static_cast<int>(e);
    if (e == Ev::Wdt) {
        wdt.expire(*this);
    } else if (e == Ev::Lea) {
        lea.catch_up(*this);
    } else if (e == Ev::Mpy) {
        dma.trigger(*this, Dma::kMpyTrigger);
    } else if (e == Ev::Adc) {
        adc.convert(*this);
    } else if (e == Ev::Rtc) {
        rtc.sync(*this);
        rtc.schedule(*this);
    } else if (e == Ev::Comp) {
        comp.update(*this);
    } else if (e >= Ev::TA0 && e <= Ev::TB0) {
        Timer &t = timers[i - static_cast<int>(Ev::TA0)];
        t.sync(*this);
        t.schedule(*this);
    } else if (e >= Ev::Tx0 && e <= Ev::Tx7) {
        eusci[i - static_cast<int>(Ev::Tx0)].sent(*this);
    } else if (e >= Ev::Rx0 && e <= Ev::Rx7) {
        eusci[i - static_cast<int>(Ev::Rx0)].received(*this);
    }
}

// DMA that is due goes before the next instruction, also when a run ends here. Channels may trigger each
// other for ever: then the run ends so many cycles late.
bool Machine::dma_due() const {
    constexpr uint64_t kEndless = 1 << 20;
    return dma.due(n.cycles) && n.cycles < limit + kEndless;
}

// Events and DMA that are due; a transfer takes time in which further events become due.
void Machine::settle() {
    fire_due();
    while (dma_due()) {
        dma.service(*this);
        close_watches();
        fire_due();
    }
}

void Machine::fire_due() {
    while (events.next <= n.cycles) {
        Ev e = events.first();
        events.set(e, kNever);
        fire(e);
    }
}

void Machine::no_vector(Irq source) const {
    raise(FaultKind::Unmodelled, 0,
          "interrupt source %s has no known vector on this device; name it in its data file",
          kIrqNames[static_cast<int>(source)]);
}

uint8_t Machine::spi_exchange(int bus, uint8_t out) {
    uint8_t in = 0xFF; // nobody drives the line
    for (SpiFram &f : spi_frams) {
        if (f.bus != bus || !f.selected) continue;
        uint16_t mode = eusci[bus].ctl & 0xE000; // CKPH, CKPL, MSB
        if (mode != 0xA000 && mode != 0x6000)
            raise(FaultKind::Unmodelled, 0,
                  "external FRAM on %s needs SPI mode 0 or 3, most significant bit first", eusci_name(bus));
        ++n.spi_fram_bytes;
        in = f.exchange(*this, out);
    }
    return in;
}

void Machine::pins_changed() {
    for (SpiFram &f : spi_frams) f.select(*this, !board.output(f.port, f.pin));
    dma.pin(*this, board.dma_trigger());
}

void Machine::raise_interrupt(int index) {
    pending |= 1ull << index;
}

// The flag of a source with a vector of its own clears when the interrupt is accepted.
void Machine::acknowledge(int index) {
    uint64_t bit = 1ull << index;
    pending &= ~bit;
    for (Timer &t : timers)
        if (bit == vectors.bit(kTimerIrq[t.id])) t.accepted(*this);
    if (bit == vectors.bit(Irq::Wdt)) {
        board.sfrifg &= static_cast<uint16_t>(~1u);
        board.lines(*this);
    }
}

int Machine::pending_interrupt() const {
    uint64_t all = pending | lines | (lea.irq(r[kSr]) ? vectors.bit(Irq::Lea) : 0) |
                   (dma.irq() ? vectors.bit(Irq::Dma) : 0);
    if (!(r[kSr] & kGie)) all &= vectors.bit(Irq::Unmi) | vectors.bit(Irq::Snmi);
    if (all == 0) return -1;
    int index = 63;
    while (!(all >> index & 1)) --index;
    return index;
}

const Op *Machine::accept_interrupt(const Op *next, int index) {
    uint32_t pc = pc_of(next);
    if (r[kSr] & kCpuOff) wake_up();
    n.cycles += 6;
    ++n.interrupts;
    acknowledge(index);
    r[kSp] = (r[kSp] - 2) & kAddressMask;
    write<Size::W>(r[kSp], pc & 0xFFFF);
    r[kSp] = (r[kSp] - 2) & kAddressMask;
    write<Size::W>(r[kSp], (r[kSr] & 0xFFF) | (pc >> 4 & 0xF000));
    r[kSr] &= kScg0;
    gie_hold = false;
    return jump(read<Size::W>(0xFF90 + 2 * static_cast<uint32_t>(index)));
}

void Machine::close_watches() {
    for (; watch_open < watch_events.size(); ++watch_open) {
        watch_events[watch_open].counters = n;
        watch_events[watch_open].time_s = cs.time_s(n.cycles);
    }
}

// Runs between two instructions when something may need attention. Returns nullptr to leave the loop.
const Op *Machine::service(const Op *next, bool started, Reason &why) {
    close_watches();
    for (;; started = true) {
        settle();
        if (reset_due != ResetKind::None) {
            if (reset_due >= ResetKind::Bor) {
                ++n.resets;
                changed();
            }
            reset(reset_due);
            next = jump(r[kPc]);
            break;
        }
        // before interrupts: what is pending stays pending for the next run
        if (started && n.cycles >= limit) {
            why = Reason::Cycles;
            return nullptr;
        }
        if (started && limit_reached(why)) return nullptr;
        if (deep()) { // interrupts wake it by a reset
            if (limits.at_sleep) {
                why = Reason::Asleep;
                return nullptr;
            }
            if (!leave_deep() && !sleep_deep(why)) return nullptr;
            continue;
        }
        if (gie_hold && !(r[kSr] & kCpuOff)) {
            gie_hold = false;
            stop_at = 0; // look again after one more instruction
            return next;
        }
        int index = pending_interrupt();
        if (index >= 0) {
            next = accept_interrupt(next, index);
            break;
        }
        if (!(r[kSr] & kCpuOff)) break;
        if (limits.at_sleep) {
            why = Reason::Asleep;
            return nullptr;
        }
        if (!sleep(why)) return nullptr; // else time has passed: look again
    }
    stop_at = std::min({limit, dma.next_event(), events.next, limits.next(n.cycles, n.instructions)});
    return next;
}

template <bool Profiled> Reason Machine::loop(const Op *until) {
    const Op *next = jump(r[kPc]);
    Reason why = Reason::Until;
    op = next;
    stop_at = 0;
    bool started = false;
    try {
        for (;;) {
            if (SW_UNLIKELY(n.cycles >= stop_at)) {
                const Op *after = service(next, started, why);
                if (!after) break;
                bool arrived = after == until && after != next; // an interrupt led here
                next = after;
                if (arrived) {
                    why = Reason::Until;
                    break;
                }
            }
            if (SW_UNLIKELY(!next->fn)) {
                if (started && limits.breaks_at(pc_of(next))) {
                    why = Reason::Break;
                    break;
                }
                op = next;
                decode(const_cast<Op *>(next));
            }
            started = true;
            op = next;
            if constexpr (Profiled) {
                if (profiling) {
                    uint16_t slot = function_of[static_cast<size_t>(next - ops.data())];
                    if (slot != profile_slot || calls.stack.empty()) {
                        profile_flush();
                        profile_slot = slot;
                        calls.arrive(slot, r[kSp]);
                    }
                }
                if (tracing) record(next);
            }
            ++n.instructions;
            n.cycles += next->cycles;
            fetch(next);
            next = next->fn(*this, next);
            if (SW_UNLIKELY(next == until)) {
                while (dma_due()) dma.service(*this); // the CPU is stalled before it gets here
                why = Reason::Until;
                break;
            }
        }
    } catch (const Fault &f) {
        fault = f;
        next = op;
        in_dma = false;
        why = Reason::Fault;
    } catch (const PowerCut &) {
        next = op;
        in_dma = false;
        dead = true;
        why = Reason::Writes;
    }
    lea.catch_up(*this);
    close_watches();
    r[kPc] = pc_of(next);
    return why;
}

Reason Machine::run(int64_t until, uint64_t max_cycles) {
    fault = Fault{FaultKind::None, 0, ""};
    if ((r[kPc] & 1) || r[kPc] >= memory.size()) {
        fault = Fault{FaultKind::Fetch, r[kPc],
                      "the PC does not point to executable memory; is the reset vector at 0xFFFE set?"};
        return Reason::Fault;
    }
    const Op *table = ops.reserve(memory.size() / 2 + 8); // a few entries behind the end fault when decoded
    limit = n.cycles + max_cycles < n.cycles ? ~0ull : n.cycles + max_cycles;
    const Op *stop = until < 0 ? nullptr : table + (until >> 1);
    if (dead) return Reason::Writes;
    Reason why = enter(stop);
    if (profiling) profile_flush();
    return why;
}

template Reason Machine::loop<false>(const Op *);
template Reason Machine::loop<true>(const Op *);

void Machine::profile_enable(const std::vector<uint32_t> &starts) {
    function_of.assign(memory.size() / 2 + 8, 0);
    for (size_t i = 0; i < starts.size(); ++i) {
        size_t end = i + 1 < starts.size() ? starts[i + 1] >> 1 : function_of.size();
        std::fill(function_of.begin() + (starts[i] >> 1), function_of.begin() + static_cast<long>(end),
                  static_cast<uint16_t>(i));
    }
    profile.assign(starts.size(), Counters{});
    profile_mark = n;
    profile_slot = 0;
    calls = CallGraph{};
    profiling = true;
}

void Machine::profile_flush() {
    Counters spent = delta(n, profile_mark);
    accumulate(profile[profile_slot], spent);
    calls.add(spent);
    profile_mark = n;
}

} // namespace sw
