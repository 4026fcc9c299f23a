// SPDX-License-Identifier: Apache-2.0
// The experiments, one after another. The number of the running one lies in FRAM: after a reset (a command
// that hung and the watchdog, or a person) the probe goes on with the next one and says which one it skipped.
#include "probe.h"
#include "sw_platform.h"

#define SYSRSTIV REG16(0x019E)
#define TA0CTL REG16(0x0340)
#define LEACAP REG16(0x0A80)
#define LEAMB REG16(0x0A90)
#define LEAMT REG16(0x0A94)
#define LEACMA_L REG16(0x0A98)
#define LEACMA_H REG16(0x0A9A)
#define LEACMCTL_L REG16(0x0A9C)
#define LEACMCTL_H REG16(0x0A9E)
#define LEAITFLG1 0x0002

#define SMCLK_CONTINUOUS_CLEAR 0x0224
#define REVISION_WORD 0x2FFC // ROM checksum: A 7877D27Fh, B AE790580h (DSPLib msp_lea_init)
#define MAE 0x0001

// Experiments of one command: results first, then times.
enum { RESULTS = 8, TIMES = 6, PER_COMMAND = RESULTS + TIMES };
enum { ADD = 0, MAC = 3, ROW = 4, FIR = 5 }; // in probe_commands

// What a line is about, and what the running experiment is, for the report after a reset.
enum kind { KIND_NONE, KIND_RESULT, KIND_CYCLES, KIND_STALL, KIND_RANGE, KIND_ODD };

const char line_tag[] = "#LEA";

static SW_NVM uint16_t next_experiment = 0;
static SW_NVM uint16_t running_kind = KIND_NONE;
static SW_NVM uint16_t running_code = 0;

static void announce(uint16_t kind, uint16_t code) {
    running_kind = kind;
    running_code = code;
}

static void say_call(const char *kind, uint16_t id, const call_t *call, uint16_t n, uint16_t m) {
    line_begin(kind);
    line_hex(id);
    line_hex(call->code);
    line_hex(n);
    line_hex(m);
    line_hex(call->ticks);
    line_hex(call->flags);
}

static void say_result(const char *kind, uint16_t id, const call_t *call, uint16_t n, uint16_t m) {
    say_call(kind, id, call, n, m);
    line_hex(call->x);
    for (uint16_t i = 0; i < 6; i++) line_hex(call->block[i]);
    line_words((uint16_t)(call->x << 2), call->x_words);
    line_words(PLACE_Y, call->y_words);
    line_words(PLACE_Z, (uint16_t)(call->z_words + 1)); // one more: nothing may be written behind
    line_end();
}

static void result(uint16_t id, const command_t *command, uint16_t which) {
    static const uint8_t patterns[RESULTS] = {PATTERN_SMALL, PATTERN_FULL, PATTERN_RAIL,  PATTERN_MIN,
                                              PATTERN_TIES,  PATTERN_FULL, PATTERN_SMALL, PATTERN_FULL};
    call_t call;
    uint16_t stride = which == 6 ? 2 : 1, n = which == 7 ? 2 : 8, m = command->depth ? command->depth : 4;
    if (command->depth && which == 6) m = (uint16_t)(m + 2);
    announce(KIND_RESULT, command->code);
    call_describe(&call, command, n, m, stride);
    call_fill(&call, patterns[which], id);
    call_run(&call);
    say_result("result", id, &call, n, m);
}

static void timing(uint16_t id, const command_t *command, uint16_t which) {
    static const uint8_t sizes[TIMES] = {4, 20, 52, 100, 24, 76};
    static const uint8_t grid[TIMES][2] = {{2, 2}, {2, 12}, {10, 2}, {10, 12}, {20, 6}, {30, 8}};
    call_t call;
    uint16_t n = sizes[which], m = command->depth;
    if (command->shape >= SHAPE_ROW && command->shape <= SHAPE_FIR_DOUBLE) {
        n = grid[which][0];
        m = grid[which][1];
    } else if (m && which >= 4) {
        m = (uint16_t)(m + 2);
    }
    announce(KIND_CYCLES, command->code);
    call_describe(&call, command, n, m, 1);
    call_fill(&call, PATTERN_ZERO, id);
    call_run(&call);
    say_call("cycles", id, &call, n, m);
    line_end();
}

// --- experiments that are not of one command

static void guard_bits(uint16_t id) { // 258 products of 2^31: more than 39 bits hold
    call_t call;
    announce(KIND_RESULT, probe_commands[MAC].code);
    call_describe(&call, &probe_commands[MAC], 258, 0, 1);
    call_fill(&call, PATTERN_MIN, id);
    call_run(&call);
    say_result("result", id, &call, 258, 0);
}

static void source_at_bottom(uint16_t id) { // OORIFG of FIR commands whose source starts at LEAMB
    call_t call;
    announce(KIND_RESULT, probe_commands[FIR].code);
    call_describe(&call, &probe_commands[FIR], 8, 4, 1);
    call.x = LEA_BOTTOM >> 2;
    call_fill(&call, PATTERN_SMALL, id);
    call_run(&call);
    say_result("result", id, &call, 8, 4);
}

