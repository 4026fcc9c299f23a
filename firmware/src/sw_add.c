// SPDX-License-Identifier: Apache-2.0
// Residual sum: some channels a step, or a part of one.
#include "sw_layers.h"

// Address of the block's first element, in channel `channel` of a tensor.
static sw_addr_t start(const sw_place_t *place, uint16_t channel, uint16_t plane, uint16_t pitch,
                       const sw_block_t *block) {
    return sw_place_address(place) + 2 * sw_mul_u16(plane, channel) + 2 * sw_mul_u16(pitch, block->row) +
           2 * (uint32_t)block->col;
}

void sw_add_block(const sw_term_t *a, const sw_term_t *b, const sw_image_t *y, uint16_t y_first,
                  const sw_block_t *block, const int16_t *bounds) {
    sw_add_t add;
    uint16_t channels = block->channels;
    add.a = start(&a->data, block->channel, a->plane, a->pitch, block);
    add.b = start(&b->data, block->channel, b->plane, b->pitch, block);
    add.y = start(&y->data, y_first + block->channel, y->plane, y->pitch, block);
    add.a_factor = a->factor;
    add.b_factor = b == a ? 0 : b->factor;
    add.lo = bounds[0];
    add.hi = bounds[1];
    uint16_t size = block->cols * block->rows;                      // of whole channels unless one is cut
    if (a->plane == size && b->plane == size && y->plane == size) { // all channels lie without gaps
        add.width = size * channels;
        add.height = 1;
        add.a_skip = add.b_skip = add.y_skip = 0;
        sw_add_s16_cpu(&add);
        return;
    }
    add.width = block->cols;
    add.height = block->rows;
    add.a_skip = 2 * (a->pitch - block->cols);
    add.b_skip = 2 * (b->pitch - block->cols);
    add.y_skip = 2 * (y->pitch - block->cols);
    while (channels--) {
        sw_add_s16_cpu(&add);
        add.a += 2 * (uint32_t)a->plane;
        add.b += 2 * (uint32_t)b->plane;
        add.y += 2 * (uint32_t)y->plane;
    }
}

void sw_add_prepare(const void *desc, uint16_t level) {
    (void)level;
    (void)desc;
}

void sw_add_step(const void *desc, uint16_t step, uint16_t level) {
    (void)level;
    const sw_add_layer_t *layer = desc;
    sw_block_t block;
    sw_image_block(&layer->cut, &layer->y, step, &block);
    const int16_t bounds[] = {layer->lo, layer->hi};
    sw_add_block(&layer->a, &layer->b, &layer->y, 0, &block, bounds);
}
