// SPDX-License-Identifier: Apache-2.0
// The least that an application does. Power may fail anywhere in it.
//
//     swtrain build build/demo --main firmware/examples/minimal.c
#include "model.h"

SW_NVM int16_t answer = -1; // what a debugger looks at

// Stands for a sensor: a pattern that depends on the number of the measurement.
static void measure(int16_t *to, uint16_t number) {
    for (uint16_t i = 0; i < SW_MODEL_INPUT_WORDS; i++) to[i] = (int16_t)((i * 7 + number * 13) & 63);
}

int main(void) { // start.S has set up clocks and memory
    for (;;) {
        switch (sw_state()) {
        case SW_IDLE:
            measure(sw_input, sw_released);
            sw_submit();
            break;
        case SW_RUNNING: // starts, or goes on where power failed
            sw_infer();
            break;
        case SW_RESULT:
            answer = sw_class;
            sw_release();
            break;
        }
    }
}
