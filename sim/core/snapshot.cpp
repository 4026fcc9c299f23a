// SPDX-License-Identifier: Apache-2.0
// Which members make up the device. A test compares this list with the members of Machine.
//
// Modelled / Not modelled: see snapshot.h.
#include "snapshot.h"
#include "machine.h"

#include <cstring>
#include <type_traits>

namespace sw {

namespace {

template <class F> void each_member(Machine &m, F &f) {
    f(m.r), f(m.n), f(m.frctl), f(m.gie_hold), f(m.mpy), f(m.initialised), f(m.cs), f(m.dma), f(m.wdt);
    f(m.board), f(m.clocks), f(m.events), f(m.timers), f(m.vectors), f(m.pending), f(m.lines), f(m.causes);
    f(m.reset_due), f(m.violations_reset), f(m.lpm0_wake_ns), f(m.dead), f(m.random_state);
    f(m.allow_uninitialised);
    f.memory(m.memory);
}

struct Saver {
    std::string out;
    template <class T> void operator()(const T &value) {
        static_assert(std::is_trivially_copyable<T>::value, "give this member its own form here");
        out.append(reinterpret_cast<const char *>(&value), sizeof value);
    }
    void memory(const Memory &memory) {
        out.append(reinterpret_cast<const char *>(memory.data()), memory.size());
    }
};

struct Measure {
    size_t size = 0;
    template <class T> void operator()(const T &) { size += sizeof(T); }
    void memory(const Memory &memory) { size += memory.size(); }
};

struct Loader {
    const char *at;
    template <class T> void operator()(T &value) {
        std::memcpy(reinterpret_cast<char *>(&value), at, sizeof value);
        at += sizeof value;
    }
    void memory(Memory &memory) {
        std::memcpy(memory.data(), at, memory.size());
        at += memory.size();
    }
};

} // namespace

std::string save_snapshot(Machine &m) {
    Saver saver;
    each_member(m, saver);
    return saver.out;
}

bool restore_snapshot(Machine &m, const std::string &bytes) {
    Measure measure;
    each_member(m, measure);
    if (measure.size != bytes.size()) return false;
    Loader loader{bytes.data()};
    each_member(m, loader);
    m.ops.release(); // decoded from other memory
    return true;
}

} // namespace sw
