// SPDX-License-Identifier: Apache-2.0
// Activations that wait in external memory. A step copies some bytes and writes nothing that it reads, so
// repeating it is harmless; a write that power cuts short is made again as a whole.
#include "sw_external.h"
#include "sw_layers.h"

static uint16_t chunk_of(const sw_swap_t *layer, uint16_t offset) {
    uint16_t left = layer->bytes - offset;
    return left < layer->chunk ? left : layer->chunk;
}

void sw_swap_out_prepare(const void *desc, uint16_t level) {
    (void)desc;
    (void)level;
}

void sw_swap_out_step(const void *desc, uint16_t step, uint16_t level) {
    const sw_swap_t *layer = desc;
    uint16_t offset = (uint16_t)sw_mul_u16(step, layer->chunk);
    (void)level;
    sw_external_write(layer->external + offset, sw_place_address(&layer->place) + offset,
                      chunk_of(layer, offset));
}

void sw_swap_in_prepare(const void *desc, uint16_t level) {
    (void)desc;
    (void)level;
}

void sw_swap_in_step(const void *desc, uint16_t step, uint16_t level) {
    const sw_swap_t *layer = desc;
    uint16_t offset = (uint16_t)sw_mul_u16(step, layer->chunk);
    (void)level;
    sw_external_read(sw_place_address(&layer->place) + offset, layer->external + offset,
                     chunk_of(layer, offset));
}
