// SPDX-License-Identifier: Apache-2.0
// A sensor announces samples, the device answers each at the level that its energy allows, and sleeps.
//
//     swtrain build build/demo --main firmware/examples/harvest/main.c --main
//     firmware/examples/harvest/ready.S
//
// P1.4 rises when a sample is ready, port 3 has its number, modulo 256: it tells a new sample from one that
// was taken before the power failed. A sample that is not answered when the next one comes is dropped. P1.0
// pulses with each answer. PROJECT/policy.c is made by `swtrain policy`. Registers: msp430fr5994.h v1206.
#include "model.h"
#include "sw_policy.h"
#include "sw_supply.h"

#define REG16(address) (*(volatile uint16_t *)(address))
#define REG8(address) (*(volatile uint8_t *)(address))
#define P3IN REG8(0x0220)
#define P1OUT REG8(0x0202)
#define P1DIR REG8(0x0204)
#define P1IES REG8(0x0218)
#define P1IE REG8(0x021A)
#define P1IFG REG8(0x021C)
#define CSCTL0 REG16(0x0160)
#define CSCTL0_H REG8(0x0161)
#define CSCTL2 REG16(0x0164)
#define TA0CTL REG16(0x0340)
#define TA0R REG16(0x0350)

#define ANSWER 0x01 // P1.0
#define READY 0x10  // P1.4
#define CSKEY 0xA500
#define SELA 0x0700
#define SELA_VLO 0x0100
#define TASSEL_ACLK_CONTINUOUS_CLEAR 0x0124

#define BY_POLICY 0xFFFF
#define LOOK_TICKS 472    // 50 ms: a look more often would cost much beside what comes in
#define LOOKS 32          // that found nothing: the next come at half the rate
#define MOST_LOOKS 96     // counted
#define MOST_TICKS 0xF000 // the timer of requests is 16 bits wide

// A fixed level, or BY_POLICY.
SW_NVM volatile uint16_t app_level = BY_POLICY;
// Microseconds between samples; 0 if unknown.
SW_NVM volatile uint32_t app_period_us = 0;
// Number of the last sample taken.
SW_NVM uint16_t app_taken = 0;

// Set by the interrupt of READY, which also clears timer A0.
volatile uint16_t app_timed;

static sw_policy_state_t learned;
static SW_NVM sw_policy_note_t note;

// Between looks at the supply, while there is not enough for an inference: usually, and at most.
static uint16_t look_ticks, seldom_ticks;

static uint16_t sample(void) {
    return P3IN;
}

static uint16_t ticks_since_ready(void) {
    uint16_t a, b = TA0R; // ACLK is not synchronous: a value counts when it was read twice
    do {
        a = b;
        b = TA0R;
    } while (a != b);
    return a;
}

// Time until the next sample replaces this one.
static uint32_t left_us(void) {
    uint32_t period = app_period_us;
    if (!app_timed || period == 0 || period >= (uint32_t)MOST_TICKS * SW_TICK_US)
        return SW_POLICY_NO_DEADLINE;
    uint32_t gone = (uint32_t)ticks_since_ready() * SW_TICK_US;
    return period > gone ? period - gone : 0;
}

static void setup(void) {
    P1OUT = 0;
    P1DIR = ANSWER;
    P1IES = 0; // rising edge
    P1IFG = 0;
    P1IE = READY;
    CSCTL0 = CSKEY;
    CSCTL2 = (CSCTL2 & (uint16_t)~SELA) | SELA_VLO;
    CSCTL0_H = 0;
    uint32_t period = app_period_us / SW_TICK_US; // divisions cost what a look does: once
    seldom_ticks = (uint16_t)(period / 2 < MOST_TICKS ? period / 2 : MOST_TICKS);
    look_ticks = seldom_ticks / 4;
    if (look_ticks < LOOK_TICKS) look_ticks = LOOK_TICKS;
    if (look_ticks > seldom_ticks / 2) look_ticks = seldom_ticks / 2;
    TA0CTL = TASSEL_ACLK_CONTINUOUS_CLEAR;
}

