// SPDX-License-Identifier: Apache-2.0
// Convolution on the LEA: the pixels of a few output rows are gathered into a matrix with one row for each
// tap; one command with a filter as row vector makes these output rows of one channel.
//
// sw_lea_ram holds the parameter block, two results, the matrix, and behind it all filters if they fit at
// this level, else two at a time. The planner guarantees that the largest tile and two filters fit at every
// level.
#include "sw_layers.h"

#define NO_TILE 0xFFFF

// Volatile: what sw_lea_ram holds. sw_conv2d_lea_prepare resets it.
static struct {
    uint16_t tile;        // whose pixels the matrix holds, or NO_TILE
    const uint16_t *taps; // by this list
    uint16_t width;       // columns for which the bias rows are filled
    int16_t *filters;     // behind the largest matrix
    uint16_t resident;    // 1: all filters are there, group by group
} state;

static uint16_t largest_tile(const sw_conv2d_lea_t *layer) {
    return layer->tile_rows * layer->width;
}

// Two results: while one is clipped the LEA makes the other.
static int16_t *result_at(const sw_conv2d_lea_t *layer, uint16_t number) {
    int16_t *first = sw_lea_ram + SW_LEA_BLOCK_WORDS;
    return number & 1 ? first + largest_tile(layer) : first;
}

static int16_t *matrix_of(const sw_conv2d_lea_t *layer) {
    return sw_lea_ram + SW_LEA_BLOCK_WORDS + 2 * largest_tile(layer);
}

static void load_filters(const sw_columns_t *columns, uint16_t level) {
    int16_t *to = state.filters;
    for (uint16_t g = 0; g < columns->group_count; g++) {
        const sw_column_group_t *group = &columns->groups[g];
        sw_addr_t from = sw_blobs[columns->blob] + group->weights;
        uint16_t count = group->counts[level];
        for (uint16_t r = 0; r < group->rows; r++) {
            sw_fetch_s16_dma(to, from, count);
            to += count;
            from += 2 * group->columns;
        }
    }
}

void sw_conv2d_lea_prepare(const void *desc, uint16_t level) {
    const sw_conv2d_lea_t *layer = desc;
    const sw_columns_t *columns = &layer->columns;
    uint16_t most = 0;
    uint32_t weights = 0;
    for (uint16_t g = 0; g < columns->group_count; g++) {
        uint16_t count = columns->groups[g].counts[level];
        if (count > most) most = count;
        weights += (uint32_t)count * columns->groups[g].rows;
    }
    sw_image_clear_border(&layer->y);
    state.tile = NO_TILE;
    state.width = 0;
    state.filters = matrix_of(layer) + (uint16_t)(most * largest_tile(layer));
    state.resident = weights <= (uint16_t)(sw_lea_words - (uint16_t)(state.filters - sw_lea_ram));
    if (state.resident) load_filters(columns, level);
}

static void fill_matrix(const sw_conv2d_lea_t *layer, const sw_column_group_t *group, uint16_t first,
                        uint16_t rows, uint16_t count) {
    uint16_t width = rows * layer->width;
    uint16_t constants = layer->columns.constant_count;
    int16_t *matrix = matrix_of(layer);
    if (state.width != width) {
        int16_t *to = matrix;
        for (uint16_t i = 0; i < constants; i++)
            for (uint16_t j = 0; j < width; j++) *to++ = layer->columns.constants[i];
        state.width = width;
    }
    sw_gather_t gather;
    gather.x = layer->x + (uint16_t)(first * layer->stride_h * layer->x_pitch);
    gather.taps = group->taps;
    gather.count = count - constants;
    gather.to = matrix + (uint16_t)(constants * width);
    gather.width = layer->width;
    gather.height = rows;
    gather.pitch = 2 * layer->stride_h * layer->x_pitch;
    gather.stride = layer->stride_w;
    layer->gather(&gather);
    SW_LEA_BLOCK->row_size = count;
    SW_LEA_BLOCK->col_size = width;
    SW_LEA_BLOCK->matrix = SW_LEA_POINTER(matrix);
}

void sw_conv2d_lea_step(const void *desc, uint16_t step, uint16_t level) {
    const sw_conv2d_lea_t *layer = desc;
    const sw_columns_t *columns = &layer->columns;
    uint16_t tile = step / columns->group_count;
    const sw_column_group_t *group = &columns->groups[step % columns->group_count];
    uint16_t first = tile * layer->tile_rows;
    uint16_t rows = layer->height - first;
    if (rows > layer->tile_rows) rows = layer->tile_rows;
    uint16_t count = group->counts[level];

    if (state.tile != tile || state.taps != group->taps) {
        fill_matrix(layer, group, first, rows, count);
        state.tile = tile;
        state.taps = group->taps;
    }
    int16_t *filter = state.filters;
    sw_addr_t from = sw_blobs[columns->blob] + group->weights;
    if (state.resident) {
        for (const sw_column_group_t *g = columns->groups; g < group; g++)
            filter += g->counts[level] * g->rows;
    } else {
        sw_fetch_s16_dma(filter, from, count);
    }
    sw_clip_t clip;
    clip.x_pitch = layer->width;
    clip.y =
        layer->y.data + (uint16_t)(group->first * layer->y.plane + (first >> layer->pool) * layer->y.pitch);
    clip.y_pitch = layer->y.pitch;
    clip.width = layer->y.width;
    clip.height = rows >> layer->pool;
    clip.lo = layer->lo;
    clip.hi = layer->hi;
    // While the LEA runs filter r, the DMA fetches filter r + 1 and the CPU clips the result of filter r - 1.
    for (uint16_t r = 0; r <= group->rows; r++) {
        if (r < group->rows) {
            SW_LEA_BLOCK->result = SW_LEA_POINTER(result_at(layer, r));
            sw_mpymatrixrow_s16_lea(SW_LEA_POINTER(filter), SW_LEA_POINTER(sw_lea_ram));
            if (!sw_lea_overlap) sw_lea_wait();
        }
        if (state.resident) {
            filter += count;
        } else if (r + 1 < group->rows) {
            from += 2 * group->columns;
            filter = r & 1 ? state.filters : state.filters + count;
            sw_fetch_s16_dma(filter, from, count);
        }
        if (r > 0) {
            clip.x = result_at(layer, r - 1);
            if (layer->pool)
                sw_clip_avgpool_s16_cpu(&clip);
            else
                sw_clip_s16_cpu(&clip);
            clip.y += layer->y.plane;
        }
        if (sw_lea_overlap) sw_lea_wait();
    }
}
