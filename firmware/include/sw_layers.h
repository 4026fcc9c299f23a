// SPDX-License-Identifier: Apache-2.0
// Layers as model.c describes them: constant data, no code. Shapes and distances count elements.
#ifndef SW_LAYERS_H
#define SW_LAYERS_H

#include "sw_kernels.h"
#include "sw_lea.h"

// A place in one of the arenas that hold activations: 0 lies below 64 KB, 1 above. Bytes from its start.
typedef struct {
    uint16_t arena;
    uint32_t offset;
} sw_place_t;

// An image (channels, height, width) in memory. `data` is element (0, 0, 0); rows are `pitch` and channels
// `plane` apart. A border of zeros surrounds each channel where the reader pads.
typedef struct {
    sw_place_t data;
    uint16_t pitch, plane;
    uint16_t channels, height, width;
    uint8_t top, left, bottom, right;
} sw_image_t;

// How an image is cut into steps: `channels` whole ones each, or `per_channel` steps for each channel, of
// `rows` whole rows or of `cols` columns of one row.
typedef struct {
    uint16_t channels, rows, cols;
    uint16_t per_channel;
} sw_cut_t;

// What one step makes of an image.
typedef struct {
    uint16_t channel, channels;
    uint16_t row, rows;
    uint16_t col, cols;
} sw_block_t;

// Where a row of packed weights starts: bytes from the first weight and from the first byte of the index.
typedef struct {
    uint32_t weights, index;
} sw_mark_t;

// Packed weights of a layer, see FORMAT.md. `counts` and `index` are byte offsets into the blob.
typedef struct {
    uint16_t blob;        // index into sw_blobs
    uint8_t weight_bytes; // size of a weight: 1 or 2
    uint8_t count_bytes;  // size of a count: 1 or 2, 0 where every weight is stored
    uint8_t shared;       // 1: all rows have the counts and the index of the first
    uint8_t word_shift;   // two bytes of index for each 2^word_shift weights of a level of a row, 0 = none
    uint16_t run_bytes;   // bytes of index for each level of a row besides
    uint16_t cols;        // weights of a row when nothing is pruned
    uint16_t unit;        // see sw_unpack_t and sw_dot_t
    uint32_t counts;
    uint32_t index;
    const uint16_t *patterns; // see sw_unpack_t, or null
    const sw_mark_t *marks;   // of every 2^mark_shift-th row, for the way back after a reboot, or null
    uint8_t mark_shift;
} sw_packed_t;

// A copy of the input at the start of sw_lea_ram, made before the first step of a layer; `words` is 0 without
// one.
typedef struct {
    const int16_t *from;
    uint16_t words;
} sw_stage_t;

// `x` is the first element of the first window, padding included; its rows are `x_pitch` and its channels
// `x_plane` apart. A step is a block of one output channel.
typedef struct {
    const int16_t *x;
    uint16_t x_pitch, x_plane;
    sw_stage_t stage;
    sw_image_t y;
    sw_packed_t weights;
    void (*taps)(sw_unpack_t *unpack); // of the encoding of `weights`
    const int32_t *bias;               // per output channel, in output units
    sw_requant_t requant;
    uint16_t kernel_h, kernel_w, stride_h, stride_w;
    uint16_t group_filters, group_words; // filters that read the same channels; those channels in words
    sw_cut_t cut;
} sw_conv2d_t;

// A step is `rows_per_step` outputs, the last one of a layer what is left of `rows`.
typedef struct {
    const int16_t *x;
    sw_stage_t stage;
    int16_t *y;
    sw_packed_t weights;
    void (*dot)(sw_dot_t *dot); // of the encoding of `weights`
    const int32_t *bias;
    sw_requant_t requant;
    uint16_t rows, rows_per_step;
} sw_fully_connected_t;

// Output rows of a `column` layer that share a list of taps (FORMAT.md).
typedef struct {
    uint32_t weights; // byte offset in the blob
    uint16_t first, rows;
    uint16_t columns; // of the densest level: the distance of rows in the blob
    uint16_t base;    // bytes from the first channel to the first that the rows read (grouped convolution)
    const uint16_t
        *taps; // for each column behind the bias columns: bytes from the first element of the window
    const uint16_t *counts; // for each level: columns in use, bias columns included
} sw_column_group_t;

typedef struct {
    uint16_t blob; // index into sw_blobs
    uint16_t group_count;
    const sw_column_group_t *groups;
    uint16_t constant_count; // bias columns
    const int16_t *constants;
} sw_columns_t;

// Pixels of a tile.
typedef struct {
    uint16_t rows, cols;
} sw_tile_t;

