// SPDX-License-Identifier: Apache-2.0
// Fully connected: one dot product per output, straight from the packed weights.
#include "sw_layers.h"

extern const uint16_t sw_level_count;

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
    sw_dot_t dot;
    dot.weights = cursor.weights;
    dot.deltas = cursor.deltas;
    for (uint16_t i = 0; i < count; i++) {
        dot.acc = layer->bias[first + i] * ((int32_t)1 << layer->requant.shift);
        dot.x = layer->x;
        if (packed->encoding == SW_CSR) {
            for (uint16_t k = 0; k < sw_level_count; k++) {
                dot.count = sw_cursor_count(&cursor, packed);
                if (k <= level) {
                    sw_dot_csr_s16_cpu(&dot);
                } else {
                    dot.weights += 2 * (uint32_t)dot.count;
                    dot.deltas += dot.count;
                }
            }
        } else {
            dot.count = packed->cols;
            sw_dot_dense_s16_cpu(&dot);
        }
        sw_acc[i] = dot.acc;
    }
    cursor.row = first + count;
    cursor.weights = dot.weights;
    cursor.deltas = dot.deltas;
    if (layer->requant.shift == 15)
        sw_requant15_s16_cpu(sw_acc, layer->y + first, count, &layer->requant);
    else
        sw_requant_s16_cpu(sw_acc, layer->y + first, count, &layer->requant);
}
