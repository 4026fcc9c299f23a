// SPDX-License-Identifier: Apache-2.0
// An input is handed in once, and its result handed on once: three numbers, each moved by one commit.
//
// sw_submitted is sw_released or one ahead, sw_result is one of the two. Each is set to a value made from the
// others, never counted up, so that a call which a power failure cuts off may be made again.
#include "sw_handover.h"

SW_NVM uint16_t sw_submitted = 0;
SW_NVM uint16_t sw_result = 0;
SW_NVM uint16_t sw_released = 0;
SW_NVM uint16_t sw_run_level = 0;

sw_state_t sw_state(void) {
    if (sw_submitted != sw_result) return SW_RUNNING;
    return sw_result == sw_released ? SW_IDLE : SW_RESULT;
}

int sw_ready(void) {
    return sw_model_ready ? sw_model_ready() : SW_OK;
}

int sw_submit(void) {
    if (sw_state() != SW_IDLE) return SW_ERR_BUSY;
    int status = sw_ready();
    if (status != SW_OK) return status;
    sw_run_level = sw_level; // the inference keeps it, whatever is switched meanwhile
    sw_progress = 0;
    SW_COMMIT(sw_submitted, sw_released + 1);
    return SW_OK;
}

void sw_release(void) {
    if (sw_state() == SW_RESULT) SW_COMMIT(sw_released, sw_result);
}

void sw_cancel(void) {
    if (sw_state() == SW_RUNNING) SW_COMMIT(sw_submitted, sw_released);
}
