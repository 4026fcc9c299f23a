// SPDX-License-Identifier: Apache-2.0
// Convolution: unpack one filter into taps, run them over rows of windows, clip.
//
// The taps stay in SRAM while steps of the same filter follow each other. A filter with more taps than
// sw_taps holds is unpacked in pieces, once per row of windows, and sums go on from piece to piece.
#include "sw_layers.h"

#define NO_FILTER 0xFFFF

// Goes through the weights of a filter that are in use: level by level, each from position 0.
typedef struct {
    sw_unpack_t unpack;
    sw_cursor_t cursor;
    uint16_t runs;    // levels to open
    uint16_t entries; // left in the open level
} reader_t;

// Volatile: a reboot or another layer makes it invalid, and sw_conv2d_prepare resets it.
static struct {
    sw_cursor_t cursor;
    reader_t reader;
    uint16_t filter; // whose taps sw_taps holds whole, or NO_FILTER
    uint16_t taps;
} state;

static void reader_open(reader_t *r, const sw_conv2d_t *layer, uint16_t filter, uint16_t level) {
    sw_cursor_seek(&state.cursor, &layer->weights, filter);
    r->cursor = state.cursor;
    r->runs = sw_run_count(&layer->weights);
    if (r->runs > level + 1) r->runs = level + 1;
    r->entries = 0;
    r->unpack.codes.index = r->cursor.index;
    r->unpack.kernel_w = (int16_t)layer->kernel_w;
    r->unpack.kernel_h = (int16_t)layer->kernel_h;
    r->unpack.row_skip = (int16_t)(2 * (layer->x_pitch - layer->kernel_w));
    r->unpack.plane_skip = (int16_t)(2 * (layer->x_plane - layer->kernel_h * layer->x_pitch));
    r->unpack.unit = layer->weights.unit;
    r->unpack.patterns = layer->weights.patterns;
    if (layer->weights.patterns) r->unpack.row_skip = (int16_t)(2 * layer->x_plane);
}

static void reader_next(reader_t *r, const sw_packed_t *packed) {
    r->runs--;
    r->entries = sw_cursor_count(&r->cursor, packed);
    r->unpack.weights = r->cursor.weights;
    if (!packed->shared) r->unpack.codes.index = r->cursor.index; // else it is there from the level before
    sw_skip_runs(&r->cursor, packed, 1);
    r->unpack.codes.left = 0;
    r->unpack.unit_left = 0;
    r->unpack.offset = (int16_t)(packed->patterns ? -r->unpack.row_skip : -2);
    r->unpack.left = (int16_t)(r->unpack.kernel_w + 1);
    r->unpack.rows = r->unpack.kernel_h;
}

// Fills sw_taps; returns the number of taps, less than its size when the filter is exhausted.
static uint16_t reader_fill(reader_t *r, const sw_conv2d_t *layer) {
    uint16_t room;
    r->unpack.out = sw_taps;
    r->unpack.previous = 0; // the first tap of each piece counts from the start of the window
    while ((room = (uint16_t)(sw_taps + sw_taps_capacity - r->unpack.out)) > 0) {
        if (r->entries == 0) {
            if (r->runs == 0) break;
            reader_next(r, &layer->weights);
            continue;
        }
        uint16_t count = r->entries < room ? r->entries : room;
        r->unpack.count = count;
        layer->taps(&r->unpack);
        r->entries -= count;
    }
    return sw_taps_capacity - room;
}

void sw_conv2d_prepare(const void *desc, uint16_t level) {
    (void)level;
    const sw_conv2d_t *layer = desc;
    sw_stage_load(&layer->stage);
    sw_cursor_reset(&state.cursor, &layer->weights);
    state.filter = NO_FILTER;
}

void sw_conv2d_step(const void *desc, uint16_t step, uint16_t level) {
    const sw_conv2d_t *layer = desc;
    sw_block_t block;
    sw_image_block(&layer->cut, &layer->y, step, &block);
    uint16_t filter = block.channel;

    int32_t bias = layer->bias[filter] * ((int32_t)1 << layer->requant.shift);
    int16_t *channel = sw_place_near(&layer->y.data) + (uint16_t)(filter * layer->y.plane);
    const int16_t *x = layer->x + (uint16_t)(block.col * layer->stride_w);
    if (layer->group_filters < layer->y.channels)
        x += (uint16_t)((filter / layer->group_filters) * layer->group_words);
    sw_conv_row_t row;
    row.step = 2 * layer->stride_w;
    row.count = block.cols;
    row.taps = sw_taps;
    row.acc = sw_acc;
    for (uint16_t oy = block.row; oy < block.row + block.rows; oy++) {
        row.x = x + (uint16_t)(oy * layer->stride_h * layer->x_pitch);
        row.init = &bias;
        row.init_step = 0;
        if (state.filter != filter) {
            reader_open(&state.reader, layer, filter, level);
            state.taps = reader_fill(&state.reader, layer);
            state.filter = state.taps < sw_taps_capacity ? filter : NO_FILTER;
        }
        row.tap_count = state.taps;
        sw_conv2d_taps_s16_cpu(&row);
        // the other pieces of a filter that sw_taps can't hold whole
        while (row.tap_count == sw_taps_capacity) {
            row.tap_count = reader_fill(&state.reader, layer);
            row.init = sw_acc;
            row.init_step = 4;
            sw_conv2d_taps_s16_cpu(&row);
        }
        int16_t *y = channel + (uint16_t)(oy * layer->y.pitch) + block.col;
        if (layer->requant.shift == 15)
            sw_requant15_s16_cpu(sw_acc, y, block.cols, &layer->requant);
        else
            sw_requant_s16_cpu(sw_acc, y, block.cols, &layer->requant);
    }
}
