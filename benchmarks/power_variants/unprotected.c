// SPDX-License-Identifier: Apache-2.0
// The step loop without protection, in place of src/sw_run.c: nothing is recorded, nothing is resumed.
#include "swtrain.h"

uint16_t sw_progress;
volatile uint16_t sw_node;

int sw_infer(void) {
    for (uint16_t i = 0; i < sw_layer_count; i++) {
        const sw_layer_t *layer = &sw_layers[i];
        sw_node = i;
        layer->prepare(layer->layer, sw_level);
        for (uint16_t step = 0; step < layer->steps; step++) layer->step(layer->layer, step, sw_level);
    }
    sw_node = sw_layer_count;
    return SW_OK;
}
