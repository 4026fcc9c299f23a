// SPDX-License-Identifier: Apache-2.0
// Power failures of inferences and switches on a PC. Runs sw_serve.c with a model and cuts it at barriers
// (nvm.inc). Usage, see there for the rest:
//   power infer LEVEL | switch FROM TO   ...
// with --external FILE before that if the model has external memory; the model only reads it.
// The input of the inferences comes from stdin.
#define _GNU_SOURCE // mmap, fork
#define main serve
#include "../../src/sw_serve.c"
#undef main

#include "nvm.inc"
#include "sw_layers.h"

extern const uint16_t sw_input_words, sw_output_words;

int host_external_load(const char *file); // boards/host/external.c

static uint16_t request;       // what is asked for when the case begins
static uint32_t expected[256]; // signature of each level

void sw_board_init(void) {}

void sw_board_copy(int16_t *to, const int16_t *from, uint16_t words) {
    memcpy(to, from, 2u * words);
}

void sw_board_wait(const volatile uint16_t *flag) {
    if (*flag == 0) _exit(DONE);
}

static void boot(void) {
    uint32_t state = coming.seed + 77;
    for (uint16_t i = 0; i < sw_lea_words; i++) sw_lea_ram[i] = (int16_t)next_random(&state);
    serve();
}

// What an inference leaves: logits, class, images.
static uint32_t signature(void) {
    uint32_t hash = 2166136261u;
    const uint8_t *parts[3] = {durable_at(sw_output), durable_at(&sw_class), durable + nvm_bytes};
    size_t sizes[3] = {2u * sw_output_words, 2, image_bytes};
    for (int p = 0; p < 3; p++)
        for (size_t i = 0; i < sizes[p]; i++) hash = (hash ^ parts[p][i]) * 16777619u;
    return hash;
}

static int ask(uint16_t what, uint16_t argument) {
    put(&sw_argument, argument);
    put(&sw_request, what);
    return power_up_whole() == DONE && get(&sw_request) == SW_REQUEST_NONE && get(&sw_status) == SW_OK;
}

// After the losses, someone wants an inference; it must be the level's.
static int infers_right(void) {
    uint16_t results = get(&sw_result);
    if (request == SW_REQUEST_SWITCH) put(&sw_request, SW_REQUEST_INFER);
    if (power_up_whole() != DONE || get(&sw_request) != SW_REQUEST_NONE) return 0;
    if (request == SW_REQUEST_INFER && (uint16_t)(get(&sw_result) - results) > 1) return 0;
    return get(&sw_result) == get(&sw_released) && signature() == expected[get(&sw_level)];
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "--external") == 0) {
        if (!host_external_load(argv[2])) return fail("no such memory");
        argc -= 2, argv += 2;
    }
    int switching = argc > 1 && strcmp(argv[1], "switch") == 0, next = switching ? 4 : 3;
    if (argc <= next) return fail("usage: power infer LEVEL | switch FROM TO ...");
    if (fread(sw_input, 2, sw_input_words, stdin) != sw_input_words) return fail("no input");
    run = boot;
    right = infers_right;
    fit_memory();
    for (uint16_t level = 0; level < sw_level_count; level++) {
        if (!ask(SW_REQUEST_SWITCH, level) || !ask(SW_REQUEST_INFER, 0))
            return fail("the model does not answer");
        expected[level] = signature();
    }
    if (!ask(SW_REQUEST_SWITCH, (uint16_t)atoi(argv[2]))) return fail("no such level");
    request = switching ? SW_REQUEST_SWITCH : SW_REQUEST_INFER;
    if (switching) put(&sw_argument, (uint16_t)atoi(argv[3]));
    put(&sw_request, request);
    return cut(argc - next, argv + next);
}
