// SPDX-License-Identifier: Apache-2.0
// Registers and arithmetic of Timer_A and Timer_B (TI header msp430fr5994.h; SLAU367 Timer_A, Timer_B).
//
// Modelled / Not modelled: see timer.h.
#include "timer.h"
#include "machine.h"

namespace sw {

namespace {
constexpr uint16_t kIfg = 1, kIe = 2, kClear = 4;                                               // TAxCTL
constexpr uint16_t kCcIfg = 1, kCov = 2, kOut = 4, kCcIe = 16, kOutMod = 0x00E0, kCap = 0x0100; // TAxCCTLn
constexpr uint16_t kLatch = 0x0600; // TBxCCTLn.CLLD
constexpr Irq kFirst[6] = {Irq::Ta0, Irq::Ta1, Irq::Ta2, Irq::Ta3, Irq::Ta4, Irq::Tb0};
constexpr Irq kOthers[6] = {Irq::Ta0N, Irq::Ta1N, Irq::Ta2N, Irq::Ta3N, Irq::Ta4N, Irq::Tb0N};
// DMA trigger numbers by CCR0 and CCR2, 0: none (TI header msp430fr5994.h, DMA0TSEL).
constexpr uint8_t kTrigger0[6] = {1, 3, 5, 6, 9, 7};
constexpr uint8_t kTrigger2[6] = {2, 4, 0, 0, 0, 8};

const char *name(int id) {
    static const char *const names[6] = {"TA0", "TA1", "TA2", "TA3", "TA4", "TB0"};
    return names[id];
}

int trigger_of(int id, int k) {
    return k == 0 ? kTrigger0[id] : k == 2 ? kTrigger2[id] : 0;
}
} // namespace

bool Timer::running() const { // up and up/down with CCR0 = 0 stand still (SLAU367 Timer_A, mode control)
    return mode() != 0 && (mode() == 2 || ccr[0] != 0);
}

uint32_t Timer::place() const {
    return std::min(phase, period() - 1);
}

uint16_t Timer::counter() const {
    if (mode() != 3 || phase <= ccr[0]) return static_cast<uint16_t>(phase);
    return static_cast<uint16_t>(2u * ccr[0] - phase);
}

uint64_t Timer::until_compare(int k) const {
    uint32_t p = period(), at = place(), v = ccr[k];
    auto distance = [&](uint32_t target) -> uint64_t { return target > at ? target - at : target + p - at; };
    if (mode() == 2 || (mode() == 1 && v <= ccr[0])) return distance(v);
    if (mode() != 3 || v > ccr[0]) return kNever;
    if (k == 0) return distance(v);
    return std::min(distance(v % p), distance((p - v) % p)); // on the way up and on the way down
}

bool Timer::listens(const Machine &m, int k) const {
    return (cctl[k] & kCcIe) || m.dma.listens(trigger_of(id, k));
}

void Timer::sync(Machine &m) {
    if (!running()) return;
    uint64_t passed = (m.clocks.of(clock()).ticks(m.n.cycles) - anchor) / divider();
    if (passed == 0) return;
    anchor += passed * divider();
    for (int k = 0; k < channels; ++k) {
        if (until_compare(k) > passed) continue;
        int trigger = trigger_of(id, k);
        // a flag that triggers the DMA is cleared by it, unless its interrupt is enabled (SLAU367 DMA
        // triggers)
        if (!(cctl[k] & (kCcIe | kCcIfg)) && m.dma.listens(trigger))
            m.dma.trigger(m, trigger);
        else
            cctl[k] |= kCcIfg;
    }
    if (until_zero() <= passed) ctl |= kIfg;
    phase = static_cast<uint32_t>((place() + passed) % period());
    lines(m);
}

void Timer::schedule(Machine &m) {
    lines(m);
    uint64_t steps = kNever;
    if (running()) {
        for (int k = 0; k < channels; ++k)
            if (listens(m, k)) steps = std::min(steps, until_compare(k));
        if (ctl & kIe) steps = std::min(steps, until_zero());
    }
    Ev e = static_cast<Ev>(static_cast<int>(Ev::TA0) + id);
    m.schedule(e, steps == kNever ? kNever : m.clocks.of(clock()).cycle_of(anchor + steps * divider()));
}

void Timer::lines(Machine &m) {
    m.set_line(kFirst[id], (cctl[0] & (kCcIe | kCcIfg)) == (kCcIe | kCcIfg));
    bool others = (ctl & (kIe | kIfg)) == (kIe | kIfg);
    for (int k = 1; k < channels; ++k) others |= (cctl[k] & (kCcIe | kCcIfg)) == (kCcIe | kCcIfg);
    m.set_line(kOthers[id], others);
}

void Timer::accepted(Machine &m) {
    cctl[0] &= static_cast<uint16_t>(~kCcIfg);
    lines(m);
}

void Timer::restart(Machine &m) {
    anchor = m.clocks.of(clock()).ticks(m.n.cycles);
}

uint16_t Timer::take_vector(Machine &m) { // highest enabled flag; any access clears it
    uint16_t vector = 0;
    for (int k = 1; k < channels && !vector; ++k) {
        if ((cctl[k] & (kCcIe | kCcIfg)) != (kCcIe | kCcIfg)) continue;
        cctl[k] &= static_cast<uint16_t>(~kCcIfg);
        vector = static_cast<uint16_t>(2 * k);
    }
    if (!vector && (ctl & (kIe | kIfg)) == (kIe | kIfg)) {
        ctl &= static_cast<uint16_t>(~kIfg);
        vector = 0x0E;
    }
    lines(m);
    return vector;
}

uint16_t Timer::read(Machine &m, uint32_t address) {
    uint32_t reg = address & 0x3F;
    sync(m);
    if (reg == 0x00) return ctl;
    if (reg == 0x10) return counter();
    if (reg == 0x20) return ex0;
    if (reg == 0x2E) return take_vector(m);
    if (reg >= 0x02 && reg < 0x02u + 2 * channels) return cctl[(reg - 2) / 2];
    if (reg >= 0x12 && reg < 0x12u + 2 * channels) return ccr[(reg - 0x12) / 2];
    raise(FaultKind::Unmodelled, address, "%s has no register at 0x%05X", name(id), address);
}

void Timer::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    uint32_t reg = address & 0x3F;
    auto merge = [&](uint16_t old) { return static_cast<uint16_t>((old & ~lanes) | (value & lanes)); };
    sync(m);
    if (reg == 0x00) {
        uint16_t v = merge(ctl);
        int source = v >> 8 & 3;
        if ((v >> 4 & 3) && (source == 0 || source == 3))
            raise(FaultKind::Unmodelled, address,
                  "%sCTL = 0x%04X counts an external clock (TASSEL = %d), which is not modelled; use ACLK or "
                  "SMCLK",
                  name(id), v, source);
        if (id == 5 && (v & 0x7800))
            raise(FaultKind::Unmodelled, address,
                  "TB0CTL = 0x%04X: grouped latches and counters below 16 bits are not modelled", v);
        bool was = running();
        uint16_t count = counter();
        uint16_t old = ctl;
        ctl = static_cast<uint16_t>(v & 0x03F3);
        if (old >> 4 != ctl >> 4) phase = mode() == 3 ? std::min(count, ccr[0]) : count;
        if (v & kClear) phase = 0;
        if ((v & kClear) || !was || ((old ^ ctl) & 0x03C0)) restart(m);
    } else if (reg == 0x10) {
        phase = merge(counter());
        if (mode() == 3) phase = std::min<uint32_t>(phase, ccr[0]);
    } else if (reg == 0x20) {
        ex0 = static_cast<uint16_t>(merge(ex0) & 7);
        restart(m);
    } else if (reg == 0x2E) {
        take_vector(m);
    } else if (reg >= 0x02 && reg < 0x02u + 2 * channels) {
        int k = static_cast<int>((reg - 2) / 2);
        uint16_t v = merge(cctl[k]);
        if (v & (kCap | kOutMod | kOut | (id == 5 ? kLatch : 0)))
            raise(FaultKind::Unmodelled, address,
                  "%sCCTL%d = 0x%04X: capture, outputs and delayed latches are not modelled; compare only",
                  name(id), k, v);
        cctl[k] = static_cast<uint16_t>(v & ~kCov);
    } else if (reg >= 0x12 && reg < 0x12u + 2 * channels) {
        int k = static_cast<int>((reg - 0x12) / 2);
        bool was = running();
        uint16_t count = counter();
        bool down = mode() == 3 && phase > ccr[0];
        ccr[k] = merge(ccr[k]);
        if (k == 0 && mode() == 3) { // keep count and direction
            uint32_t top = ccr[0], at = std::min<uint32_t>(count, top);
            phase = down && at > 0 ? 2 * top - at : at;
        }
        if (!was && running()) restart(m);
    } else {
        raise(FaultKind::Unmodelled, address, "%s has no register at 0x%05X", name(id), address);
    }
    schedule(m);
}

} // namespace sw
