// SPDX-License-Identifier: Apache-2.0
// External memory on a PC: a file in an array. Without a file it reads as an absent part does.
#include "sw_external.h"

#include <stdio.h>
#include <string.h>

#define MOST (1ul << 20)

static uint8_t memory[MOST];
static size_t size;

int host_external_load(const char *file);

int host_external_load(const char *file) {
    FILE *f = fopen(file, "rb");
    if (!f) return 0;
    size = fread(memory, 1, MOST, f);
    int whole = !ferror(f) && fgetc(f) == EOF;
    fclose(f);
    return whole;
}

void sw_external_read(sw_addr_t to, uint32_t address, uint16_t bytes) {
    uint8_t *out = (uint8_t *)to;
    for (uint16_t i = 0; i < bytes; i++) out[i] = address + i < size ? memory[address + i] : 0xFF;
}

void sw_external_write(uint32_t address, sw_addr_t from, uint16_t bytes) {
    if (address + bytes > MOST) return;
    memcpy(memory + address, (const uint8_t *)from, bytes);
    if (address + bytes > size) size = address + bytes;
}
