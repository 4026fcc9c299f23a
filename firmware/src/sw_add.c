// SPDX-License-Identifier: Apache-2.0
// Residual sum: some channels a step.
#include "sw_layers.h"

// Bytes from the first element of a tensor to that of a channel.
static sw_addr_t channel_at(const sw_place_t *place, uint16_t plane, uint16_t channel) {
    return sw_place_address(place) + 2 * sw_mul_u16(plane, channel);
}

void sw_add_channels(const sw_term_t *a, uint16_t a_first, const sw_term_t *b, uint16_t b_first,
                     const sw_image_t *y, uint16_t y_first, uint16_t channels, const int16_t *bounds) {
    sw_add_t add;
    add.a = channel_at(&a->data, a->plane, a_first);
    add.b = channel_at(&b->data, b->plane, b_first);
    add.y = channel_at(&y->data, y->plane, y_first);
    add.a_factor = a->factor;
    add.b_factor = b == a ? 0 : b->factor;
    add.lo = bounds[0];
    add.hi = bounds[1];
    uint16_t size = y->width * y->height;
    if (a->plane == size && b->plane == size && y->plane == size) { // all channels lie without gaps
        add.width = size * channels;
        add.height = 1;
        add.a_skip = add.b_skip = add.y_skip = 0;
        sw_add_s16_cpu(&add);
        return;
    }
    add.width = y->width;
    add.height = y->height;
    add.a_skip = 2 * (a->pitch - y->width);
    add.b_skip = 2 * (b->pitch - y->width);
    add.y_skip = 2 * (y->pitch - y->width);
    while (channels--) {
        sw_add_s16_cpu(&add);
        add.a += 2 * (uint32_t)a->plane;
        add.b += 2 * (uint32_t)b->plane;
        add.y += 2 * (uint32_t)y->plane;
    }
}

void sw_add_prepare(const void *desc, uint16_t level) {
    (void)level;
    const sw_add_layer_t *layer = desc;
    sw_image_clear_border(&layer->y);
}

void sw_add_step(const void *desc, uint16_t step, uint16_t level) {
    (void)level;
    const sw_add_layer_t *layer = desc;
    uint16_t first = step * layer->channels_per_step;
    uint16_t channels = layer->y.channels - first;
    if (channels > layer->channels_per_step) channels = layer->channels_per_step;
    const int16_t bounds[] = {layer->lo, layer->hi};
    sw_add_channels(&layer->a, first, &layer->b, first, &layer->y, first, channels, bounds);
}