// Loads and stores of the CPU beside a running FIR: in SRAM, then in LEA RAM where no operand lies.
static void stalls(uint16_t id, uint16_t stores) {
    uint16_t (*access)(uint16_t, uint16_t, uint16_t *) = stores ? probe_store : probe_load;
    static uint16_t beside;
    static const uint8_t n = 100, m = 12;
    uint16_t ticks[2], ends[2], address = 0;
    announce(KIND_STALL, probe_commands[FIR].code);
    for (uint16_t i = 0; i < 2; i++) {
        call_t call;
        call_describe(&call, &probe_commands[FIR], n, m, 1);
        call_fill(&call, PATTERN_ZERO, id);
        address = i ? PLACE_IDLE : (uint16_t)(uintptr_t)&beside;
        REG16(address) = 0;
        call_run(&call); // block and operands are in place now; the flags are cleared by the next run
        ticks[i] = access(call.code | LEAITFLG1, address, &ends[i]);
    }
    line_begin("stall");
    line_hex(id);
    line_hex(stores);
    line_hex(ticks[0]);
    line_hex(ticks[1]);
    line_hex(ends[0]);
    line_hex(ends[1]);
    line_end();
}

static void out_of_range(uint16_t id) { // input 2 in the CPU's SRAM: read only, harmless
    call_t call;
    announce(KIND_RANGE, probe_commands[ADD].code);
    call_describe(&call, &probe_commands[ADD], 8, 0, 1);
    call_fill(&call, PATTERN_SMALL, id);
    call.block[1] = 0x1C00 >> 2;
    call_run(&call);
    say_call("range", id, &call, 8, 0);
    line_words(PLACE_Z, call.z_words);
    line_end();
}

// Sizes that the model refuses. Known to end on silicon, with wrong numbers (TI e2e 711123, 716353); zero is
// not known to end, and not tried.
static void odd_size(uint16_t id, uint16_t which) {
    call_t call;
    announce(KIND_ODD, probe_commands[which ? ROW : ADD].code);
    call_describe(&call, &probe_commands[which ? ROW : ADD], which ? 2 : 5, which ? 3 : 0, 1);
    call_fill(&call, PATTERN_SMALL, id);
    call_run(&call);
    say_result("odd", id, &call, which ? 2 : 5, which ? 3 : 0);
}

static void stack_pattern(uint16_t put) {
    uint16_t first = LEA_TOP - LEA_STACK_BYTES, lowest = PLACE_BLOCK;
    for (uint16_t a = PLACE_BLOCK; a > first;) {
        a = (uint16_t)(a - 2);
        if (put)
            REG16(a) = 0xC3A5;
        else if (REG16(a) != 0xC3A5)
            lowest = a;
    }
    if (put) return;
    line_begin("stack");
    line_hex((uint16_t)(PLACE_BLOCK - lowest));
    line_end();
}

// Returns 0 when `id` is no experiment any more.
static uint16_t experiment(uint16_t id) {
    uint16_t first = (uint16_t)(probe_command_count * PER_COMMAND);
    if (id < first) {
        const command_t *command = &probe_commands[id / PER_COMMAND];
        uint16_t which = id % PER_COMMAND;
        if (which < RESULTS)
            result(id, command, which);
        else
            timing(id, command, (uint16_t)(which - RESULTS));
        return 1;
    }
    switch (id - first) {
    case 0: guard_bits(id); return 1;
    case 1: source_at_bottom(id); return 1;
    case 2: stalls(id, 0); return 1;
    case 3: stalls(id, 1); return 1;
    case 4: out_of_range(id); return 1;
    case 5: odd_size(id, 0); return 1;
    case 6: odd_size(id, 1); return 1;
    default: return 0;
    }
}

static void begin(void) {
    line_begin("begin");
    line_hex(PROBE_VERSION);
    line_hex(next_experiment); // 0: from the start; else the one before it did not end:
    line_hex(running_kind);
    line_hex(running_code);
    line_hex(SYSRSTIV);
    line_hex(LEACAP);
    line_hex(LEAMB);
    line_hex(LEAMT);
    LEACMCTL_L = MAE;
    LEACMCTL_H = REVISION_WORD;
    line_hex(LEACMA_H);
    line_hex(LEACMA_L);
    LEACMCTL_L = 0;
    LEACMCTL_H = 0;
    line_end();
    line_begin("wake"); // what an interrupt costs from its request to the routine's reading of the timer
    for (uint16_t i = 0; i < 3; i++) line_hex(probe_wake((uint16_t)(200 + 67 * i)));
    line_end();
}

int main(void) {
    uart_setup();
    TA0CTL = SMCLK_CONTINUOUS_CLEAR;
    lea_setup();
    for (uint16_t a = LEA_BOTTOM; a < LEA_TOP; a = (uint16_t)(a + 2)) REG16(a) = 0;
    stack_pattern(1);
    begin();
    uint16_t id = next_experiment;
    for (;;) {
        next_experiment = (uint16_t)(id + 1); // before it starts: a reset skips it
        if (!experiment(id)) break;
        id++;
    }
    next_experiment = 0;
    announce(KIND_NONE, 0);
    stack_pattern(0);
    line_begin("end");
    line_hex(id);
    line_end();
    return 0;
}
