// SPDX-License-Identifier: Apache-2.0
// Concatenation: some channels of one input a step, or a part of one. It is the sum of that input and
// nothing.
#include "sw_layers.h"

void sw_concat_prepare(const void *desc, uint16_t level) {
    (void)level;
    (void)desc;
}

void sw_concat_step(const void *desc, uint16_t step, uint16_t level) {
    (void)level;
    const sw_concat_t *layer = desc;
    const sw_image_t *y = &layer->y;
    const sw_term_t *part = layer->parts;
    uint16_t y_first = 0;
    for (;; part++) { // the part's last step takes what is left of it
        uint16_t steps = part->channels * layer->cut.per_channel;
        if (layer->cut.per_channel == 1) steps = (part->channels - 1) / layer->cut.channels + 1;
        if (step < steps) break;
        step -= steps;
        y_first += part->channels;
    }
    sw_block_t block;
    sw_block_of_step(&layer->cut, part->channels, y->height, y->width, step, &block);
    if (block.row == 0 && block.col == 0) sw_image_clear_border(y, y_first + block.channel, block.channels);
    const int16_t bounds[] = {layer->lo, layer->hi};
    sw_add_block(part, part, y, y_first, &block, bounds);
}
