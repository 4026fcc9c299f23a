// SPDX-License-Identifier: Apache-2.0
// Power failures on a PC, with a memory that is worse than FRAM: when power goes, what was written since the
// last barrier may have arrived in any order and in part, byte by byte; commit words alone are whole. Runs
// sw_serve.c with a model and cuts it at barriers. Linux.
//
// Each power-up is a process of its own, forked from one that never ran the model, so that nothing volatile
// survives; `durable` is the memory that does. Usage:
//   power infer LEVEL | switch FROM TO   DEPTH TRIES SEED        all barriers, TRIES times each
//   power infer LEVEL | switch FROM TO   case BARRIER:SEED[,BARRIER:SEED]...
// with --external FILE before that if the model has external memory; the model only reads it.
// The input of the inferences comes from stdin. Prints `cases N failures F` and the cases that fail.
#define _GNU_SOURCE // mmap, fork
#define main serve
#include "../../src/sw_serve.c"
#undef main

#include "sw_layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern const uint16_t sw_input_words, sw_output_words;
extern uint8_t __start_sw_nvm[], __stop_sw_nvm[];
extern uint8_t __start_sw_image_data[] __attribute__((weak)), __stop_sw_image_data[] __attribute__((weak));

int host_external_load(const char *file); // boards/host/external.c

enum { DONE = 0, CUT = 1, LONGEST = 8 };

typedef struct {
    unsigned barrier; // at which power goes, from power-up, from 1
    unsigned seed;    // which of the pending bytes arrive
} loss_t;

static uint8_t *durable; // shared by all processes: both sections, one behind the other
static size_t nvm_bytes, image_bytes;
static unsigned barriers, cut_at, cut_seed; // of this power-up

static uint32_t next_random(uint32_t *state) { // xorshift32
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static uint8_t *memory_at(size_t i) {
    return i < nvm_bytes ? __start_sw_nvm + i : __start_sw_image_data + (i - nvm_bytes);
}

static void keep_all(void) {
    memcpy(durable, __start_sw_nvm, nvm_bytes);
    if (image_bytes) memcpy(durable + nvm_bytes, __start_sw_image_data, image_bytes);
}

static void bring_back(void) {
    memcpy(__start_sw_nvm, durable, nvm_bytes);
    if (image_bytes) memcpy(__start_sw_image_data, durable + nvm_bytes, image_bytes);
}

// Seed 0: nothing pending arrives; 1: everything; even: each byte by chance; odd: what lies behind a place.
static void keep_some(const uint8_t *whole) {
    uint32_t state = 2654435761u * (cut_seed + 1) ^ cut_at;
    next_random(&state);
    size_t from = next_random(&state) % (nvm_bytes + image_bytes);
    int word = 0;
    for (size_t i = 0; i < nvm_bytes + image_bytes; i++) {
        const uint8_t *at = memory_at(i);
        if (durable[i] == *at && at != whole && (whole == NULL || at != whole + 1)) continue;
        int keep = cut_seed == 1 || (cut_seed > 1 && (cut_seed % 2 ? i >= from : next_random(&state) & 1));
        if (at == whole) word = keep;
        if (whole != NULL && at == whole + 1) keep = word;
        if (keep) durable[i] = *at;
    }
}

static void barrier(const uint8_t *whole) {
    barriers++;
    if (barriers == cut_at) {
        keep_some(whole);
        _exit(CUT);
    }
    keep_all();
}

void sw_barrier(void) {
    barrier(NULL);
}

void sw_barrier_behind(const volatile uint16_t *word) {
    barrier((const uint8_t *)(uintptr_t)word);
}

void sw_board_init(void) {}

void sw_board_copy(int16_t *to, const int16_t *from, uint16_t words) {
    memcpy(to, from, 2u * words);
}

void sw_board_wait(const volatile uint16_t *flag) {
    if (*flag == 0) _exit(DONE);
}

static void *shared(size_t bytes) {
    void *made = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) exit(2);
    return made;
}

// One power-up, cut at a barrier (0: not at all).
static int power_up(unsigned barrier_number, unsigned seed) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        uint32_t state = seed + 77;
        for (uint16_t i = 0; i < sw_lea_words; i++) sw_lea_ram[i] = (int16_t)next_random(&state);
        bring_back();
        cut_at = barrier_number;
        cut_seed = seed;
        serve();
        _exit(3);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) exit(2);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void put(const volatile void *word, uint16_t value) {
    memcpy(durable + ((const volatile uint8_t *)word - __start_sw_nvm), &value, 2);
}

static uint16_t get(const volatile void *word) {
    uint16_t value;
    memcpy(&value, durable + ((const volatile uint8_t *)word - __start_sw_nvm), 2);
    return value;
}