// Looks that found nothing, one behind the other; the lowest store that they saw.
static uint16_t looks_in_vain;
static uint32_t lowest;

// Ticks until energy may have come in; 0: look at the next sample. A look costs about 0.4 uJ, and a night of
// looks what an inference does: the longer nothing comes in, the rarer they are.
static uint16_t next_look(uint32_t stored) {
    if (looks_in_vain == 0 || stored < lowest) lowest = stored;
    if (stored > lowest + (sw_policy.full_nj >> 10)) // more than an ADC's steps
        looks_in_vain = 0;
    else if (looks_in_vain < MOST_LOOKS)
        looks_in_vain++;
    uint32_t ticks = (uint32_t)look_ticks << looks_in_vain / LOOKS;
    return ticks <= seldom_ticks ? (uint16_t)ticks : 0;
}

// The level for a sample, or one of the two codes of sw_policy.h. `new`: asked for the first time.
// `*look_again` becomes the ticks after which energy may have come in; 0: not before the next sample. This
// look costs about 0.8 uJ.
static uint16_t choose(int new, uint16_t *look_again) {
    *look_again = 0;
    if (app_level != BY_POLICY) return app_level;
    uint32_t stored = sw_policy_energy(&sw_policy, sw_board_supply_mv());
    if (new) sw_policy_request(&sw_policy, &learned, stored);
    uint16_t level = sw_policy_pick(&sw_policy, &learned, sw_level, stored, left_us());
    if (level == SW_POLICY_WAIT)
        *look_again = next_look(stored);
    else
        looks_in_vain = 0;
    return level;
}

// Where the policy asks for it: what comes in while the device sleeps.
static void watch(void) {
    if (!sw_policy_watches(&sw_policy, &learned)) return;
    uint16_t nap = seldom_ticks / 4 < LOOK_TICKS ? seldom_ticks / 4 : LOOK_TICKS, begun = ticks_since_ready();
    if (nap == 0) return;
    uint32_t before = sw_policy_energy(&sw_policy, sw_board_supply_mv());
    sw_board_sleep(nap, 0); // short: a full store tells little
    uint32_t after = sw_policy_energy(&sw_policy, sw_board_supply_mv());
    uint16_t gone = (uint16_t)(ticks_since_ready() - begun);
    if (sample() != app_taken) return; // the timer was cleared
    sw_policy_watched(&sw_policy, &learned, before, after, (uint32_t)gone * SW_TICK_US);
}

void app_answer(uint16_t class);

__attribute__((noinline)) void app_answer(uint16_t class) {
    (void)class; // a radio would send it
    P1OUT = ANSWER;
    P1OUT = 0;
}

int main(void) {
    sw_node = sw_layer_count;
    setup();
    sw_policy_start(&sw_policy, &learned, &note);
    uint16_t asked = app_taken;
    for (;;) {
        uint16_t now = sample(), from = sw_level;
        if (now != app_taken) {
            uint16_t look_again, level = choose(now != asked, &look_again);
            asked = now;
            if (level == SW_POLICY_WAIT || level == SW_POLICY_LATE) {
                sw_board_sleep(look_again, 0);
                continue;
            }
            sw_cancel(); // an older sample that the power failure kept from its answer
            sw_release();
            sw_switch(level);
            sw_submit(); // a sensor's driver writes sw_input before
            app_taken = now;
            sw_policy_begin(&sw_policy, &learned, level);
        } else if (sw_state() == SW_IDLE) {
            sw_board_sleep(0, 0);
            continue;
        }
        if (sw_infer() != SW_OK) continue;
        int in_time = sample() == app_taken;
        if (in_time) app_answer((uint16_t)sw_class);
        sw_policy_done(&sw_policy, &learned, from, sw_level, in_time);
        sw_release();
        watch();
    }
}
