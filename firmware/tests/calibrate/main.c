// SPDX-License-Identifier: Apache-2.0
// Times every layer of a model at every level with Timer_A and prints `#CAL layer LEVEL LAYER CYCLES/4` in
// hex, cycles as two words. Linked instead of sw_serve.c by `swtrain calibrate`; the same program runs on a
// board and on the simulator. SMCLK and MCLK are the same clock, so a tick is 4 cycles.
#include "swtrain.h"
#include "uart.h"

#define TA0CTL REG16(0x0340)
#define TA0R REG16(0x0350)
#define SMCLK_BY_4_CONTINUOUS_CLEAR 0x02A4

extern const uint16_t sw_input_words;

const char line_tag[] = "#CAL";

static uint16_t last;
static uint32_t elapsed;

// A step is shorter than the timer's 2^18 cycles, so this counts right if it is called after each.
static void count(void) {
    uint16_t now = TA0R;
    elapsed += (uint16_t)(now - last);
    last = now;
}

static void measure(uint16_t level, uint16_t number) {
    const sw_layer_t *layer = &sw_layers[number];
    elapsed = 0;
    last = TA0R;
    layer->prepare(layer->layer, level);
    count();
    for (uint16_t step = 0; step < layer->steps; step++) {
        layer->step(layer->layer, step, level);
        sw_progress = step + 1; // as sw_infer records it
        count();
    }
    line_begin("layer");
    line_hex(level);
    line_hex(number);
    line_hex((uint16_t)(elapsed >> 16));
    line_hex((uint16_t)elapsed);
    line_end();
}

// For debuggers and the simulator: everything is said.
__attribute__((noinline)) void calibrate_done(void);
void calibrate_done(void) {
    for (;;) {
        __asm__ volatile("" ::: "memory");
    }
}

int main(void) {
    uart_setup();
    TA0CTL = SMCLK_BY_4_CONTINUOUS_CLEAR;
    for (uint16_t i = 0; i < sw_input_words; i++) sw_input[i] = i * 37 & 127;
    for (uint16_t level = 0; level < sw_level_count; level++)
        for (uint16_t layer = 0; layer < sw_layer_count; layer++) measure(level, layer);
    line_begin("end");
    line_end();
    sw_progress = 0;
    calibrate_done();
    return 0;
}
