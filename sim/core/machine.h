// SPDX-License-Identifier: Apache-2.0
// The whole simulated device as one copyable value: CPU registers, memory, peripherals, counters.
//
// Modelled: 1 MB address space in 256-byte pages; SRAM, LEA RAM, FRAM, tiny RAM; uninitialised-read tracking
// of
//   volatile memory; interrupts by source and by vector index; time events; sleep; watches; per-function
//   profile.
// Not modelled: contents of boot ROM, arbitration between bus masters other than the DMA stall.
#pragma once

#include "adc12.h"
#include "analog.h"
#include "board.h"
#include "callgraph.h"
#include "comp.h"
#include "counters.h"
#include "crc16.h"
#include "crc32.h"
#include "cs.h"
#include "dma.h"
#include "eusci.h"
#include "events.h"
#include "faults.h"
#include "fram.h"
#include "irq.h"
#include "lea.h"
#include "limits.h"
#include "memory.h"
#include "mpu.h"
#include "mpy32.h"
#include "op.h"
#include "ref.h"
#include "reset.h"
#include "rtc.h"
#include "spi_fram.h"
#include "timer.h"
#include "wdt.h"
#include <string>
#include <vector>

namespace sw {

const char *peripheral_name(uint32_t address);

struct Gap { // registers that this device does not have, or that are not modelled on it
    uint32_t first, last;
    std::string name;
    bool there;
};

struct MemoryRange {
    Region region;
    uint32_t first, last; // inclusive, whole pages
};

struct WatchEvent {
    uint32_t address;
    uint16_t value;
    uint32_t pc;
    Counters counters; // at the end of the writing instruction or transfer
    double time_s;     // likewise
};

struct TraceRecord { // before an instruction
    uint64_t cycles;
    double time_s;
    uint32_t r[16]; // r[0]: its address
};

enum class Reason : int {
    Until = 0,
    Cycles = 1,
    Halt = 2,
    Fault = 3,
    Instructions = 4,
    Writes = 5,
    Break = 6,
    Watch = 7,
    Supply = 8,
    Asleep = 9
};

struct Machine {
    static constexpr uint32_t kRamEnd = 0x4000; // volatile memory lies below
    static constexpr uint32_t kTinyFirst = 0x06, kTinyLast = 0x1F;
    static constexpr uint32_t kSignatureFirst = 0xFF80, kSignatureLast = 0xFF8F;

    // --- hot state
    uint32_t r[16] = {}; // r[0] is the PC between runs; r[3] stays 0
    uint64_t stop_at = 0;
    uint64_t nvm_stop = ~0ull; // FRAM write that needs attention (limits.h)
    Counters n;
    Frctl frctl;
    const Op *op = nullptr; // instruction in execution, valid inside run()
    bool in_dma = false;
    bool gie_hold = false; // the instruction after EINT always executes
    Mpy32 mpy;
    uint8_t read_region[kPages];
    uint8_t write_region[kPages];
    uint8_t initialised[kRamEnd] = {}; // per byte of volatile memory
    Memory memory;                     // flat image up to the end of FRAM
    OpTable ops;

    // --- the rest of the device
    Cs cs;
    Dma dma;
    Lea lea;
    Wdt wdt;
    Board board;
    Mpu mpu;
    Clocks clocks;
    Events events;
    Timer timers[6];                      // TA0-TA4, TB0
    int compares[6] = {3, 3, 2, 2, 2, 7}; // registers of each (TI header msp430fr5994.h), or of its data file
    Eusci eusci[8];                       // A0-A3, B0-B3
    std::vector<SpiFram> spi_frams;
    uint64_t external_writes = 0; // bytes that external FRAMs stored
    std::vector<SerialByte> uart_log;
    Crc16 crc16;
    Crc32 crc32;
    Analog analog;
    Ref ref;
    Adc12 adc;
    Comp comp;
    Rtc rtc;
    Vectors vectors;
    std::vector<Gap> gaps;
    uint64_t lpm_rest[Counters::kModes] =
        {};               // of lpm_ns: parts of a nanosecond, so that slices of sleep sum up
    uint64_t pending = 0; // interrupts raised from outside, by vector index
    uint64_t lines = 0;   // interrupts that peripherals request, by vector index
    ResetCauses causes;
    ResetKind reset_due = ResetKind::None; // performed between two instructions
    bool violations_reset = false;         // passwords: reset as silicon does, instead of raising
    double lpm0_wake_ns = 0;               // ASSUMPTION lpm-wake: see sleep.cpp
    uint64_t limit = 0;
    Limits limits;
    bool dead = false; // power was cut inside an instruction: only a power cycle helps
    uint64_t random_state;
    bool allow_uninitialised = false;
    std::vector<MemoryRange> ranges;
    std::vector<uint32_t> watches;
    std::vector<WatchEvent> watch_events;
    size_t watch_open = 0; // events from this index on still need their counters
    bool profiling = false;
    std::vector<uint16_t> function_of; // per word of memory: profile slot
    std::vector<Counters> profile;
    uint16_t profile_slot = 0;
    Counters profile_mark;
    CallGraph calls;
    bool tracing = false;
    std::vector<TraceRecord> trace;
    Fault fault{FaultKind::None, 0, ""};

