// SPDX-License-Identifier: Apache-2.0
// The step loop: every step of the inference under way that is not recorded yet.
#include "sw_handover.h"

SW_NVM uint16_t sw_progress = 0;
volatile uint16_t sw_node;

int sw_infer(void) {
    int status = SW_OK;
    if (sw_state() == SW_RUNNING) {
        status = sw_ready();
    } else {
        sw_release();
        status = sw_submit();
    }
    if (status != SW_OK) return status;
    uint16_t done = sw_progress;
    uint16_t first = 0; // number of the layer's first step
    for (uint16_t i = 0; i < sw_layer_count; i++) {
        const sw_layer_t *layer = &sw_layers[i];
        uint16_t end = first + layer->steps;
        if (done < end) {
            sw_node = i;
            layer->prepare(layer->layer, sw_run_level);
            for (; done < end; done++) {
                layer->step(layer->layer, done - first, sw_run_level);
                SW_COMMIT(sw_progress, done + 1); // a reset before it repeats the step, which is harmless
            }
        }
        first = end;
    }
    sw_node = sw_layer_count;
    SW_COMMIT(sw_result, sw_submitted); // output and class are complete
    return SW_OK;
}
