// SPDX-License-Identifier: Apache-2.0
// The step loop: the one place that knows about power failures.
#include "swtrain.h"

SW_NVM uint16_t sw_level = 0;
SW_NVM uint16_t sw_progress = 0;
static SW_NVM uint16_t run_level = 0; // level of the inference under way
volatile uint16_t sw_node;

int sw_switch(uint16_t level) {
    if (level >= sw_level_count) return SW_ERR_LEVEL;
    sw_level = level; // one 16-bit FRAM write: old or new, never between
    return SW_OK;
}

int sw_infer(void) {
    if (sw_model_ready) {
        int status = sw_model_ready();
        if (status != SW_OK) return status;
    }
    uint16_t done = sw_progress;
    uint16_t first = 0; // number of the layer's first step
    // Until the first step is recorded, the level may be taken again: no step has used it for good.
    if (done == 0) run_level = sw_level;
    for (uint16_t i = 0; i < sw_layer_count; i++) {
        const sw_layer_t *layer = &sw_layers[i];
        uint16_t end = first + layer->steps;
        if (done < end) {
            sw_node = i;
            layer->prepare(layer->layer, run_level);
            for (; done < end; done++) {
                layer->step(layer->layer, done - first, run_level);
                // Record after the data: a reset between the two repeats the step, which is harmless.
                __asm__ volatile("" ::: "memory");
                sw_progress = done + 1;
            }
        }
        first = end;
    }
    sw_node = sw_layer_count;
    sw_progress = 0;
    return SW_OK;
}