    Machine(const std::vector<MemoryRange> &map, uint64_t seed, bool allow_uninitialised);

    // --- control (machine.cpp, options.cpp)
    bool set_option(const std::string &name, double value); // false: no such option
    void reset(bool power_on);                              // from outside: loss of power, or the RST pin
    void reset(ResetKind kind);
    void forget();  // power on, with counters and time at zero
    void changed(); // a reset or a new MCLK, for limits.at_change
    void request_reset(ResetKind kind, int cause);
    void violation(uint32_t address, int cause, const char *format, unsigned value);
    Reason run(int64_t until, uint64_t max_cycles);
    void raise_interrupt(int index);
    void attention() { stop_at = 0; } // leave the fast path after this instruction
    void decode(Op *op);              // decode.cpp
    void schedule(Ev e, uint64_t cycle) {
        events.set(e, cycle);
        if (cycle < stop_at) stop_at = cycle;
    }
    void fire_due(); // events whose time has come
    bool nmi_pending() const {
        return ((pending | lines) & (vectors.bit(Irq::Unmi) | vectors.bit(Irq::Snmi))) != 0;
    }
    bool is_absent(uint32_t address) const; // a register that this device does not have (peripherals.cpp)
    void reschedule(); // clocks or listeners changed: every peripheral names its next event again
    void set_supply(double volts);
    bool wakes() const; // an interrupt or a reset is due: a sleeping CPU goes on
    double now_s() const { return cs.time_s(n.cycles); }
    uint64_t cycle_at(double time_s) const; // the first cycle not before that time, at the present clock
    void set_line(Irq source, bool on) {
        uint64_t bit = vectors.bit(source);
        if (SW_UNLIKELY(on && bit == 0)) no_vector(source);
        lines = on ? lines | bit : lines & ~bit;
        if (on) attention();
    }
    uint8_t spi_exchange(int bus, uint8_t out); // one byte on the wires
    void pins_changed();                        // chip selects, DMAE0
    void external_written();                    // an external FRAM has stored a byte (limits.cpp)
    uint64_t nvm_writes() const;                // those that limits count
    [[noreturn]] SW_COLD void no_vector(Irq source) const;
    int low_power_mode() const; // sleep.cpp: 0-4, 5: LPM3.5, 6: LPM4.5, of a sleeping CPU
    // Loss of power and back: SVSH reports it where it was enabled. Not counted: a supply books its charge.
    void brown_out(bool counted);
    void pass_time(double seconds);

    // --- host access: no cycles, no events (bus.cpp)
    void host_read(uint32_t address, uint8_t *out, uint32_t size) const;
    void host_write(uint32_t address, const uint8_t *data, uint32_t size);
    void add_watch(uint32_t address);
    void remove_watch(uint32_t address);
    void profile_enable(const std::vector<uint32_t> &starts); // sorted starts; slot i begins at starts[i]
    void profile_flush();

    void set_descriptors(uint32_t first, const uint8_t *data, uint32_t size); // read-only words

    // --- what the LEA does to the rest (bus.cpp)
    void lea_store(uint32_t address, uint16_t value); // a result; address is even and in LEA RAM
    void lea_stall(uint32_t cycles);
    void code_in_lea_ram(uint32_t first, uint32_t end); // decode again: code there may not run now

    // --- bus, as the CPU and the DMA see it
    template <Size S> uint32_t read(uint32_t a);
    template <Size S> void write(uint32_t a, uint32_t v);
    const Op *jump(uint32_t target);
    void fetch(const Op *o);
    void write_sr(uint32_t value); // value goes to R2; wakes the slow path when it matters

  private:
    friend struct Decoder;
    template <Size S> SW_NOINLINE uint32_t read_slow(uint32_t a);
    template <Size S> SW_NOINLINE void write_slow(uint32_t a, uint32_t v);
    SW_NOINLINE void fetch_slow(const Op *o);
    SW_COLD void read_fault(uint32_t a, bool word);
    SW_COLD void nvm_reached();
    void arm_nvm(uint64_t at);
    uint16_t peripheral_read(uint32_t address);
    void peripheral_write(uint32_t address, uint16_t value, uint16_t lanes);
    void invalidate(uint32_t address); // forget instructions that hold this word
    void log_write(uint32_t address);
    void randomise(uint32_t first, uint32_t last);
    template <bool Profiled> Reason loop(const Op *until);
    bool limit_reached(Reason &why) const;
    Reason enter(const Op *until);
    void record(const Op *next);
    const Op *service(const Op *next, bool started, Reason &why);
    bool dma_due() const;
    void settle(); // events and DMA that are due
    void fire(Ev e);
    void acknowledge(int index);
    bool sleep(Reason &why); // sleep.cpp
    bool deep() const;       // lpm5.cpp: asleep without the core supply
    uint64_t deep_sources() const;
    void enter_deep();
    bool leave_deep();
    bool sleep_deep(Reason &why);
    void wake_up();
    void pass(int mode, uint64_t cycles);
    bool keeps_awake(Ev e) const;
    int requested_by(Clk c) const;
    const Op *accept_interrupt(const Op *next, int index);
    int pending_interrupt() const;
    void close_watches();
    uint32_t pc_of(const Op *o) const { return static_cast<uint32_t>(o - ops.data()) * 2; }
    uint64_t next_random();

