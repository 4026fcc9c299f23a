// SPDX-License-Identifier: Apache-2.0
// Conversions of ADC12_B (SLAU367 ADC12_B chapter): times, results, sequences, the window comparator.
//
// Modelled / Not modelled: see adc12.h. Registers: adc12_registers.cpp.
#include "adc12.h"
#include "machine.h"

#include <cmath>

namespace sw {

namespace {
constexpr uint16_t kEnc = 2, kOn = 0x10, kMsc = 0x80; // ADC12CTL0
constexpr uint16_t kEos = 0x80, kWindow = 0x4000;     // ADC12MCTLx
constexpr uint16_t kInside = 2, kBelow = 4, kAbove = 8, kOverflow = 0x10, kTiming = 0x20, kReference = 0x40;
constexpr uint32_t kSample[16] = {4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 0, 0, 0, 0, 0};
constexpr uint32_t kPredivider[4] = {1, 4, 32, 64};
constexpr int kDmaTrigger = 26; // DMAxTSEL: ADC12 end of conversion
} // namespace

Clk Adc12::clock() const { // ADC12SSEL
    constexpr Clk source[4] = {Clk::Modclk, Clk::Aclk, Clk::Smclk, Clk::Smclk};
    return source[ctl[1] >> 3 & 3];
}

void Adc12::trigger(Machine &m, uint32_t address) {
    if (!(ctl[0] & kOn) || !(ctl[0] & kEnc))
        raise(FaultKind::Unmodelled, address,
              "ADC12SC set with ADC12CTL0 = 0x%04X: nothing would be converted; set ADC12ON and ADC12ENC",
              ctl[0]);
    if (busy) {
        other_flags |= kTiming; // ADC12TOVIFG
        return lines(m);
    }
    if (!in_sequence) at = ctl[3] & 0x1F;
    in_sequence = (mode() & 1) != 0;
    start(m);
}

void Adc12::start(Machine &m) {
    // ADC12SHT0 for ADC12MEM0-7 and 24-31, ADC12SHT1 for 8-23 (SLAU367 ADC12CTL0)
    int hold = at >= 8 && at <= 23 ? ctl[0] >> 12 & 0xF : ctl[0] >> 8 & 0xF;
    if (kSample[hold] == 0)
        raise(FaultKind::Unmodelled, 0x800, "ADC12SHT = %d is reserved; choose 0 to 10 (4 to 512 clocks)",
              hold);
    busy = true;
    input_v(m); // raises now, at the instruction that starts it, where the input is not driven
    m.ref.update(m);
    uint64_t from = m.n.cycles;
    if (uses_reference()) {
        if (!m.ref.ready(m)) from = m.cycle_at(m.ref.ready_s);
        other_flags |= kReference;
    }
    uint64_t divider = kPredivider[ctl[1] >> 13 & 3] * ((ctl[1] >> 5 & 7) + 1u);
    uint64_t clocks = 1 + kSample[hold] + 10u + 2u * (ctl[2] >> 4 & 3);
    done_tick = m.clocks.of(clock()).ticks(from) + clocks * divider;
    schedule(m);
    lines(m);
}

void Adc12::schedule(Machine &m) {
    m.schedule(Ev::Adc, busy ? m.clocks.of(clock()).cycle_of(done_tick) : kNever);
}

double Adc12::input_v(Machine &m) const {
    int channel = control[at] & 0x1F;
    double supply = m.analog.supply(m);
    if (channel == 31 && (ctl[3] & 0x40)) return supply / 2; // ADC12BATMAP
    if (channel == 30 && (ctl[3] & 0x80)) {                  // ADC12TCMAP
        if (m.ref.ctl & 8)
            raise(FaultKind::Unmodelled, 0x1B0,
                  "the temperature sensor is converted while REFTCOFF is set; clear it");
        return 0.700 + 2.5e-3 * (m.analog.temperature_c - 30.0);
    }
    if (!m.analog.has(Analog::kAdc, channel))
        raise(FaultKind::Unmodelled, 0x820 + 2u * at,
              "ADC12MCTL%d selects A%d, which nobody drives; call set_analog(\"A%d\", ...), or map AVCC / 2 "
              "or the "
              "temperature sensor (ADC12CTL3)",
              at, channel, channel);
    return m.analog.level[Analog::kAdc][channel].at(supply);
}

// N = 2^bits * (Vin + LSB / 2 - VR-) / (VR+ - VR-), VR- = AVSS (SLAU367 ADC12_B, 12-bit ADC core)
void Adc12::convert(Machine &m) {
    double full = uses_reference() ? m.ref.volts() : m.analog.supply(m);
    double codes = static_cast<double>(1 << bits());
    double n = std::floor(codes * input_v(m) / full + 0.5);
    busy = false;
    store(m, static_cast<uint16_t>(std::min(std::max(n, 0.0), codes - 1)));
    next(m);
    m.ref.update(m);
    lines(m);
}

void Adc12::store(Machine &m, uint16_t value) {
    if (flags >> at & 1) other_flags |= kOverflow;
    memory[at] = value;
    flags |= 1u << at;
    if (control[at] & kWindow) other_flags |= value > high ? kAbove : value < low ? kBelow : kInside;
    bool last = !(mode() & 1) || (control[at] & kEos); // of a sequence: its last conversion triggers
    if (last) m.dma.trigger(m, kDmaTrigger);
}

void Adc12::next(Machine &m) {
    bool repeat = mode() >= 2, end = !(mode() & 1) || (control[at] & kEos);
    if (!end) {
        at = (at + 1) % kMemories;
    } else {
        in_sequence = false;
        if (!repeat || !(ctl[0] & kEnc)) return;
        at = ctl[3] & 0x1F;
        in_sequence = mode() == 3;
    }
    if (ctl[0] & kMsc) start(m);
}

void Adc12::lines(Machine &m) {
    m.set_line(Irq::Adc, (flags & enables) != 0 || (other_flags & other_enables) != 0);
}

// ADC12OVIFG, TOVIFG, HIIFG, LOIFG, INIFG, ADC12IFG0-31, RDYIFG. Reading clears all but ADC12IFGx, which
// reading the result clears.
uint16_t Adc12::take_vector(Machine &m) {
    constexpr uint16_t first[5] = {kOverflow, kTiming, kAbove, kBelow, kInside};
    uint16_t due = other_flags & other_enables;
    for (int i = 0; i < 5; ++i) {
        if (!(due & first[i])) continue;
        other_flags &= static_cast<uint16_t>(~first[i]);
        lines(m);
        return static_cast<uint16_t>(2 * (i + 1));
    }
    for (int i = 0; i < kMemories; ++i)
        if (flags & enables & (1u << i)) return static_cast<uint16_t>(0x0C + 2 * i);
    if (!(due & kReference)) return 0;
    other_flags &= static_cast<uint16_t>(~kReference);
    lines(m);
    return 0x4C;
}

} // namespace sw