// What an inference leaves: logits, class, images.
static uint32_t signature(void) {
    uint32_t hash = 2166136261u;
    const uint8_t *parts[3] = {durable + ((uint8_t *)sw_output - __start_sw_nvm),
                               durable + ((uint8_t *)&sw_class - __start_sw_nvm), durable + nvm_bytes};
    size_t sizes[3] = {2u * sw_output_words, 2, image_bytes};
    for (int p = 0; p < 3; p++)
        for (size_t i = 0; i < sizes[p]; i++) hash = (hash ^ parts[p][i]) * 16777619u;
    return hash;
}

static uint8_t *start;         // memory when the case begins
static uint16_t request;       // what is asked for then
static uint32_t expected[256]; // signature of each level
static unsigned long cases, failures;

static int ask(uint16_t what, uint16_t argument) {
    put(&sw_argument, argument);
    put(&sw_request, what);
    return power_up(0, 0) == DONE && get(&sw_request) == SW_REQUEST_NONE && get((void *)&sw_status) == SW_OK;
}

// After the losses, someone wants an inference; it must be the level's.
static int right(void) {
    uint16_t results = get(&sw_result);
    if (request == SW_REQUEST_SWITCH) put(&sw_request, SW_REQUEST_INFER);
    if (power_up(0, 0) != DONE || get(&sw_request) != SW_REQUEST_NONE) return 0;
    if (request == SW_REQUEST_INFER && (uint16_t)(get(&sw_result) - results) > 1) return 0;
    return get(&sw_result) == get(&sw_released) && signature() == expected[get(&sw_level)];
}

static void report(const loss_t *losses, int count) {
    cases++;
    uint8_t *lost = malloc(nvm_bytes + image_bytes);
    memcpy(lost, durable, nvm_bytes + image_bytes);
    if (!right()) {
        failures++;
        printf("case ");
        for (int i = 0; i < count; i++) printf("%s%u:%u", i ? "," : "", losses[i].barrier, losses[i].seed);
        printf("\n");
    }
    memcpy(durable, lost, nvm_bytes + image_bytes);
    free(lost);
}

// All barriers from the present memory on, and below each the next, to `depth`.
static void explore(loss_t *losses, int count, int depth, unsigned tries, unsigned seed) {
    uint8_t *before = malloc(nvm_bytes + image_bytes);
    memcpy(before, durable, nvm_bytes + image_bytes);
    for (unsigned number = 1;; number++) {
        int cut = 0;
        for (unsigned k = 0; k < tries; k++) {
            memcpy(durable, before, nvm_bytes + image_bytes);
            losses[count] = (loss_t){number, k < 2 ? k : seed * 1000 + k};
            cut = power_up(number, losses[count].seed) == CUT;
            if (!cut) break;
            report(losses, count + 1);
            if (depth > 1) explore(losses, count + 1, depth - 1, tries, seed);
        }
        if (!cut) break;
    }
    free(before);
}

static int fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    return 2;
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "--external") == 0) {
        if (!host_external_load(argv[2])) return fail("no such memory");
        argc -= 2, argv += 2;
    }
    if (argc < 2) return fail("usage: see main.c");
    int switching = strcmp(argv[1], "switch") == 0, next = switching ? 4 : 3;
    if (argc < next + 2) return fail("usage: see main.c");
    nvm_bytes = (size_t)(__stop_sw_nvm - __start_sw_nvm);
    image_bytes = (size_t)(__stop_sw_image_data - __start_sw_image_data);
    durable = shared(nvm_bytes + image_bytes);
    if (fread(sw_input, 2, sw_input_words, stdin) != sw_input_words) return fail("no input");
    keep_all();
    for (uint16_t level = 0; level < sw_level_count; level++) {
        if (!ask(SW_REQUEST_SWITCH, level) || !ask(SW_REQUEST_INFER, 0))
            return fail("the model does not answer");
        expected[level] = signature();
    }
    if (!ask(SW_REQUEST_SWITCH, (uint16_t)atoi(argv[2]))) return fail("no such level");
    request = switching ? SW_REQUEST_SWITCH : SW_REQUEST_INFER;
    if (switching) put(&sw_argument, (uint16_t)atoi(argv[3]));
    put(&sw_request, request);
    start = malloc(nvm_bytes + image_bytes);
    memcpy(start, durable, nvm_bytes + image_bytes);

    loss_t losses[LONGEST];
    if (strcmp(argv[next], "case") != 0) {
        if (argc < next + 3) return fail("usage: see main.c");
        explore(losses, 0, atoi(argv[next]), (unsigned)atoi(argv[next + 1]), (unsigned)atoi(argv[next + 2]));
    } else {
        int count = 0;
        for (char *at = strtok(argv[next + 1], ","); at && count < LONGEST; at = strtok(NULL, ",")) {
            if (sscanf(at, "%u:%u", &losses[count].barrier, &losses[count].seed) != 2)
                return fail("not a case");
            power_up(losses[count].barrier, losses[count].seed);
            count++;
        }
        report(losses, count);
    }
    printf("cases %lu failures %lu\n", cases, failures);
    return 0;
}
