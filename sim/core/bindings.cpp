// SPDX-License-Identifier: Apache-2.0
// The only file that knows Python. Addresses are checked here; meaning (symbols, errors, units) lives in
// sim/*.py.
//
// Modelled / Not modelled: see machine.h.
#include "flatten.h"
#include "machine.h"
#include "meter.h"
#include "snapshot.h"

#include <cmath>
#include <memory>
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using sw::Counters;
using sw::flatten;
using sw::Machine;

// Field order is the contract with sim/lea.py (OPTIONS); cost rows are code, c0, c1, c2, c3.
void lea_configure(Machine &m, const std::vector<int64_t> &o, const std::vector<std::vector<double>> &cost,
                   const std::vector<uint32_t> &refused) {
    if (o.size() != 10) throw std::invalid_argument("lea options");
    auto c = std::make_shared<sw::LeaConfig>();
    c->accumulator = static_cast<sw::Accumulator>(o[0]);
    c->truncation = static_cast<sw::Truncation>(o[1]);
    c->long_product = static_cast<sw::LongProduct>(o[2]);
    c->mpy_round = o[3] != 0;
    c->fir_round = o[4] != 0;
    c->highest_tie = o[5] != 0;
    c->fir_oor = o[6] != 0;
    c->stall_cycles = static_cast<uint32_t>(o[7]);
    c->stack_bytes = static_cast<uint32_t>(o[8]);
    c->oor_flag = o[9] != 0;
    for (const auto &row : cost) {
        if (row.size() != 5 || row[0] < 0 || row[0] / 4 >= sw::LeaConfig::kCodes)
            throw std::invalid_argument("lea cost");
        for (int k = 0; k < 4; ++k)
            c->cost[static_cast<int>(row[0]) / 4][k] = row[static_cast<size_t>(k) + 1];
    }
    for (uint32_t code : refused) {
        if (code / 4 >= sw::LeaConfig::kCodes) throw std::invalid_argument("lea refused");
        c->refused[code / 4] = true;
    }
    m.lea.config = c;
}

// Which operand of the running LEA command lies in these bytes; empty when none does.
std::string lea_owner(Machine &m, uint32_t address, uint32_t size) {
    m.lea.catch_up(m);
    for (uint32_t a = address; a < address + size; ++a)
        if (const char *what = m.lea.owner(a)) return what;
    return "";
}

std::unique_ptr<Machine> make(const std::vector<std::tuple<std::string, uint32_t, uint32_t>> &ranges,
                              uint64_t seed, bool allow) {
    std::vector<sw::MemoryRange> map;
    for (const auto &[kind, first, last] : ranges) {
        sw::Region region = kind == "sram"         ? sw::kSram
                            : kind == "lea_ram"    ? sw::kLeaRam
                            : kind == "fram"       ? sw::kFram
                            : kind == "peripheral" ? sw::kPeripheral
                            : kind == "low"        ? sw::kLow
                            : kind == "read_only"  ? sw::kReadOnly
                                                   : sw::kVacant;
        bool paged = (first & 0xFF) == 0 && (last & 0xFF) == 0xFF && first < last && last <= sw::kAddressMask;
        bool volatile_ok = region > sw::kLeaRam || last < Machine::kRamEnd;
        if (region == sw::kVacant || !paged || !volatile_ok)
            throw std::invalid_argument("memory range '" + kind +
                                        "' is unknown or not made of whole 256-byte pages");
        map.push_back({region, first, last});
    }
    return std::make_unique<Machine>(map, seed, allow);
}

// Only RAM and FRAM are memory to the host.
void check_range(const Machine &m, uint64_t address, uint64_t size) {
    for (uint64_t a = address; a < address + size;) {
        uint8_t region =
            a < m.memory.size() ? m.read_region[a >> sw::kPageShift] : static_cast<uint8_t>(sw::kVacant);
        bool tiny = region == sw::kLow && a >= Machine::kTinyFirst && a <= Machine::kTinyLast;
        if (region > sw::kFram && region != sw::kLeaBusy && region != sw::kGuarded && !tiny)
            throw std::out_of_range(std::to_string(a));
        a = tiny ? a + 1 : (a | 0xFF) + 1;
    }
}