// The filters are the row vectors of MPYMATRIXROW, gathered pixels its matrix. A step is a tile of pixels of
// one group; a level with fewer tiles than another does nothing in the last steps. `x` is the first element
// of the first window, padding included. Sizes are those before pooling.
typedef struct {
    sw_place_t x;
    uint16_t x_pitch;
    sw_image_t y;
    sw_columns_t columns;
    void (*gather)(const sw_gather_t *gather);
    void (*clip)(const sw_clip_t *clip); // with the pool
    uint16_t stride_h, stride_w;
    uint16_t height, width; // output rows; pixels of a row in the matrix
    const sw_tile_t *tiles; // the largest of each level, multiples of the pool
    uint8_t pool_h, pool_w; // 1: none
    uint16_t merged; // 1: the rows of a tile are one run: `width` is x_pitch, and a row ends with pixels that
                     // are no results
    int16_t lo, hi;
} sw_conv2d_lea_t;

// Depthwise: a filter with zeros between its rows is the impulse response of one FIR over joined rows. Groups
// have one output channel. A step is `rows` output rows of `channels_per_step` channels; `window` is even:
// elements from the first to the last tap. `x` is the first element of the first window, padding included.
typedef struct {
    sw_place_t x;
    uint16_t x_pitch;
    sw_image_t y;
    sw_columns_t columns;
    uint16_t rows, channels_per_step;
    uint16_t window;
    int16_t lo, hi;
} sw_conv2d_fir_t;

// The input is the row vector, weights are the matrix, in tiles of `tile` outputs. A step is one group.
typedef struct {
    const int16_t *x;
    int16_t *y;
    sw_columns_t columns;
    uint16_t tile; // even
    int16_t lo, hi;
} sw_fully_connected_lea_t;

// A step is a block of one channel. `kernel` is sw_avgpool_s16_cpu or sw_maxpool_s16_cpu.
typedef struct {
    const int16_t *x;
    uint16_t x_plane;
    sw_image_t y;
    sw_cut_t cut;
    void (*kernel)(const int16_t *x, int16_t *y, const sw_pool_t *pool);
    sw_pool_t pool;
} sw_pool_layer_t;

// An input of a sum or a concatenation; rows are `pitch`, channels `plane` apart. `factor` is 2^(14 - shift).
typedef struct {
    sw_place_t data; // element (0, 0, 0)
    uint16_t pitch, plane;
    uint16_t channels;
    int16_t factor;
} sw_term_t;

// A step is a block. Terms are not the same struct.
typedef struct {
    sw_term_t a, b;
    sw_image_t y;
    sw_cut_t cut;
    int16_t lo, hi;
} sw_add_layer_t;

// A step is a block of one part.
typedef struct {
    const sw_term_t *parts;
    sw_image_t y;
    sw_cut_t cut;
    int16_t lo, hi;
} sw_concat_t;

// A step is a block of one channel: y = clip(x, lo, hi).
typedef struct {
    const int16_t *x;
    uint16_t x_pitch, x_plane;
    sw_image_t y;
    sw_cut_t cut;
    int16_t lo, hi;
} sw_relu_t;

// A step is a block of one channel of the flat `x`, copied into the image `y`. A network's input enters
// through it, so that whoever writes sw_input can't change an inference under way.
typedef struct {
    const int16_t *x;
    sw_image_t y;
    sw_cut_t cut;
} sw_load_t;

// A step is one chunk of a blob in external memory, copied into the working buffer to which sw_blobs leads.
// Of the chunk it copies what the level reads (FORMAT.md). Addresses are those of the external memory.
typedef struct {
    uint32_t blob, directory;
    uint16_t index; // into sw_blobs
    uint16_t chunk; // bytes
} sw_fetch_weights_t;

// Copies a tensor, its border included, to `external` or back: `chunk` bytes a step, the last one what is
// left.
typedef struct {
    sw_place_t place;
    uint32_t external;
    uint16_t bytes, chunk;
} sw_swap_t;

// One step: copies logits to sw_output and their argmax to sw_class.
typedef struct {
    const int16_t *x;
    uint16_t words;
} sw_store_t;

// Made by `swtrain emit-c`: addresses of the packed weights, and scratch sized for the model.
extern const sw_addr_t sw_blobs[];
extern const sw_addr_t sw_arenas[];
extern sw_tap_t sw_taps[];
extern const uint16_t sw_taps_capacity;
extern int32_t sw_acc[];

