// SPDX-License-Identifier: Apache-2.0
// Rates from the registers of CS (TI header msp430fr5994.h; SLAU367 CS chapter).
//
// Modelled / Not modelled: see clocks.h.
#include "clocks.h"
#include "machine.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sw {

void Domain::change(uint64_t now, uint64_t new_num, uint64_t new_den) {
    uint64_t d = now - base_cycle;
    uint64_t part = d % den * num + rest;
    base_tick += d / den * num + part / den;
    rest = part % den * new_den / den;
    base_cycle = now;
    num = new_num;
    den = new_den;
}

void Domain::skip(double ticks) {
    double whole = std::floor(ticks + static_cast<double>(rest) / static_cast<double>(den));
    double left = ticks + static_cast<double>(rest) / static_cast<double>(den) - whole;
    base_tick += static_cast<uint64_t>(whole);
    rest = std::min(den - 1, static_cast<uint64_t>(left * static_cast<double>(den)));
}

uint64_t Clocks::hz32(const Machine &m, Clk c) const {
    uint64_t mod = uint64_t{modosc_hz} * 32, lfmod = mod / 128;
    uint64_t lfxt = lfxt_hz ? uint64_t{lfxt_hz} * 32 : lfmod;
    uint64_t hfxt = hfxt_hz ? uint64_t{hfxt_hz} * 32 : mod;
    uint64_t vlo = uint64_t{vlo_hz} * 32;
    uint64_t dco = uint64_t{m.cs.dco_hz()} * 32;
    const uint16_t *ctl = m.cs.ctl;
    switch (c) {
    case Clk::Aclk: { // CSCTL2.SELA 10:8, CSCTL3.DIVA 10:8
        uint64_t source = (ctl[2] >> 8 & 7) == 0 ? lfxt : (ctl[2] >> 8 & 7) == 1 ? vlo : lfmod;
        return source >> (ctl[3] >> 8 & 7);
    }
    case Clk::Smclk: { // CSCTL2.SELS 6:4, CSCTL3.DIVS 6:4
        const uint64_t source[8] = {lfxt, vlo, lfmod, dco, mod, hfxt, 0, 0};
        return source[ctl[2] >> 4 & 7] >> (ctl[3] >> 4 & 7);
    }
    case Clk::Modclk: return mod;
    case Clk::Lfmodclk: return lfmod;
    case Clk::Lfxtclk: return uint64_t{lfxt_hz} * 32;
    default: return vlo;
    }
}

void Clocks::update(Machine &m) {
    uint64_t mclk = m.cs.mclk_hz32();
    for (int i = 0; i < static_cast<int>(Clk::Count); ++i) {
        Clk c = static_cast<Clk>(i);
        bool off = (c == Clk::Smclk && smclk_off) || (c == Clk::Aclk && aclk_off);
        uint64_t hz = hz32(m, c), common = std::gcd(hz, mclk);
        domain[i].change(m.n.cycles, off ? 0 : hz / common, mclk / common);
    }
    m.reschedule();
}

void Clocks::skip(Machine &m, double seconds) {
    for (int i = 0; i < static_cast<int>(Clk::Count); ++i)
        if (domain[i].num) domain[i].skip(seconds * static_cast<double>(hz32(m, static_cast<Clk>(i))) / 32);
    m.reschedule();
}

void Clocks::gate(Machine &m, bool smclk, bool aclk) {
    if (smclk == smclk_off && aclk == aclk_off) return;
    smclk_off = smclk;
    aclk_off = aclk;
    update(m);
}

} // namespace sw
