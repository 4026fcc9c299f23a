// SPDX-License-Identifier: Apache-2.0
// Whose weights the external memory holds.
#include "sw_external.h"
#include "swtrain.h"

// A part that has just got power may not answer yet (FRAMs of this kind: less than 0.5 ms after their minimum
// voltage, recalled from the data sheets); each look takes about 50 us at 8 MHz.
enum { LOOKS = 20 };

static uint16_t checked; // volatile: another memory may have been fitted while power was gone

int sw_external_holds(uint32_t address, const uint8_t *bytes) {
    for (uint16_t look = 0; look < LOOKS; look++) {
        uint8_t found[SW_EXTERNAL_HEADER_BYTES];
        uint16_t equal = 0;
        sw_external_read((uintptr_t)found, address, sizeof found);
        while (equal < sizeof found && found[equal] == bytes[equal]) equal++;
        if (equal == sizeof found) return SW_OK;
    }
    return SW_ERR_EXTERNAL;
}

int sw_external_check(void) {
    if (checked) return SW_OK;
    int status = sw_external_holds(0, sw_external_header);
    checked = status == SW_OK;
    return status;
}