void sw_conv2d_prepare(const void *layer, uint16_t level);
void sw_conv2d_step(const void *layer, uint16_t step, uint16_t level);
void sw_fully_connected_prepare(const void *layer, uint16_t level);
void sw_fully_connected_step(const void *layer, uint16_t step, uint16_t level);
void sw_conv2d_lea_prepare(const void *layer, uint16_t level);
void sw_conv2d_lea_step(const void *layer, uint16_t step, uint16_t level);
void sw_conv2d_fir_prepare(const void *layer, uint16_t level);
void sw_conv2d_fir_step(const void *layer, uint16_t step, uint16_t level);
void sw_fully_connected_lea_prepare(const void *layer, uint16_t level);
void sw_fully_connected_lea_step(const void *layer, uint16_t step, uint16_t level);
void sw_pool_prepare(const void *layer, uint16_t level);
void sw_pool_step(const void *layer, uint16_t step, uint16_t level);
void sw_add_prepare(const void *layer, uint16_t level);
void sw_add_step(const void *layer, uint16_t step, uint16_t level);
void sw_concat_prepare(const void *layer, uint16_t level);
void sw_concat_step(const void *layer, uint16_t step, uint16_t level);
void sw_relu_prepare(const void *layer, uint16_t level);
void sw_relu_step(const void *layer, uint16_t step, uint16_t level);
void sw_fetch_weights_prepare(const void *layer, uint16_t level);
void sw_fetch_weights_step(const void *layer, uint16_t step, uint16_t level);
void sw_swap_out_prepare(const void *layer, uint16_t level);
void sw_swap_out_step(const void *layer, uint16_t step, uint16_t level);
void sw_swap_in_prepare(const void *layer, uint16_t level);
void sw_swap_in_step(const void *layer, uint16_t step, uint16_t level);
void sw_load_prepare(const void *layer, uint16_t level);
void sw_load_step(const void *layer, uint16_t step, uint16_t level);
void sw_store_prepare(const void *layer, uint16_t level);
void sw_store_step(const void *layer, uint16_t step, uint16_t level);

// Address of a place; as a pointer for what lies below 64 KB.
sw_addr_t sw_place_address(const sw_place_t *place);
int16_t *sw_place_near(const sw_place_t *place);

// Writes the border of zeros of some channels of `image`. Repeating it is harmless.
void sw_image_clear_border(const sw_image_t *image, uint16_t first, uint16_t channels);

// The block of `step` of an image of so many channels, rows and columns.
void sw_block_of_step(const sw_cut_t *cut, uint16_t channels, uint16_t height, uint16_t width, uint16_t step,
                      sw_block_t *block);
// The same of `image`; the first block of a channel writes its border.
void sw_image_block(const sw_cut_t *cut, const sw_image_t *image, uint16_t step, sw_block_t *block);

// y = clip(a + b, bounds) of a block; b == a: of a alone. Channels of y count from `y_first`.
void sw_add_block(const sw_term_t *a, const sw_term_t *b, const sw_image_t *y, uint16_t y_first,
                  const sw_block_t *block, const int16_t *bounds);

// Copies a layer's input to sw_lea_ram if the plan says so.
void sw_stage_load(const sw_stage_t *stage);

// A position in packed weights, at the start of a row or of one of its levels. Rows are mostly visited in
// order, so seeking is cheap.
typedef struct {
    uint16_t row;
    sw_addr_t weights, index, counts;
} sw_cursor_t;

void sw_cursor_reset(sw_cursor_t *cursor, const sw_packed_t *packed);
void sw_cursor_seek(sw_cursor_t *cursor, const sw_packed_t *packed, uint16_t row);

// The weights that the cursor's level adds to its row, padding included.
uint16_t sw_cursor_count(const sw_cursor_t *cursor, const sw_packed_t *packed);
// Moves past the next `runs` levels of the row.
void sw_skip_runs(sw_cursor_t *cursor, const sw_packed_t *packed, uint16_t runs);
// From behind the last level of a row to the next row.
void sw_cursor_next(sw_cursor_t *cursor, const sw_packed_t *packed);

// Levels that each row is stored in: 1 where every weight is.
uint16_t sw_run_count(const sw_packed_t *packed);

static inline uint16_t sw_at_most(uint16_t value, uint16_t limit) {
    return value < limit ? value : limit;
}

// Copies a clipped tile from sw_lea_ram to `to`, above 64 KB, in rows `pitch` elements apart.
static inline void sw_store_tile(const sw_clip_t *clip, sw_addr_t to, uint16_t pitch) {
    sw_rows_t rows = {
        to, (sw_addr_t)(uintptr_t)clip->y, clip->width, clip->height, 2 * pitch, 2 * clip->width};
    if (pitch == clip->width) {
        rows.width *= rows.height;
        rows.height = 1;
    }
    sw_copy_rows_s16_dma(&rows);
}

#endif
