// SPDX-License-Identifier: Apache-2.0
// The one exception of the core: the program did something that silicon forbids or that is not modelled.
//
// Modelled: kind, address and a sentence (what, limit, next step). PC, cycle and symbol are added outside.
// Not modelled: the reset that silicon would perform for some of these (ASSUMPTION fault-not-reset:).
#pragma once

#include "types.h"
#include <exception>
#include <string>
#include <utility>

namespace sw {

enum class FaultKind : int {
    None = 0,
    Vacant,
    Misaligned,
    ReadOnly,
    Signature,
    Fetch,
    Illegal,
    Unmodelled,
    Uninitialised,
    Password,
    Clock,
    NotReady,
    Lea,
    Protection,
    LeaRange, // inside lea*.cpp only: becomes Lea, or sets OORIFG
};

struct Fault : std::exception {
    FaultKind kind;
    uint32_t address;
    std::string message;

    Fault(FaultKind k, uint32_t a, std::string text) : kind(k), address(a), message(std::move(text)) {}
    const char *what() const noexcept override { return message.c_str(); }
};

// printf-style; addresses print as 0x%05X everywhere.
[[noreturn]] SW_COLD void raise(FaultKind kind, uint32_t address, const char *format, ...);

} // namespace sw
