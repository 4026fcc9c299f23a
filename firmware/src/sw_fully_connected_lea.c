// SPDX-License-Identifier: Apache-2.0
// Fully connected on the LEA: one command makes a tile of outputs from the gathered inputs (row vector) and
// the weights of the tile (matrix), which the DMA fetches.
//
// sw_lea_ram holds the parameter block, two results, the row vector, and a room in which one tile lies at the
// start and the next at the end. They overlap when the room is less than two tiles: then the DMA fetches the
// part outside the running tile while the LEA works on that, and the rest, `shared` words, after it.
#include "sw_layers.h"

// Volatile: the list by which sw_lea_ram holds the inputs; sw_fully_connected_lea_prepare resets it.
static const uint16_t *gathered;

typedef struct {
    sw_addr_t weights; // of the first tile
    uint32_t stride;   // bytes from one tile to the next
    int16_t *first;    // where even tiles lie
    int16_t *second;   // where odd tiles lie
    uint16_t words;
    uint16_t shared;
} tiles_t;

static void fetch(int16_t *to, sw_addr_t from, uint16_t words) {
    if (words) sw_fetch_s16_dma(to, from, words);
}

// The shared words are the end of an even tile and the start of an odd one.
static void fetch_part(const tiles_t *tiles, uint16_t number, int shared) {
    sw_addr_t from = tiles->weights + number * tiles->stride;
    int16_t *to = number & 1 ? tiles->second : tiles->first;
    uint16_t own = tiles->words - tiles->shared;
    uint16_t skip = number & 1 ? (shared ? 0 : tiles->shared) : (shared ? own : 0);
    fetch(to + skip, from + 2 * (uint32_t)skip, shared ? tiles->shared : own);
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
    tiles_t tiles;
    tiles.weights = sw_blobs[columns->blob] + group->weights;
    tiles.stride = 2 * (uint32_t)group->columns * layer->tile;
    tiles.words = count * layer->tile;
    uint16_t offset = (sw_lea_words - (uint16_t)(room - sw_lea_ram) - tiles.words) & ~1;
    if (offset > tiles.words) offset = tiles.words;
    tiles.shared = tiles.words - offset;
    tiles.first = room;
    tiles.second = room + offset;

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
    fetch_part(&tiles, 0, 0);
    // While the LEA runs tile t, the DMA fetches tile t + 1 and the CPU clips the result of tile t - 1.
    for (uint16_t t = 0; t <= tile_count; t++) {
        if (t < tile_count) {
            fetch_part(&tiles, t, 1);
            SW_LEA_BLOCK->matrix = SW_LEA_POINTER(t & 1 ? tiles.second : tiles.first);
            SW_LEA_BLOCK->result = SW_LEA_POINTER(t & 1 ? results + layer->tile : results);
            sw_mpymatrixrow_s16_lea(SW_LEA_POINTER(row), SW_LEA_POINTER(sw_lea_ram));
            if (!sw_lea_overlap) sw_lea_wait();
        }
        if (t + 1 < tile_count) fetch_part(&tiles, t + 1, 0);
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