    void stall(uint32_t cycles) {
        n.cycles += cycles;
        n.wait_cycles += cycles;
    }
    static uint32_t load16(const uint8_t *p) { return static_cast<uint32_t>(p[0] | (p[1] << 8)); }
    static void store16(uint8_t *p, uint32_t v) {
        p[0] = static_cast<uint8_t>(v);
        p[1] = static_cast<uint8_t>(v >> 8);
    }
};

template <Size S> inline uint32_t Machine::read(uint32_t a) {
    if constexpr (S ==
                  Size::A) { // low word first; ASSUMPTION address-word: two 16-bit bus cycles in this order
        uint32_t low = read<Size::W>(a);
        return low | (read<Size::W>((a + 2) & kAddressMask) & 0xF) << 16;
    }
    uint8_t region = read_region[a >> kPageShift];
    const uint8_t *p = memory.data() + a;
    if (region <= kLeaRam) {
        bool known = S == Size::B ? initialised[a] != 0 : load16(initialised + a) == 0x0101 && !(a & 1);
        if (SW_UNLIKELY(!known)) read_fault(a, S == Size::W);
        ++n.reads[region];
        return S == Size::B ? *p : load16(p);
    }
    if (SW_LIKELY(region == kFram) && (S == Size::B || SW_LIKELY(!(a & 1)))) {
        ++n.reads[kFram];
        if (!frctl.cache.touch(a >> 3)) {
            ++n.read_misses;
            stall(frctl.nwaits);
        }
        return S == Size::B ? *p : load16(p);
    }
    return read_slow<S>(a);
}

template <Size S> inline void Machine::write(uint32_t a, uint32_t v) {
    if constexpr (S == Size::A) { // bits 31:20 of the memory operand are cleared
        write<Size::W>(a, v & 0xFFFF);
        write<Size::W>((a + 2) & kAddressMask, v >> 16);
        return;
    }
    uint8_t region = write_region[a >> kPageShift];
    uint8_t *p = memory.data() + a;
    if (region <= kLeaRam && (S == Size::B || SW_LIKELY(!(a & 1)))) {
        ++n.writes[region];
        if (S == Size::B) {
            *p = static_cast<uint8_t>(v);
            initialised[a] = 1;
        } else {
            store16(p, v);
            store16(initialised + a, 0x0101);
        }
        return;
    }
    if (region == kFram && (S == Size::B || SW_LIKELY(!(a & 1)))) {
        ++n.writes[kFram];
        frctl.cache.invalidate(a >> 3);
        stall(frctl.nwaits);
        if (S == Size::B)
            *p = static_cast<uint8_t>(v);
        else
            store16(p, v);
        if (SW_UNLIKELY(n.writes[kFram] >= nvm_stop)) nvm_reached();
        return;
    }
    write_slow<S>(a, v);
}

inline void Machine::fetch(const Op *o) {
    if (SW_LIKELY(o->region == kFram)) {
        n.fetch_words[kFram] += o->words;
        uint32_t line = o->line, last = line + o->straddle;
        const uint32_t *mru = frctl.cache.mru;
        if (SW_UNLIKELY((mru[line & 1] ^ line) | (mru[last & 1] ^ last))) fetch_slow(o);
    } else {
        n.fetch_words[o->region] += o->words;
    }
}

inline const Op *Machine::jump(uint32_t target) {
    if (SW_UNLIKELY((target & 1) || target >= memory.size()))
        raise(target & 1 ? FaultKind::Misaligned : FaultKind::Fetch, target,
              "jump to 0x%05X, which is not %s; look at the return address or table that held it", target,
              target & 1 ? "even" : "executable memory");
    return ops.data() + (target >> 1);
}

inline void Machine::write_sr(uint32_t value) {
    value &= kSrMask;
    if (value & ~r[kSr] & kGie) gie_hold = true;
    r[kSr] = value;
    if (SW_UNLIKELY(value & (kCpuOff | kGie))) {
        if ((value & kCpuOff) || (pending | lines) || dma.irq() || lea.irq(value)) attention();
    }
}

} // namespace sw