nb::bytes read_bytes(const Machine &m, uint32_t address, uint32_t size) {
    check_range(m, address, size);
    std::string out(size, '\0');
    m.host_read(address, reinterpret_cast<uint8_t *>(out.data()), size);
    return nb::bytes(out.data(), out.size());
}

void write_bytes(Machine &m, uint32_t address, nb::bytes data) {
    check_range(m, address, data.size());
    m.host_write(address, reinterpret_cast<const uint8_t *>(data.c_str()),
                 static_cast<uint32_t>(data.size()));
}

std::vector<std::tuple<uint32_t, uint32_t, uint32_t, double, std::vector<int64_t>>> watch_log(Machine &m,
                                                                                              bool clear) {
    std::vector<std::tuple<uint32_t, uint32_t, uint32_t, double, std::vector<int64_t>>> out;
    for (const sw::WatchEvent &e : m.watch_events)
        out.emplace_back(e.address, e.value, e.pc, e.time_s, flatten(e.counters));
    if (clear) {
        m.watch_events.clear();
        m.watch_open = 0;
    }
    return out;
}

std::vector<std::vector<int64_t>> profile(const Machine &m) {
    std::vector<std::vector<int64_t>> out;
    for (const Counters &c : m.profile) out.push_back(flatten(c));
    return out;
}

void profile_enable(Machine &m, const std::vector<uint32_t> &starts) {
    if (starts.empty()) {
        m.profiling = false;
        m.profile.clear();
        m.function_of.clear();
        return;
    }
    if (starts.size() > 0xFFFF) throw std::invalid_argument("more than 65535 functions to profile");
    for (size_t i = 0; i < starts.size(); ++i)
        if (starts[i] >= m.memory.size() || (i > 0 && starts[i] <= starts[i - 1]))
            throw std::invalid_argument("profile slots must rise and lie in memory");
    m.profile_enable(starts);
}

nb::bytes spi_fram_read(const Machine &m, size_t index, uint32_t address, uint32_t size) {
    const sw::SpiFram &f = m.spi_frams.at(index);
    if (uint64_t{address} + size > f.size) throw std::out_of_range("external FRAM");
    std::string out(size, '\0');
    for (uint32_t i = 0; i < size; ++i) out[i] = static_cast<char>(f.get(address + i));
    return nb::bytes(out.data(), out.size());
}

void spi_fram_write(Machine &m, size_t index, uint32_t address, nb::bytes data) {
    sw::SpiFram &f = m.spi_frams.at(index);
    if (uint64_t{address} + data.size() > f.size) throw std::out_of_range("external FRAM");
    for (size_t i = 0; i < data.size(); ++i)
        f.put(static_cast<uint32_t>(address + i), static_cast<uint8_t>(data.c_str()[i]));
}

// By source name (irq.h); sources that are not named have no vector on this device.
void set_vectors(Machine &m, const std::vector<std::tuple<std::string, int>> &vectors) {
    for (uint8_t &v : m.vectors.of) v = sw::Vectors::kAbsent;
    for (const auto &[name, index] : vectors) {
        int source = 0;
        while (source < sw::Vectors::kSources && name != sw::kIrqNames[source]) ++source;
        if (source == sw::Vectors::kSources || index < 0 || index > 54)
            throw std::invalid_argument("interrupt source '" + name + "'");
        m.vectors.of[source] = static_cast<uint8_t>(index);
    }
}

void set_register(Machine &m, uint32_t index, uint32_t value) {
    if (index > 15) throw std::out_of_range("register");
    m.r[index] = index == sw::kSr ? value & sw::kSrMask : index == sw::kCg ? 0 : value & sw::kAddressMask;
}

