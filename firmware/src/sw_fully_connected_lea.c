// SPDX-License-Identifier: Apache-2.0
// Fully connected on the LEA: one command makes a tile of outputs from the gathered inputs (row vector) and
// the weights of the tile (matrix), which the DMA fetches.
//
// sw_lea_ram holds the parameter block, two results, the row vector, and a room in which one tile lies at the
// start and the next at the end. They overlap when the room is less than two tiles: then the DMA fetches the
// part outside the running tile while the LEA works on that, and the rest after it.
#include "sw_layers.h"

// Volatile: the list by which sw_lea_ram holds the inputs; sw_fully_connected_lea_prepare resets it.
static const uint16_t *gathered;

// Where a tile lies. Its own part can be fetched while the tile before it runs, the shared part only after
// that.
typedef struct {
    int16_t *matrix;
    int16_t *own, *shared;
    uint16_t own_offset, shared_offset; // bytes from the start of the tile in the blob
} place_t;

static void fetch(int16_t *to, sw_addr_t from, uint16_t words) {
    if (words) sw_fetch_s16_dma(to, from, words);
}

void sw_fully_connected_lea_prepare(const void *desc, uint16_t level) {
    (void)desc;
    (void)level;
    gathered = 0;
}

void sw_fully_connected_lea_step(const void *desc, uint16_t step, uint16_t level) {
    const sw_fully_connected_lea_t *layer = desc;
    const sw_columns_t *columns = &layer->columns;
    const sw_column_group_t *group = &columns->groups[step];
    uint16_t count = group->counts[level];
    int16_t *results = sw_lea_ram + SW_LEA_BLOCK_WORDS;
    int16_t *row = results + 2 * layer->tile;
    int16_t *room = row + count;

    if (gathered != group->taps) {
        for (uint16_t i = 0; i < columns->constant_count; i++) row[i] = columns->constants[i];
        sw_gather_s16_cpu(layer->x, group->taps, row + columns->constant_count,
                          count - columns->constant_count);
        gathered = group->taps;
    }
    uint16_t words = count * layer->tile;
    uint16_t distance = (sw_lea_words - (uint16_t)(room - sw_lea_ram) - words) & ~1;
    if (distance > words) distance = words;
    uint16_t shared = words - distance; // the end of an even tile and the start of an odd one
    place_t places[2] = {
        {room, room, room + distance, 0, (uint16_t)(2 * distance)},
        {room + distance, room + words, room + distance, (uint16_t)(2 * shared), 0},
    };

    SW_LEA_BLOCK->row_size = count;
    SW_LEA_BLOCK->col_size = layer->tile;
    sw_clip_t clip;
    clip.x_pitch = clip.y_pitch = 0;
    clip.height = 1;
    clip.lo = layer->lo;
    clip.hi = layer->hi;
    clip.y = layer->y + group->first;
    uint16_t tile_count = (group->rows + layer->tile - 1) / layer->tile;
    uint16_t left = group->rows;
    sw_addr_t weights = sw_blobs[columns->blob] + group->weights;
    const uint32_t stride = 2 * (uint32_t)group->columns * layer->tile;
    fetch(places[0].own, weights, distance);
    // While the LEA runs tile t, the DMA fetches tile t + 1 and the CPU clips the result of tile t - 1.
    for (uint16_t t = 0; t <= tile_count; t++) {
        const place_t *place = &places[t & 1], *next = &places[~t & 1];
        if (t < tile_count) {
            fetch(place->shared, weights + place->shared_offset, shared);
            SW_LEA_BLOCK->matrix = SW_LEA_POINTER(place->matrix);
            SW_LEA_BLOCK->result = SW_LEA_POINTER(t & 1 ? results + layer->tile : results);
            sw_mpymatrixrow_s16_lea(SW_LEA_POINTER(row), SW_LEA_POINTER(sw_lea_ram));
            if (!sw_lea_overlap) sw_lea_wait();
        }
        weights += stride;
        if (t + 1 < tile_count) fetch(next->own, weights + next->own_offset, distance);
        if (t > 0) {
            clip.x = t & 1 ? results : results + layer->tile;
            clip.width = left < layer->tile ? left : layer->tile;
            sw_clip_s16_cpu(&clip);
            clip.y += clip.width;
            left -= clip.width;
        }
        if (sw_lea_overlap) sw_lea_wait();
    }
}
