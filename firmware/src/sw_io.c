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

static void clear(sw_addr_t to, uint16_t width, uint16_t height, uint16_t pitch) {
    sw_rows_t rows = {to, 0, width, height, 2 * pitch, 0};
    if (width && height) sw_zero_rows_s16_dma(&rows);
}

void sw_image_clear_border(const sw_image_t *image, uint16_t first, uint16_t channels) {
    if ((image->top | image->left | image->bottom | image->right) == 0) return;
    uint16_t before = (uint16_t)(image->top * image->pitch) + image->left;
    uint16_t between = image->right + image->left; // the end of a row and the start of the next lie together
    uint16_t after = image->right + (uint16_t)(image->bottom * image->pitch);
    sw_addr_t at = sw_place_address(&image->data) + 2 * sw_mul_u16(first, image->plane);
    uint32_t last = 2 * sw_mul_u16(image->height - 1, image->pitch);
    for (uint16_t c = 0; c < channels; c++) {
        sw_addr_t end = at + 2 * image->width; // of the first row
        clear(at - 2 * (uint32_t)before, before, 1, 0);
        clear(end, between, image->height - 1, image->pitch);
        clear(end + last, after, 1, 0);
        at += 2 * (uint32_t)image->plane;
    }
}

void sw_block_of_step(const sw_cut_t *cut, uint16_t channels, uint16_t height, uint16_t width, uint16_t step,
                      sw_block_t *block) {
    block->row = block->col = 0;
    block->rows = height;
    block->cols = width;
    if (cut->per_channel == 1) { // whole channels
        block->channel = step;
        block->channels = 1;
        if (cut->channels == 1) return;
        block->channel = step * cut->channels;
        block->channels = sw_at_most(cut->channels, channels - block->channel);
        return;
    }
    block->channel = step / cut->per_channel;
    block->channels = 1;
    uint16_t rest = step - block->channel * cut->per_channel;
    if (cut->cols < width) { // one row
        uint16_t across = (width - 1) / cut->cols + 1;
        uint16_t down = rest / across;
        block->col = (rest - down * across) * cut->cols;
        block->cols = sw_at_most(cut->cols, width - block->col);
        rest = down;
    }
    block->row = rest * cut->rows;
    block->rows = sw_at_most(cut->rows, height - block->row);
}

void sw_image_block(const sw_cut_t *cut, const sw_image_t *image, uint16_t step, sw_block_t *block) {
    sw_block_of_step(cut, image->channels, image->height, image->width, step, block);
    if (block->row == 0 && block->col == 0) sw_image_clear_border(image, block->channel, block->channels);
}

void sw_stage_load(const sw_stage_t *stage) {
    if (stage->words) sw_board_copy(sw_lea_ram, stage->from, stage->words);
}

void sw_load_prepare(const void *desc, uint16_t level) {
    (void)level;
    (void)desc;
}

void sw_load_step(const void *desc, uint16_t step, uint16_t level) {
    (void)level;
    const sw_load_t *layer = desc;
    const sw_image_t *y = &layer->y;
    sw_block_t block;
    sw_image_block(&layer->cut, y, step, &block);
    const int16_t *x = layer->x + (uint16_t)((uint16_t)(block.channel * y->height + block.row) * y->width);
    sw_rows_t rows;
    rows.to = sw_place_address(&y->data) + 2 * sw_mul_u16(block.channel, y->plane) +
              2 * sw_mul_u16(block.row, y->pitch) + 2 * (uint32_t)block.col;
    rows.from = (sw_addr_t)(uintptr_t)(x + block.col);
    rows.width = block.cols;
    rows.height = block.rows;
    rows.to_pitch = 2 * y->pitch;
    rows.from_pitch = 2 * y->width;
    sw_copy_rows_s16_dma(&rows);
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
