// SPDX-License-Identifier: Apache-2.0
// The whole machine as bytes: what a snapshot file holds (sim/snapshot.py has the file around it).
//
// Modelled: every member of Machine but what is derived (decoded instructions). The bytes belong to one build
//   of the core.
// Not modelled: protection against forgery. Damage is found by the file's checksum; what is checked here
// keeps
//   indices and sizes inside their tables.
#pragma once

#include "archive.h"

namespace sw {

struct Machine;

std::string save_state(const Machine &m);
void load_state(Machine &m,
                const std::string &state); // m: fresh, of the same device; BadState leaves it undefined

} // namespace sw
