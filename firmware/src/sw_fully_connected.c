// SPDX-License-Identifier: Apache-2.0
// Fully connected: one dot product per output, straight from the packed weights.
#include "sw_layers.h"

static sw_cursor_t cursor; // volatile; sw_fully_connected_prepare resets it

void sw_fully_connected_prepare(const void *desc, uint16_t level) {
    (void)level;
    const sw_fully_connected_t *layer = desc;
    sw_stage_load(&layer->stage);
    sw_cursor_reset(&cursor, &layer->weights);
}

void sw_fully_connected_step(const void *desc, uint16_t step, uint16_t level) {
    const sw_fully_connected_t *layer = desc;
    const sw_packed_t *packed = &layer->weights;
    uint16_t first = step * layer->rows_per_step;
    uint16_t count = layer->rows - first;
    if (count > layer->rows_per_step) count = layer->rows_per_step;

    sw_cursor_seek(&cursor, packed, first);
    uint16_t runs = sw_run_count(packed);
    uint16_t used = level < runs ? level + 1 : runs;
    sw_dot_t dot;
    dot.x = layer->x;
    dot.count = packed->cols;
    dot.unit = packed->unit;
    dot.count_bytes = packed->count_bytes;
    for (uint16_t i = 0; i < count; i++) {
        dot.acc = layer->bias[first + i] * ((int32_t)1 << layer->requant.shift);
        dot.weights = cursor.weights;
        dot.index = cursor.index;
        dot.counts = cursor.counts;
        dot.runs = used;
        layer->dot(&dot);
        sw_acc[i] = dot.acc;
        cursor.weights = dot.weights;
        cursor.index = dot.index;
        cursor.counts = dot.counts;
        sw_skip_runs(&cursor, packed, runs - used);
        sw_cursor_next(&cursor, packed);
    }
    if (layer->requant.shift == 15)
        sw_requant15_s16_cpu(sw_acc, layer->y + first, count, &layer->requant);
    else
        sw_requant_s16_cpu(sw_acc, layer->y + first, count, &layer->requant);
}
