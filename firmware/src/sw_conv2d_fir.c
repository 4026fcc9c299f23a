// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution on the LEA: rows of a channel lie one behind the other, so a filter with zeros
// between its rows is the impulse response of one FIR that makes all rows of a tile. The last outputs of a
// row, whose windows reach into the next one, are no results.
//
// sw_lea_ram holds the parameter block, then twice: results, inputs, taps; then the weights as fetched. While
// the LEA runs channel c, the DMA fetches channel c + 1 and the CPU places its taps and clips the results of
// channel c - 1.
#include "sw_layers.h"

typedef struct {
    int16_t *result, *input, *taps;
    int16_t bias;
} slot_t;

static int16_t *place_slot(slot_t *slot, int16_t *at, uint16_t outputs, uint16_t window) {
    slot->result = at;
    slot->input = slot->result + outputs;
    slot->taps = slot->input + outputs + window;
    slot->bias = 0;
    return slot->taps + window;
}

void sw_conv2d_fir_prepare(const void *desc, uint16_t level) {
    (void)desc;
    (void)level;
}

// Everything that the command for one channel reads.
static void load(const sw_conv2d_fir_t *layer, const sw_column_group_t *group, uint16_t row, uint16_t level,
                 uint16_t inputs, int16_t *weights, slot_t *slot) {
    sw_fetch_s16_dma(slot->input,
                     sw_place_address(&layer->x) + group->base + 2 * sw_mul_u16(row, layer->x_pitch), inputs);
    uint16_t count = group->counts[level];
    sw_fetch_s16_dma(weights, sw_blobs[layer->columns.blob] + group->weights, count);
    // b * 2^15 is 2 b * 2^14, or b * (2^15 - 1) + b * 1 (FORMAT.md)
    slot->bias = layer->columns.constant_count == 1 ? weights[0] / 2 : weights[0];
    int16_t *taps = slot->taps, *last = taps + layer->window - 1;
    for (uint16_t i = 0; i < layer->window; i++) taps[i] = 0;
    const uint16_t *offset = group->taps;
    for (uint16_t i = layer->columns.constant_count; i < count; i++)
        *(last - (*offset++ >> 1)) += weights[i]; // padding adds 0 to a tap that may have a weight
}

// Clips the results of a channel, and copies them to their place if that is above 64 KB.
static void finish(const sw_conv2d_fir_t *layer, const slot_t *slot, uint16_t channel, uint16_t row,
                   uint16_t rows) {
    const sw_image_t *image = &layer->y;
    uint16_t far = image->data.arena; // arena 0 can be reached by the CPU
    sw_addr_t y = sw_place_address(&image->data) +
                  2 * (sw_mul_u16(channel, image->plane) + (uint16_t)(row * image->pitch));
    sw_clip_t clip = {slot->result,   far ? slot->result : (int16_t *)(uintptr_t)y,
                      layer->x_pitch, far ? image->width : image->pitch,
                      image->width,   rows,
                      layer->lo,      layer->hi,
                      slot->bias};
    sw_clip_bias_s16_cpu(&clip);
    if (far) sw_store_tile(&clip, y, image->pitch);
}

void sw_conv2d_fir_step(const void *desc, uint16_t step, uint16_t level) {
    const sw_conv2d_fir_t *layer = desc;
    const sw_image_t *image = &layer->y;
    uint16_t row = 0, channel = 0;
    for (; step > 0; step--) {
        channel += layer->channels_per_step;
        if (channel < image->channels) continue;
        channel = 0;
        row += layer->rows;
    }
    uint16_t rows = sw_at_most(layer->rows, image->height - row);
    uint16_t count = sw_at_most(layer->channels_per_step, image->channels - channel);
    if (row == 0) sw_image_clear_border(image, channel, count);
    uint16_t outputs = (uint16_t)((rows - 1) * layer->x_pitch) + image->width;
    outputs += outputs & 1;
    slot_t slots[2];
    int16_t *weights = sw_lea_ram + SW_LEA_FIR_WORDS;
    for (uint16_t i = 0; i < 2; i++) weights = place_slot(&slots[i], weights, outputs, layer->window);

    const sw_column_group_t *group = &layer->columns.groups[channel];
    load(layer, group, row, level, outputs + layer->window, weights, &slots[0]);
    SW_LEA_FIR->outputs = outputs;
    SW_LEA_FIR->tap_count = layer->window;
    SW_LEA_FIR->mask = 0xFFFF;
    for (uint16_t c = 0; c <= count; c++) {
        slot_t *slot = &slots[c & 1], *other = &slots[~c & 1];
        if (c < count) {
            SW_LEA_FIR->taps = SW_LEA_POINTER(slot->taps);
            SW_LEA_FIR->result = SW_LEA_POINTER(slot->result);
            sw_fir_s16_lea(SW_LEA_POINTER(slot->input), SW_LEA_POINTER(sw_lea_ram));
            if (!sw_lea_overlap) sw_lea_wait();
        }
        int16_t bias = other->bias; // of the results there, before the next channel's takes its place
        group++;
        if (c + 1 < count) load(layer, group, row, level, outputs + layer->window, weights, other);
        if (c > 0) {
            slot_t done = *other;
            done.bias = bias;
            finish(layer, &done, channel + c - 1, row, rows);
        }
        if (sw_lea_overlap) sw_lea_wait();
    }
}
