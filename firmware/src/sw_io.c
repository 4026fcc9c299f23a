// SPDX-License-Identifier: Apache-2.0
// How data enters and leaves a network, and what layers share about images.
#include "sw_layers.h"
#include "swtrain.h"

sw_addr_t sw_place_address(const sw_place_t *place) {
    return sw_arenas[place->arena] + place->offset;
}

int16_t *sw_place_near(const sw_place_t *place) {
    return (int16_t *)(uintptr_t)sw_place_address(place);
}

// Zeros `words` words and returns the address `skip` words behind them.
static sw_addr_t clear(sw_addr_t at, uint16_t words, uint16_t skip) {
    if (words) sw_zero_s16_dma(at, words);
    return at + 2 * (uint32_t)(uint16_t)(words + skip);
}

void sw_image_clear_border(const sw_image_t *image) {
    uint16_t before = (uint16_t)(image->top * image->pitch) + image->left;
    uint16_t between = image->right + image->left; // the end of a row and the start of the next lie together
    uint16_t after = image->right + (uint16_t)(image->bottom * image->pitch);
    if ((before | between | after) == 0) return;
    sw_addr_t at = sw_place_address(&image->data) - 2 * (uint32_t)before;
    for (uint16_t c = 0; c < image->channels; c++) {
        at = clear(at, before, image->width);
        for (uint16_t y = 1; y < image->height; y++) at = clear(at, between, image->width);
        at = clear(at, after, 0);
    }
}

void sw_stage_load(const sw_stage_t *stage) {
    if (stage->words) sw_board_copy(sw_lea_ram, stage->from, stage->words);
}

void sw_load_prepare(const void *desc, uint16_t level) {
    (void)level;
    const sw_load_t *layer = desc;
    sw_image_clear_border(&layer->y);
}

void sw_load_step(const void *desc, uint16_t step, uint16_t level) {
    (void)level;
    const sw_load_t *layer = desc;
    const sw_image_t *y = &layer->y;
    const int16_t *x = layer->x + (uint16_t)(step * y->height * y->width);
    int16_t *to = sw_place_near(&y->data) + (uint16_t)(step * y->plane);
    for (uint16_t row = 0; row < y->height; row++) {
        sw_board_copy(to + (uint16_t)(row * y->pitch), x, y->width);
        x += y->width;
    }
}

void sw_store_prepare(const void *desc, uint16_t level) {
    (void)level;
    (void)desc;
}

void sw_store_step(const void *desc, uint16_t step, uint16_t level) {
    (void)step;
    (void)level;
    const sw_store_t *layer = desc;
    for (uint16_t i = 0; i < layer->words; i++) sw_output[i] = layer->x[i];
    sw_class = (int16_t)sw_argmax_s16_cpu(layer->x, layer->words);
}
