// SPDX-License-Identifier: Apache-2.0
// The application that `swtrain sim` talks to: a mailbox in FRAM. Whoever writes `sw_request` waits until it
// reads 0 again. A user's own main.c replaces it.
#include "swtrain.h"

enum { SW_REQUEST_NONE = 0, SW_REQUEST_INFER = 1, SW_REQUEST_SWITCH = 2 };

SW_NVM volatile uint16_t sw_request = SW_REQUEST_NONE;
SW_NVM volatile uint16_t sw_argument = 0; // of SW_REQUEST_SWITCH: the level
SW_NVM volatile int16_t sw_status = SW_OK;

int main(void) {
    sw_node = sw_layer_count;
    if (sw_state() == SW_RUNNING) sw_infer(); // a power failure interrupted it
    for (;;) {
        if (sw_request == SW_REQUEST_NONE) sw_release(); // whoever asked has seen the answer
        sw_board_wait(&sw_request);
        int status = SW_OK;
        if (sw_request == SW_REQUEST_INFER) {
            if (sw_state() != SW_RESULT) status = sw_infer(); // else power failed between result and answer
            if (status != SW_OK) sw_cancel(); // refused: the next request is about another input
        } else if (sw_request == SW_REQUEST_SWITCH) {
            status = sw_switch(sw_argument);
        }
        sw_status = (int16_t)status;
        SW_COMMIT(sw_request, SW_REQUEST_NONE); // last: everything above may be repeated
    }
}
