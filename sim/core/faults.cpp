// SPDX-License-Identifier: Apache-2.0
// Formatting of faults.
//
// Modelled: the text. Not modelled: nothing.
#include "faults.h"
#include <cstdarg>
#include <cstdio>

namespace sw {

void raise(FaultKind kind, uint32_t address, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    throw Fault(kind, address, text);
}

} // namespace sw
