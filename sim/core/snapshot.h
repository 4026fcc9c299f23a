// SPDX-License-Identifier: Apache-2.0
// The device as bytes, and back.
//
// Modelled: everything that decides how a program goes on: registers, memory, peripherals, counters, time.
//   Bytes belong to one build of the core: the caller keeps its hash beside them.
// Not modelled: watches, breakpoints, limits, profile and trace (they belong to who looks, not to the
// device).
#pragma once

#include <string>

namespace sw {

struct Machine;

std::string save_snapshot(Machine &m);
bool restore_snapshot(Machine &m, const std::string &bytes); // false: not of this layout; m is unchanged

} // namespace sw
