// SPDX-License-Identifier: Apache-2.0
// Low-Energy Accelerator LEA, base 0x0A80: registers and life of a command. What commands compute and cost is
// the table in sim/LEA.md.
//
// Modelled: LEACAP, LEACNF0-2, LEAMB, LEAMT, code window (ROM checksum of revision B, code RAM as storage),
//   LEACMDSTAT, shadow registers, LEAPM*, LEAIFG/IE/IV/IFGSET, vector 18; one command at a time beside the
//   CPU, in active mode and LPM0; results appear at completion; illegal use raises.
// Not modelled (raise): SUSPEND, RESUME, timer and fault unit, explicit result update (ITFLG0), LEATRG,
//   programs in code RAM, commands that lea_commands.cpp does not list.
// ASSUMPTION lea-spec: commands compute what sim/LEA.md says under the chosen options.
// ASSUMPTION lea-trigger: writing the low word of LEAPMCB starts the command.
// ASSUMPTION lea-atomic: results appear at completion, and operands must not be touched until then.
// ASSUMPTION lea-reset: LEASWRST and reset clear all LEA registers.
// ASSUMPTION lea-arbitration: an access elsewhere in LEA RAM stalls the CPU or DMA, never the LEA.
#pragma once

#include "lea_math.h"
#include "types.h"
#include <memory>
#include <vector>

namespace sw {

struct Machine;

// Energy classes; order is the contract with sim/counters.py.
enum class LeaClass : uint8_t {
    Add,
    Mpy,
    Mac,
    MatrixRow,
    Fir,
    MinMax,
    Deinterleave,
    AddLong,
    MpyLong,
    MacLong,
    FirLong,
    MinMaxLong,
    Complex,
    Count
};
constexpr int kLeaClasses = static_cast<int>(LeaClass::Count);

struct LeaConfig { // shared by copies of a machine, never changed
    static constexpr int kCodes = 0x140 / 4;

    Accumulator accumulator = Accumulator::SaturateEnd;
    Truncation truncation = Truncation::Floor;
    LongProduct long_product = LongProduct::Truncate;
    bool mpy_round = false, fir_round = false;
    bool fir_oor = true;          // FIR with its source at LEAMB sets OORIFG although nothing is out of range
    bool oor_flag = false;        // out of range sets OORIFG and ends the command instead of raising
    bool highest_tie = false;     // MAX and MIN: index of the last of equal extremes
    uint32_t stall_cycles = 1;    // per access of CPU or DMA elsewhere in LEA RAM
    uint32_t stack_bytes = 0x138; // below LEAMT, reserved for the LEA's own stack
    bool refused[kCodes] = {};    // a board was seen to compute something else (option refuse)
    double cost[kCodes][4] = {};  // cycles = c0 + c1 n + c2 m + c3 n m (sim/LEA.md, Cycles)
};

struct LeaSpan { // words (32 bit) of one operand: count addresses from first, stride apart
    uint32_t first = 0, count = 0, stride = 1;
    bool holds(uint32_t word) const {
        if (word < first) return false;
        uint32_t d = word - first;
        return stride ? d % stride == 0 && d / stride < count : d == 0;
    }
    uint32_t last() const { return first + (count - 1) * stride; }
};

struct LeaJob { // a decoded command; which fields count depends on the command
    uint16_t code = 0;
    uint32_t n = 0, m = 0;             // sizes as in sim/LEA.md
    uint32_t mask = 0xFFFF, start = 0; // FIR: circular buffer, first source word
    int16_t scale = 0;
    LeaSpan in1, in2, out, block;
    bool spurious_oor = false;
};

struct Lea {
    static constexpr uint32_t kFirst = 0x2C00, kEnd = 0x3C00; // LEAMB, LEAMT

    uint32_t cnf0 = 0, cnf2 = 0, pmctl = 0, pmdst = 0, pms1 = 0, pms0 = 0, pmcb = 0, cmdstat = 0, mctl = 0;
    uint8_t ie = 0, ifg = 0;
    bool busy = false, ran_out = false;
    uint64_t started_at = 0, done_at = 0, counted_to = 0;
    LeaJob job;
    uint8_t page_write[16] = {}; // write regions of LEA RAM while a command runs
    std::vector<uint32_t> code_ram;
    std::shared_ptr<const LeaConfig> config;

    void reset(Machine &m);
    bool irq(uint32_t sr) const {
        return (ie & ifg) && (!(sr & kCpuOff) || (cnf0 & 0x400)); // LEAILPM
    }
    void catch_up(Machine &m); // completes what is due, brings the counters up to now
    void check_sleep(uint32_t sr) const;
    const char *owner(uint32_t address) const; // which operand of the running command lies there, or nullptr
    void touch(Machine &m, uint32_t address, const char *verb); // CPU or DMA in LEA RAM while busy
    uint16_t read(Machine &m, uint32_t address);
    void write(Machine &m, uint32_t address, uint16_t value, uint16_t lanes);

  private:
    uint32_t load(uint32_t offset) const;
    void store(Machine &m, uint32_t offset, uint16_t value, uint16_t lanes);
    void set_flag(Machine &m, int bit);
    void trigger(Machine &m);
    void complete(Machine &m);
    void release(Machine &m);
    void account(Machine &m);
    void window_step();
};

// lea_commands.cpp
struct LeaCommand {
    uint16_t code;
    const char *name;
    LeaClass energy;
    LeaJob (*decode)(Machine &m, const LeaCommand &c, uint32_t pms0, uint32_t pms1);
    void (*execute)(Machine &m, const LeaJob &job, const LeaConfig &o);
};
const LeaCommand *lea_command(uint16_t code); // nullptr: not modelled
const char *lea_command_name(uint16_t code);
uint32_t lea_cycles(const LeaJob &job, const LeaConfig &o);

} // namespace sw