// In slices, so that Ctrl-C works. The core tests `until` before the limit, so a slice never hides an
// arrival.
template <class Slice> int in_slices(Machine &m, uint64_t max_cycles, Slice slice) {
    constexpr uint64_t kSlice = 100000000;
    uint64_t end = m.n.cycles + max_cycles < m.n.cycles ? ~0ull : m.n.cycles + max_cycles;
    for (;;) {
        uint64_t left = end - m.n.cycles;
        sw::Reason why;
        {
            nb::gil_scoped_release release;
            why = slice(left < kSlice ? left : kSlice);
        }
        if (why != sw::Reason::Cycles || m.n.cycles >= end) return static_cast<int>(why);
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
    }
}

int run_sliced(Machine &m, int64_t until, uint64_t max_cycles) {
    if (until > sw::kAddressMask) throw std::out_of_range("until");
    return in_slices(m, max_cycles, [&](uint64_t cycles) { return m.run(until, cycles); });
}

// The supply voltage along a metered run: what is left of the energy, on a capacitor.
struct Capacitor : sw::Follower {
    Machine &m;
    const sw::Meter &meter;
    double base_j, farads; // stored when nothing is left of the budget

    Capacitor(Machine &machine, const sw::Meter &energy, double base, double capacitance)
        : m(machine), meter(energy), base_j(base), farads(capacitance) {
        if (farads > 0) m.analog.follower = this;
    }
    Capacitor(const Capacitor &) = delete;
    Capacitor &operator=(const Capacitor &) = delete;
    ~Capacitor() override {
        m.analog.follower = nullptr;
        m.analog.mark_moved = false;
    }
    double supply_v(const Machine &now) const override {
        return std::sqrt(2 * std::max(0.0, base_j + meter.left(now, flatten)) / farads);
    }
};

int run_metered(Machine &m, int64_t until, uint64_t max_cycles, const std::vector<double> &prices,
                double cycle_j, double sleep_w, double wake_j, double available_j, double input_w,
                const std::vector<int64_t> &start, double start_s, double base_j, double farads, bool naps) {
    if (until > sw::kAddressMask) throw std::out_of_range("until");
    if (prices.size() != flatten(m.n).size() || start.size() != prices.size())
        throw std::invalid_argument("one price and one start for each counter");
    sw::Meter meter({prices, cycle_j, sleep_w, wake_j}, available_j, input_w);
    meter.start(start, start_s);
    Capacitor capacitor(m, meter, base_j, farads);
    return in_slices(m, max_cycles,
                     [&](uint64_t cycles) { return meter.run(m, until, cycles, naps, flatten); });
}

void set_limits(Machine &m, uint64_t instructions, uint64_t write_pause, uint64_t write_cut, bool at_watch,
                int scope) {
    if (scope < 0 || scope > 2) throw std::invalid_argument("scope");
    m.limits.scope = static_cast<sw::NvmScope>(scope);
    m.limits.instructions = instructions;
    m.limits.write_pause = write_pause;
    m.limits.write_cut = write_cut;
    m.limits.at_watch = at_watch;
    m.limits.at_sleep = m.limits.at_change = false;
}

std::vector<std::tuple<int, int, std::vector<int64_t>>> call_graph(const Machine &m) {
    std::vector<std::tuple<int, int, std::vector<int64_t>>> out;
    for (const auto &node : m.calls.nodes) out.emplace_back(node.parent, node.slot, flatten(node.counters));
    return out;
}

nb::bytes take_trace(Machine &m) { // TraceRecord as it lies in memory: uint64, double, 16 x uint32
    nb::bytes out(reinterpret_cast<const char *>(m.trace.data()), m.trace.size() * sizeof(sw::TraceRecord));
    m.trace.clear();
    return out;
}

