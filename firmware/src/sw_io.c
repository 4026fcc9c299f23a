// SPDX-License-Identifier: Apache-2.0
// How data enters and leaves a network, and what layers share about images.
#include "sw_layers.h"
#include "swtrain.h"

static int16_t *clear(int16_t *to, uint16_t words) {
    while (words--) *to++ = 0;
    return to;
}

void sw_image_clear_border(const sw_image_t *image) {
    uint16_t before = (uint16_t)(image->top * image->pitch) + image->left;
    uint16_t between = image->right + image->left; // the end of a row and the start of the next lie together
    uint16_t after = image->right + (uint16_t)(image->bottom * image->pitch);
    if ((before | between | after) == 0) return;
    int16_t *at = image->data - before;
    for (uint16_t c = 0; c < image->channels; c++) {
        at = clear(at, before);
        for (uint16_t y = 1; y < image->height; y++) at = clear(at + image->width, between);
        at = clear(at + image->width, after);
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
    for (uint16_t row = 0; row < y->height; row++) {
        sw_board_copy(y->data + (uint16_t)(step * y->plane + row * y->pitch), x, y->width);
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
