// SPDX-License-Identifier: Apache-2.0
// How data enters and leaves a network, and what layers share about images.
#include "sw_layers.h"
#include "swtrain.h"

void sw_image_clear_border(const sw_image_t *image) {
    if ((image->top | image->left | image->bottom | image->right) == 0) return;
    uint16_t rows = image->top + image->height + image->bottom;
    for (uint16_t c = 0; c < image->channels; c++) {
        int16_t *row = image->data + (uint16_t)(c * image->plane) - image->top * image->pitch - image->left;
        for (uint16_t y = 0; y < rows; y++) {
            int inside = y >= image->top && y < image->top + image->height;
            uint16_t skip_from = inside ? image->left : image->pitch;
            uint16_t skip_to = inside ? image->left + image->width : image->pitch;
            for (uint16_t x = 0; x < skip_from; x++) row[x] = 0;
            for (uint16_t x = skip_to; x < image->pitch; x++) row[x] = 0;
            row += image->pitch;
        }
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