void set_breakpoints(Machine &m, const std::vector<uint32_t> &addresses) {
    for (uint32_t a : addresses)
        if ((a & 1) || a >= m.memory.size()) throw std::out_of_range("breakpoint");
    m.limits.breakpoints = addresses;
}

} // namespace

NB_MODULE(_core, m) {
    nb::set_leak_warnings(false); // worker processes end with machines alive
    m.attr("SOURCE_HASH") = SW_CORE_HASH;
    nb::class_<Machine>(m, "Machine")
        .def(nb::new_(&make), "ranges"_a, "seed"_a, "allow_uninitialised"_a)
        .def("reset", nb::overload_cast<bool>(&Machine::reset), "power_on"_a)
        .def("run", &run_sliced, "until"_a, "max_cycles"_a)
        .def("run_metered", &run_metered, "until"_a, "max_cycles"_a, "prices"_a, "cycle_j"_a, "sleep_w"_a,
             "wake_j"_a, "available_j"_a, "input_w"_a, "start"_a, "start_s"_a, "base_j"_a, "farads"_a,
             "naps"_a)
        .def("set_limits", &set_limits, "instructions"_a, "write_pause"_a, "write_cut"_a, "at_watch"_a,
             "scope"_a)
        .def("set_breakpoints", &set_breakpoints, "addresses"_a)
        .def("call_graph", &call_graph)
        .def(
            "set_trace", [](Machine &self, bool on) { self.tracing = on; }, "on"_a)
        .def("take_trace", &take_trace)
        .def("unwatch", &Machine::remove_watch, "address"_a)
        .def(
            "pass_time", [](Machine &self, double seconds) { self.pass_time(seconds); }, "seconds"_a)
        .def("brown_out", &Machine::brown_out, "counted"_a, "Loss of power and back.")
        .def_prop_ro("lowest_supply_v", [](const Machine &self) { return self.board.lowest_supply_v(); })
        .def_prop_ro("low_power_mode", &Machine::low_power_mode)
        .def_prop_ro("nvm_writes", [](const Machine &self) { return self.n.writes[sw::kFram]; })
        .def_prop_ro("external_writes", [](const Machine &self) { return self.external_writes; })
        .def_prop_ro("dead", [](const Machine &self) { return self.dead; })
        .def("fork", [](const Machine &self) { return std::make_unique<Machine>(self); })
        .def("save",
             [](const Machine &self) {
                 std::string state = sw::save_state(self);
                 return nb::bytes(state.data(), state.size());
             })
        .def(
            "load",
            [](Machine &self, nb::bytes state) {
                sw::load_state(self, std::string(state.c_str(), state.size()));
            },
            "state"_a)
        .def("interrupt", &Machine::raise_interrupt, "index"_a)
        .def("read", &read_bytes, "address"_a, "size"_a)
        .def("write", &write_bytes, "address"_a, "data"_a)
        .def("forget", &Machine::forget, "Power on: counters and time are zero.")
        .def("set_option", &Machine::set_option, "name"_a, "value"_a)
        .def(
            "uart_input",
            [](Machine &self, int port, nb::bytes data) {
                const auto *p = reinterpret_cast<const uint8_t *>(data.c_str());
                self.eusci[port & 3].receive(self, std::vector<uint8_t>(p, p + data.size()));
            },
            "port"_a, "data"_a)
        .def(
            "set_pin",
            [](Machine &self, int port, int pin, bool high) { self.board.set_pin(self, port, pin, high); },
            "port"_a, "pin"_a, "high"_a)
        .def(
            "pin", [](const Machine &self, int port, int pin) { return self.board.output(port, pin); },
            "port"_a, "pin"_a)
        .def(
            "set_gaps",
            [](Machine &self, const std::vector<std::tuple<uint32_t, uint32_t, std::string, bool>> &gaps) {
                self.gaps.clear();
                for (const auto &[first, last, name, there] : gaps)
                    self.gaps.push_back({first, last, name, there});
            },
            "gaps"_a)
        .def(
            "set_descriptors",
            [](Machine &self, uint32_t first, nb::bytes data) {
                uint64_t end = uint64_t{first} + data.size();
                if (end > Machine::kRamEnd) throw std::out_of_range("device descriptors");
                for (uint32_t a = first; a < end; ++a)
                    if (self.read_region[a >> sw::kPageShift] != sw::kReadOnly)
                        throw std::out_of_range("device descriptors");
                self.set_descriptors(first, reinterpret_cast<const uint8_t *>(data.c_str()),
                                     static_cast<uint32_t>(data.size()));
            },
            "first"_a, "data"_a)
        .def_prop_ro("supply_v", [](const Machine &self) { return self.analog.supply_v; })
        .def("set_supply", &Machine::set_supply, "volts"_a)
        .def_prop_ro("supply_mark", [](const Machine &self) { return self.comp.threshold(self); })
        .def_prop_ro("wakes", &Machine::wakes)
        .def(
            "set_analog",
            [](Machine &self, int kind, int channel, double volts, double ratio) {
                self.analog.drive(kind & 1, channel & 31, {volts, ratio});
                self.comp.update(self);
            },
            "kind"_a, "channel"_a, "volts"_a, "ratio"_a)
        .def("uart_log",
             [](const Machine &self) {
                 std::vector<std::tuple<int, int, int64_t, double>> out;
                 for (const sw::SerialByte &b : self.uart_log)
                     out.emplace_back(b.port, b.value, static_cast<int64_t>(b.cycle), b.time_s);
                 return out;
             })
        .def(
            "attach_spi_fram",
            [](Machine &self, int bus, int port, int pin, uint32_t size) {
                self.spi_frams.emplace_back(bus & 7, port, pin & 7, size);
                self.pins_changed();
            },
            "bus"_a, "port"_a, "pin"_a, "size"_a)
        .def("spi_fram_read", &spi_fram_read, "index"_a, "address"_a, "size"_a)
        .def("spi_fram_write", &spi_fram_write, "index"_a, "address"_a, "data"_a)
        .def(
            "set_compares",
            [](Machine &self, const std::vector<int> &counts) {
                for (int i = 0; i < 6; ++i) {
                    self.compares[i] =
                        std::min(std::max(counts.at(static_cast<size_t>(i)), 0), sw::Timer::kChannels);
                    self.timers[i].init(i, self.compares[i]);
                }
            },
            "counts"_a)
        .def("set_vectors", &set_vectors, "vectors"_a)
        .def("lea_configure", &lea_configure, "options"_a, "cost"_a, "refused"_a)
        .def("lea_owner", &lea_owner, "address"_a, "size"_a)
        .def("watch", &Machine::add_watch, "address"_a)
        .def("watch_log", &watch_log, "clear"_a)
        .def("profile_enable", &profile_enable, "starts"_a)
        .def("profile", &profile)
        .def("counters", [](const Machine &self) { return flatten(self.n); })
        .def("registers", [](const Machine &self) { return std::vector<uint32_t>(self.r, self.r + 16); })
        .def("set_register", &set_register, "index"_a, "value"_a)
        .def("fault",
             [](const Machine &self) {
                 return std::make_tuple(static_cast<int>(self.fault.kind), self.fault.address,
                                        self.fault.message);
             })
        .def_prop_ro("cycles", [](const Machine &self) { return self.n.cycles; })
        .def_prop_ro("instructions", [](const Machine &self) { return self.n.instructions; })
        .def_prop_ro("time_s", [](const Machine &self) { return self.cs.time_s(self.n.cycles); })
        .def_prop_ro("mclk_hz", [](const Machine &self) { return self.cs.mclk_hz; })
        .def_prop_ro("size_bytes", [](const Machine &self) { return sizeof(Machine) + self.memory.size(); });
}
