// SPDX-License-Identifier: Apache-2.0
// The runtime as an application sees it: hand an input in, run, hand the result on, switch levels, ask.
//
// A model is a table of layers; a layer is a list of restartable steps. A step reads buffers that it does not
// write, so repeating it is harmless; after its data one FRAM word records it. Whatever a power failure
// interrupts, the same call made again goes on where that word says. README.md has the rules.
#ifndef SWTRAIN_H
#define SWTRAIN_H

#include "sw_platform.h"

#define SW_RUNTIME_ABI 6 // changes whenever generated code must be generated again

enum sw_err {
    SW_OK = 0,
    SW_ERR_LEVEL = -1,    // no such level
    SW_ERR_EXTERNAL = -2, // the external memory is absent or holds other weights
    SW_ERR_BUSY = -3,     // an inference is under way, or its result was not handed on yet
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
extern int (*const sw_model_ready)(void); // see sw_ready; 0: always
extern int16_t sw_input[];  // FRAM: the input; belongs to the application while sw_state() is SW_IDLE
extern int16_t sw_output[]; // FRAM: logits; valid while sw_state() is SW_RESULT
extern int16_t sw_class;    // FRAM: index of the largest logit, lowest index on a tie; valid with sw_output

// What the runtime is about. Each state is left by one commit: a power failure leaves the old or the new one.
typedef enum {
    SW_IDLE,    // write sw_input, then call sw_submit
    SW_RUNNING, // call sw_infer: it starts or goes on
    SW_RESULT,  // use sw_output and sw_class, then call sw_release
} sw_state_t;

sw_state_t sw_state(void);

// Hands sw_input in, for an inference at the present level. SW_ERR_BUSY: not idle; SW_ERR_EXTERNAL. Nothing
// was done then.
int sw_submit(void);

// Runs the inference that was handed in, or goes on with it after a power failure; hands sw_input in first if
// none was, and drops a result that was not released. SW_ERR_EXTERNAL: nothing was done, the inference waits
// for the right memory or for sw_cancel.
int sw_infer(void);

// The result was handed on. No effect without one.
void sw_release(void);

// Forgets an inference that was handed in and is not done.
void sw_cancel(void);

// Switches to `level`, for inferences handed in later. SW_ERR_LEVEL: there is no such level; SW_ERR_BUSY: the
// weights are needed by the inference under way (models with images alone, README.md). Nothing was done then.
int sw_switch(uint16_t level);

// FRAM: the level of the next inference. 0 is the sparsest.
extern uint16_t sw_level;
// FRAM: numbers, modulo 2^16, of the last input handed in, of the last result, and of the last result handed
// on. A result keeps its number over power failures: whoever receives it can tell a repetition.
extern uint16_t sw_submitted, sw_result, sw_released;
// FRAM: steps recorded of the last inference.
extern uint16_t sw_progress;
// SRAM: index of the layer that runs, `sw_layer_count` when none does. For debuggers and the simulator.
extern volatile uint16_t sw_node;

#endif
