// SPDX-License-Identifier: Apache-2.0
// Convolution on the LEA: the pixels of a tile of the output are gathered into a matrix with one row for each
// tap; one command with a filter as row vector makes the tile of one channel.
//
// sw_lea_ram holds the parameter block, two results, the matrix, and behind it all filters if they fit at
// this level, else two at a time, else one. The planner guarantees that the largest tile and one filter fit
// at every level.
#include "sw_layers.h"

// Volatile; sw_conv2d_lea_prepare resets it.
static struct {
    const sw_tile_t *tile; // the largest of the level
    uint16_t largest;      // its pixels
    uint16_t step;         // the step that the next fields belong to
    uint16_t row, col;     // first pixel of its tile
    uint16_t group;        // its group
    int16_t *filter;       // its first filter, if resident
    const uint16_t *taps;  // the list by which the matrix holds the tile, or 0
    uint16_t base;         // and the channel from which it counts
    uint16_t columns;      // for which the bias rows are filled
    int16_t *filters;      // behind the largest matrix
    uint16_t resident;     // 1: all filters are there, group by group
    uint16_t both;         // 1: two filters fit
} state;

// Two results: while one is clipped the LEA makes the other.
static int16_t *result_at(uint16_t number) {
    int16_t *first = sw_lea_ram + SW_LEA_BLOCK_WORDS;
    return number & 1 ? first + state.largest : first;
}

static int16_t *matrix_of(void) {
    return sw_lea_ram + SW_LEA_BLOCK_WORDS + 2 * state.largest;
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
        const sw_column_group_t *group = &columns->groups[g];
        uint16_t count = group->counts[level];
        if (count > most) most = count;
        weights += sw_mul_u16(count, group->rows);
    }
    state.tile = &layer->tiles[level];
    state.largest = (uint16_t)sw_mul_u16(state.tile->rows, state.tile->cols);
    state.step = 0;
    state.row = state.col = state.group = 0;
    state.taps = 0;
    state.columns = 0;
    state.filters = matrix_of() + (uint16_t)sw_mul_u16(most, state.largest);
    uint16_t room = sw_lea_words - (uint16_t)(state.filters - sw_lea_ram);
    state.filter = state.filters;
    state.resident = weights <= room;
    state.both = most <= room / 2;
    if (state.resident) load_filters(columns, level);
}

// Makes `state` belong to `step` after a reboot.
static void jump(const sw_conv2d_lea_t *layer, uint16_t step, uint16_t level) {
    const sw_columns_t *columns = &layer->columns;
    uint16_t tile = step / columns->group_count;
    uint16_t across = (layer->width - 1) / state.tile->cols + 1;
    uint16_t down = tile / across;
    state.step = step;
    state.group = step - tile * columns->group_count;
    state.col = (tile - down * across) * state.tile->cols;
    state.row = layer->height; // a level with fewer tiles
    if (down <= (layer->height - 1) / state.tile->rows) state.row = down * state.tile->rows;
    state.taps = 0;
    state.filter = state.filters;
    if (!state.resident) return;
    for (const sw_column_group_t *group = columns->groups; group < &columns->groups[state.group]; group++)
        state.filter += (uint16_t)sw_mul_u16(group->counts[level], group->rows);
}

// The same from the step before: the next group, or the next tile.
static void advance(const sw_conv2d_lea_t *layer, uint16_t level) {
    const sw_columns_t *columns = &layer->columns;
    const sw_column_group_t *group = &columns->groups[state.group];
    state.step++;
    if (state.resident) state.filter += (uint16_t)sw_mul_u16(group->counts[level], group->rows);
    if (++state.group < columns->group_count) return;
    state.group = 0;
    state.filter = state.filters;
    state.taps = 0;
    state.col += state.tile->cols;
    if (state.col < layer->width) return;
    state.col = 0;
    if (state.row < layer->height) state.row += state.tile->rows;
}

