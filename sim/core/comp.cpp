// SPDX-License-Identifier: Apache-2.0
// CECTL0 8C0: CEIPSEL 3:0, CEIPEN 7, CEIMSEL 11:8, CEIMEN 15. CECTL1 8C2: CEOUT 0, CEOUTPOL 1, CEF 2, CEIES
// 3, CESHORT 4, CEEX 5, CEON 10, CEMRVL 11, CEMRVS 12. CECTL2 8C4: CEREF0 4:0, CERSEL 5, CERS 7:6, CEREF1
// 12:8, CEREFL 14:13. CECTL3 8C6: port disable. CEINT 8CC: CEIFG 0, CEIIFG 1, CERDYIFG 4, enables 8 bits
// above. CEIV 8CE (TI header msp430fr6989.h, COMP_E; addresses SLAU367 COMP_E register table).
//
// Modelled / Not modelled: see comp.h.
#include "comp.h"
#include "machine.h"

namespace sw {

namespace {
constexpr uint16_t kOut = 1, kPolarity = 2, kEdge = 8, kShort = 0x10, kMrvl = 0x0800, kMrvs = 0x1000;
constexpr uint16_t kIfg = 1, kIifg = 2, kRdy = 0x10;
} // namespace

bool Comp::uses_reference() const {
    return on() && (ctl[2] >> 6 & 3) >= 2 && (ctl[2] >> 13 & 3) != 0;
}

// CEEX exchanges the terminals and inverts the output: together no change (SLAU367 COMP_E, CEEX).
bool Comp::terminals(const Machine &m, Level &plus, Level &minus) const {
    bool have[2] = {};
    Level *side[2] = {&plus, &minus};
    int source = ctl[2] >> 6 & 3, level = ctl[2] >> 13 & 3;
    int tap = (ctl[1] & kMrvs ? (ctl[1] & kMrvl) != 0 : out) ? ctl[2] >> 8 & 0x1F : ctl[2] & 0x1F;
    double part = (tap + 1) / 32.0;
    if (source == 1 || (source >= 2 && level != 0)) {
        int to = ctl[2] >> 5 & 1; // CERSEL: 0 feeds V+, 1 feeds V-
        double volts = Ref::of_level(level - 1);
        *side[to] = source == 1 ? Level{0, part} : source == 2 ? Level{volts * part, 0} : Level{volts, 0};
        have[to] = true;
    }
    for (int k = 0; k < 2; ++k) {
        int field = ctl[0] >> (8 * k);
        if (!(field & 0x80) || !m.analog.has(Analog::kComp, field & 0xF)) continue;
        *side[k] = m.analog.level[Analog::kComp][field & 0xF];
        have[k] = true;
    }
    return have[0] && have[1];
}

void Comp::update(Machine &m) {
    m.ref.update(m);
    bool was_ready = ready, was = out;
    Level plus, minus;
    bool closed = on() && terminals(m, plus, minus);
    ready = on() && (!uses_reference() || m.ref.ready(m));
    for (int k = 0; k < 2; ++k) { // the output may choose the other tap, which may confirm or oppose it
        double v = m.analog.supply(m);
        out = closed && ready && (plus.at(v) > minus.at(v)) != ((ctl[1] & kPolarity) != 0);
        if (closed) terminals(m, plus, minus);
    }
    if (ready && !was_ready) interrupts |= kRdy;
    if (out != was) interrupts |= out != ((ctl[1] & kEdge) != 0) ? kIfg : kIifg;
    lines(m);
    schedule(m);
    double now = threshold(m);
    if (now != mark && m.analog.follower) { // ends a metered run: its budget was cut for the old level
        m.analog.mark_moved = true;
        m.attention();
    }
    mark = now;
}

double Comp::threshold(const Machine &m) const {
    Level plus, minus;
    if (!ready || !terminals(m, plus, minus) || plus.ratio == minus.ratio) return 0;
    double v = (minus.volts - plus.volts) / (plus.ratio - minus.ratio);
    return v > 0 ? v : 0;
}

void Comp::schedule(Machine &m) {
    m.schedule(Ev::Comp, uses_reference() && !ready ? m.cycle_at(m.ref.ready_s) : kNever);
}

void Comp::lines(Machine &m) {
    m.set_line(Irq::Comp, interrupts >> 8 & interrupts & (kIfg | kIifg | kRdy));
}

uint16_t Comp::take_vector(Machine &m) {
    int due = interrupts >> 8 & interrupts;
    uint16_t flag = due & kIfg ? kIfg : due & kIifg ? kIifg : due & kRdy ? kRdy : 0;
    interrupts &= static_cast<uint16_t>(~flag);
    lines(m);
    return flag == kIfg ? 2 : flag == kIifg ? 4 : flag == kRdy ? 0x0A : 0;
}

uint16_t Comp::read(Machine &m, uint32_t address) {
    uint32_t reg = address & 0xF;
    update(m); // the supply may have moved
    if (reg == 2) {
        Level plus, minus;
        if (on() && !terminals(m, plus, minus))
            raise(FaultKind::Unmodelled, address,
                  "COMP_E is on and a terminal is open (CECTL0 = 0x%04X, CECTL2 = 0x%04X); drive the channel "
                  "with "
                  "set_analog, or connect the reference",
                  ctl[0], ctl[2]);
        return static_cast<uint16_t>(ctl[1] | (out ? kOut : 0));
    }
    if (reg <= 6) return ctl[reg / 2];
    if (reg == 0xC) return interrupts;
    if (reg == 0xE) return take_vector(m);
    raise(FaultKind::Unmodelled, address, "COMP_E has no register at 0x%05X", address);
}

void Comp::write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes) {
    uint32_t reg = address & 0xF;
    auto merge = [&](uint16_t old) { return static_cast<uint16_t>((old & ~lanes) | (value & lanes)); };
    if (reg <= 6) {
        uint16_t v = merge(ctl[reg / 2]);
        if (reg == 2 && (v & kShort)) raise(FaultKind::Unmodelled, address, "CESHORT is not modelled");
        ctl[reg / 2] = reg == 2 ? static_cast<uint16_t>(v & ~kOut) : v;
    } else if (reg == 0xC) {
        interrupts = merge(interrupts) & 0x1313;
    } else if (reg == 0xE) {
        take_vector(m);
    } else {
        raise(FaultKind::Unmodelled, address, "COMP_E has no register at 0x%05X", address);
    }
    update(m);
}

} // namespace sw
