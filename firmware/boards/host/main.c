// SPDX-License-Identifier: Apache-2.0
// The same model on a PC: reads inputs (native int16, one after another) from stdin, writes the logits of
// each to stdout. Usage: model LEVEL [weights_external.bin]
#include "swtrain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

extern const uint16_t sw_input_words, sw_output_words;

void sw_board_init(void) {}

void sw_board_copy(int16_t *to, const int16_t *from, uint16_t words) {
    memcpy(to, from, 2u * words);
}

void sw_board_wait(const volatile uint16_t *flag) {
    (void)flag;
}

// external.c
int host_external_load(const char *file);

static int other_memory(void) {
    fprintf(stderr,
            "the weights of this model lie in weights_external.bin; give the file that was made with it\n");
    return 3;
}

int main(int argc, char **argv) {
    char *end = NULL;
    long level = argc == 2 || argc == 3 ? strtol(argv[1], &end, 10) : -1;
    if (level < 0 || end == argv[1] || *end || level >= sw_level_count) {
        fprintf(stderr, "usage: model LEVEL [weights_external.bin], with 0 <= LEVEL < %u\n", sw_level_count);
        return 2;
    }
    if (argc == 3 && !host_external_load(argv[2])) {
        fprintf(stderr, "%s can't be read\n", argv[2]);
        return 2;
    }
    if (sw_switch((uint16_t)level) != SW_OK) return other_memory();
#ifdef _WIN32
    _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
#endif
    size_t got;
    while ((got = fread(sw_input, 2, sw_input_words, stdin)) == sw_input_words) {
        if (sw_infer() != SW_OK) return other_memory();
        if (fwrite(sw_output, 2, sw_output_words, stdout) != sw_output_words) return 1;
    }
    if (got != 0) {
        fprintf(stderr, "the last input is incomplete: %u of %u words\n", (unsigned)got, sw_input_words);
        return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
