// SPDX-License-Identifier: Apache-2.0
// Concatenation: some channels of one input a step. It is the sum of that input and nothing.
#include "sw_layers.h"

void sw_concat_prepare(const void *desc, uint16_t level) {
    (void)level;
    const sw_concat_t *layer = desc;
    sw_image_clear_border(&layer->y);
}

void sw_concat_step(const void *desc, uint16_t step, uint16_t level) {
    (void)level;
    const sw_concat_t *layer = desc;
    const sw_term_t *part = layer->parts;
    uint16_t y_first = 0, first = step * layer->channels_per_step;
    while (first >= part->channels) { // the part's last step takes what is left of it
        uint16_t steps = (part->channels - 1) / layer->channels_per_step + 1;
        first -= steps * layer->channels_per_step;
        y_first += part->channels;
        part++;
    }
    uint16_t channels = part->channels - first;
    if (channels > layer->channels_per_step) channels = layer->channels_per_step;
    const int16_t bounds[] = {layer->lo, layer->hi};
    sw_add_channels(part, first, part, first, &layer->y, y_first + first, channels, bounds);
}
