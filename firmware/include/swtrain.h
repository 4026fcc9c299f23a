// SPDX-License-Identifier: Apache-2.0
// The runtime as an application sees it.
//
// A model is a table of layers; a layer is a list of restartable steps. A step reads buffers that it does not
// write, so repeating it is harmless; after its data one FRAM word records it. Whatever a power failure
// interrupts, `sw_infer` goes on with the step that was not recorded.
#ifndef SWTRAIN_H
#define SWTRAIN_H

#include "sw_platform.h"

#define SW_RUNTIME_ABI 3 // changes whenever generated code must be generated again

enum sw_err {
    SW_OK = 0,
    SW_ERR_LEVEL = -1,    // no such level
    SW_ERR_EXTERNAL = -2, // the external memory is absent or holds other weights
};

typedef struct {
    // Rebuilds the layer's volatile state; called before its first step and again after a reboot.
    void (*prepare)(const void *layer, uint16_t level);
    // Does step `step` at `level`.
    void (*step)(const void *layer, uint16_t step, uint16_t level);
    const void *layer;
    uint16_t steps;
} sw_layer_t;

// Made by `swtrain emit-c` in model.c.
extern const sw_layer_t sw_layers[];
extern const uint16_t sw_layer_count;
extern const uint16_t sw_level_count;
extern int (*const sw_model_ready)(void); // SW_OK if weights outside the MCU are there; 0: there are none
extern int16_t sw_input[];                // FRAM: write the input here, then call sw_infer
extern int16_t sw_output[];               // FRAM: logits of the last inference
extern int16_t sw_class;                  // FRAM: index of the largest logit, lowest index on a tie

// FRAM: the level that the next inference will use. 0 is the sparsest.
extern uint16_t sw_level;
// FRAM: steps recorded of the inference under way; 0 when none is.
extern uint16_t sw_progress;
// SRAM: index of the layer that runs, `sw_layer_count` when none does. For debuggers and the simulator.
extern volatile uint16_t sw_node;

// Switches to `level`: one atomic FRAM word, no weight is written. An inference under way keeps its level.
int sw_switch(uint16_t level);

// Runs one inference on sw_input, or finishes the one that a power failure interrupted. The level is taken
// when an inference starts and does not change under it. SW_ERR_EXTERNAL: nothing was done; an inference that
// was interrupted waits for the right memory.
int sw_infer(void);

#endif
