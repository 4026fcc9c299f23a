// SPDX-License-Identifier: Apache-2.0
// The step loop with a checkpoint at each layer, in place of src/sw_run.c: all SRAM and LEA RAM into one of
// two places in FRAM, then a word. After a reboot both come back; what the layers need they make again, so
// SRAM goes through LEA RAM, at the same cost, and the stack stays.
#include "sw_kernels.h"
#include "swtrain.h"

enum { SRAM = 0x1C00, LEA_RAM = 0x2C00, BYTES = 0x1000 };
#define PLACES 0x40000 // two of 2 x BYTES, at the end of high FRAM

SW_NVM uint16_t sw_progress = 0; // layers done
volatile uint16_t sw_node;

static void copy(sw_addr_t to, sw_addr_t from) {
    sw_rows_t rows = {to, from, BYTES / 2, 1, 0, 0};
    sw_copy_rows_s16_dma(&rows);
}

int sw_infer(void) {
    uint16_t done = sw_progress;
    if (done > 0) {
        sw_addr_t place = PLACES + (sw_addr_t)(done & 1) * 2 * BYTES;
        copy(LEA_RAM, place);
        copy(LEA_RAM, place + BYTES);
    }
    for (; done < sw_layer_count; done++) {
        const sw_layer_t *layer = &sw_layers[done];
        sw_addr_t place = PLACES + (sw_addr_t)((done + 1) & 1) * 2 * BYTES;
        sw_node = done;
        layer->prepare(layer->layer, sw_level);
        for (uint16_t step = 0; step < layer->steps; step++) layer->step(layer->layer, step, sw_level);
        copy(place, SRAM);
        copy(place + BYTES, LEA_RAM);
        SW_COMMIT(sw_progress, done + 1);
    }
    sw_node = sw_layer_count;
    SW_COMMIT(sw_progress, 0);
    return SW_OK;
}
