// SPDX-License-Identifier: Apache-2.0
// Model options by name: what differs between boards, and readings of facts that are not certain.
//
// Modelled: the options in the table. Not modelled: options of a running program (set them before).
#include "machine.h"

namespace sw {

bool Machine::set_option(const std::string &name, double value) {
    if (name == "violations_reset")
        violations_reset = value != 0;
    else if (name == "lpm0_wake_ns")
        lpm0_wake_ns = value;
    else if (name == "vlo_hz")
        clocks.vlo_hz = static_cast<uint32_t>(value);
    else if (name == "modosc_hz")
        clocks.modosc_hz = static_cast<uint32_t>(value);
    else if (name == "lfxt_hz")
        clocks.lfxt_hz = static_cast<uint32_t>(value);
    else if (name == "hfxt_hz")
        clocks.hfxt_hz = static_cast<uint32_t>(value);
    else if (name == "ref_settle_us")
        ref.settle_s = value * 1e-6;
    else if (name == "temperature_c")
        analog.temperature_c = value;
    else
        return false;
    clocks.update(*this);
    return true;
}

} // namespace sw