static void fill_matrix(const sw_conv2d_lea_t *layer, const sw_column_group_t *group, uint16_t rows,
                        uint16_t cols, uint16_t count) {
    uint16_t columns = rows * cols;
    uint16_t constants = layer->columns.constant_count;
    int16_t *matrix = matrix_of();
    if (state.columns != columns) {
        int16_t *to = matrix;
        for (uint16_t i = 0; i < constants; i++)
            for (uint16_t j = 0; j < columns; j++) *to++ = layer->columns.constants[i];
        state.columns = columns;
    }
    sw_gather_t gather;
    gather.pitch = 2 * layer->stride_h * layer->x_pitch;
    gather.x = sw_place_address(&layer->x) + group->base + sw_mul_u16(state.row, gather.pitch) +
               2 * (uint32_t)(uint16_t)(state.col * layer->stride_w);
    gather.taps = group->taps;
    gather.count = count - constants;
    gather.to = matrix + (uint16_t)(constants * columns);
    gather.width = layer->merged ? columns : cols;
    gather.height = layer->merged ? 1 : rows;
    gather.stride = layer->stride_w;
    layer->gather(&gather);
    SW_LEA_BLOCK->row_size = count;
    SW_LEA_BLOCK->col_size = columns;
    SW_LEA_BLOCK->matrix = SW_LEA_POINTER(matrix);
    state.taps = group->taps;
    state.base = group->base;
}

void sw_conv2d_lea_step(const void *desc, uint16_t step, uint16_t level) {
    const sw_conv2d_lea_t *layer = desc;
    const sw_columns_t *columns = &layer->columns;
    if (step == state.step + 1)
        advance(layer, level);
    else if (step != state.step)
        jump(layer, step, level);
    if (state.row >= layer->height) return; // a level with fewer tiles
    const sw_column_group_t *group = &columns->groups[state.group];
    uint16_t rows = sw_at_most(state.tile->rows, layer->height - state.row);
    uint16_t cols = sw_at_most(state.tile->cols, layer->width - state.col);
    uint16_t count = group->counts[level];

    if (state.taps != group->taps || state.base != group->base) fill_matrix(layer, group, rows, cols, count);
    int16_t *filter = state.filter;
    sw_addr_t from = sw_blobs[columns->blob] + group->weights;
    if (!state.resident) sw_fetch_s16_dma(filter, from, count);

    const sw_image_t *image = &layer->y;
    if (state.row == 0 && state.col == 0) sw_image_clear_border(image, group->first, group->rows);
    uint16_t row = layer->pool_h == 1 ? state.row : state.row >> 1;
    uint16_t col = layer->pool_w == 1 ? state.col : state.col >> 1;
    uint16_t far = image->data.arena; // arena 0 can be reached by the CPU
    sw_addr_t y = sw_place_address(&image->data) +
                  2 * (sw_mul_u16(group->first, image->plane) + (uint16_t)(row * image->pitch) + col);
    sw_clip_t clip;
    clip.x_pitch = cols;
    clip.width = sw_at_most(layer->pool_w == 1 ? cols : cols >> 1, image->width - col);
    clip.height = layer->pool_h == 1 ? rows : rows >> 1;
    clip.y_pitch = far ? clip.width : image->pitch;
    clip.lo = layer->lo;
    clip.hi = layer->hi;
    // While the LEA runs filter r, the DMA fetches filter r + 1 and the CPU clips the result of filter r - 1.
    for (uint16_t r = 0; r <= group->rows; r++) {
        const int16_t *running = filter;
        if (r < group->rows) {
            SW_LEA_BLOCK->result = SW_LEA_POINTER(result_at(r));
            sw_mpymatrixrow_s16_lea(SW_LEA_POINTER(running), SW_LEA_POINTER(sw_lea_ram));
            if (!sw_lea_overlap) sw_lea_wait();
        }
        uint16_t fetch = !state.resident && r + 1 < group->rows;
        if (state.resident)
            filter += count;
        else if (state.both)
            filter = r & 1 ? state.filters : state.filters + count;
        from += 2 * (uint32_t)group->columns;
        if (fetch && state.both) sw_fetch_s16_dma(filter, from, count);
        if (r > 0) {
            int16_t *result = result_at(r - 1);
            clip.x = result;
            clip.y = far ? result : (int16_t *)(uintptr_t)y;
            layer->clip(&clip);
            if (far) sw_store_tile(&clip, y, image->pitch);
            y += 2 * (uint32_t)image->plane;
        }
        if (sw_lea_overlap) sw_lea_wait();
        if (fetch && !state.both) sw_fetch_s16_dma(filter, from, count);
    }
}
