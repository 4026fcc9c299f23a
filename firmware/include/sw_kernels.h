// SPDX-License-Identifier: Apache-2.0
// Kernels: one function per file, named sw_<op>_<encoding>_<dtype>_<backend>. Each has a portable C version
// that defines it; where a .S of the same name exists, the MSP430 uses that. All accumulators are 32 bits
// and exact: the generator proves |acc| < 2^30 for every input (Graph, worst_sum).
#ifndef SW_KERNELS_H
#define SW_KERNELS_H

#include "sw_platform.h"

// One weight of a filter, unpacked: `delta` is the distance in bytes from the input of the tap before it
// (of the first tap: from the first element of the window).
typedef struct {
    int16_t delta;
    int16_t weight;
} sw_tap_t;

// Codes of an index that are being used up: `left` of them are in `word`, the next ones at `index`.
typedef struct {
    sw_addr_t index;
    uint16_t word, left;
} sw_codes_t;

// Unpacks the weights of one level of a filter (FORMAT.md) into taps, but for weights of 0. The fields after
// `count` are the state, so that a long filter can be unpacked in pieces; a level starts with no codes left,
// no weights of a unit left, and the position before the first.
typedef struct {
    sw_tap_t *out;
    uint16_t count; // weights to unpack now
    sw_addr_t weights;
    sw_codes_t codes; // not used by dense
    int16_t offset;   // bytes from the first element of the window to the position; pattern: to its channel
    int16_t previous; // the same for the last tap written
    int16_t left;     // positions left in this kernel row, this one included
    int16_t rows;     // kernel rows left in this channel
    int16_t kernel_w, kernel_h;
    int16_t
        row_skip; // bytes from the end of a kernel row to the start of the next; pattern: between channels
    int16_t plane_skip;       // bytes more, from the last row of a channel to the first of the next
    uint16_t unit;            // block: weights of a block; pattern: mask of a code, 15 or 255
    uint16_t unit_left;       // weights left of the open block or kernel
    const uint16_t *patterns; // pattern p is patterns[patterns[p]] ... patterns[patterns[p + 1] - 1], bytes
                              // from the first element of the channel
    const uint16_t *tap;      // the next one of the open kernel
} sw_unpack_t;

// Every position has a weight.
void sw_taps_dense_s16_cpu(sw_unpack_t *unpack);
void sw_taps_dense_s8_cpu(sw_unpack_t *unpack);
// A code of 4 bits counts the positions left out before each weight.
void sw_taps_csr_s16_cpu(sw_unpack_t *unpack);
void sw_taps_csr_s8_cpu(sw_unpack_t *unpack);
// A code of 4 bits counts the blocks left out before each block.
void sw_taps_block_s16_cpu(sw_unpack_t *unpack);
// A bit for each position; `codes.word` holds a byte.
void sw_taps_bitmap_s16_cpu(sw_unpack_t *unpack);
// A code for each channel.
void sw_taps_pattern_s16_cpu(sw_unpack_t *unpack);

// acc[i] = init[i * init_step / 4] + sum of taps over the window at x + i * step / 2, for i < count.
typedef struct {
    const int16_t *x;
    uint16_t step; // bytes between windows
    uint16_t count;
    const sw_tap_t *taps;
    uint16_t tap_count; // below 2^15
    const int32_t *init;
    uint16_t init_step; // bytes: 0 to start each window from the same value, 4 to go on with `acc`
    int32_t *acc;
} sw_conv_row_t;

void sw_conv2d_taps_s16_cpu(const sw_conv_row_t *row);

// acc += the products of `runs` runs of weights, each with `x` from its start: the levels of a row
// (FORMAT.md). On return weights, index and counts point behind what was read. The `near` kernels are a cycle
// faster and need all of it below 64 KB.
typedef struct {
    int32_t acc;
    const int16_t *x;
    uint16_t count; // weights of each run if counts have 0 bytes; below 2^15
    sw_addr_t weights;
    sw_addr_t index;
    uint16_t unit; // block: weights of a block; bitmap: its bytes
    sw_addr_t counts;
    uint16_t count_bytes; // 0, 1 or 2
    uint16_t runs;
} sw_dot_t;

// Weight i multiplies x[i].
void sw_dot_dense_s16_cpu(sw_dot_t *dot);
void sw_dot_dense_s8_cpu(sw_dot_t *dot);
void sw_dot_dense_near_s16_cpu(sw_dot_t *dot);
void sw_dot_dense_near_s8_cpu(sw_dot_t *dot);
// A code of 4 bits counts the inputs left out before each weight.
void sw_dot_csr_s16_cpu(sw_dot_t *dot);
void sw_dot_csr_s8_cpu(sw_dot_t *dot);
void sw_dot_csr_near_s16_cpu(sw_dot_t *dot);
void sw_dot_csr_near_s8_cpu(sw_dot_t *dot);
// A code of 4 bits counts the blocks of inputs left out before each block; the last block may be short.
void sw_dot_block_s16_cpu(sw_dot_t *dot);
// A bit for each input.
void sw_dot_bitmap_s16_cpu(sw_dot_t *dot);

// Patches an image of weights (FORMAT.md): writes `weights` to the places from `image` on that the `runs`
// words at `headers` name, or zeros there if `up` is 0; then no weight is read. All may lie above 64 KB.
typedef struct {
    sw_addr_t headers;
    sw_addr_t weights;
    sw_addr_t image;
    uint16_t runs; // at least 1
    uint16_t up;
} sw_patching_t;

void sw_patch_s16_cpu(const sw_patching_t *work);

// y = clip(acc >> shift, lo, hi)
typedef struct {
    uint16_t shift;
    int16_t lo, hi;
} sw_requant_t;

void sw_requant_s16_cpu(const int32_t *acc, int16_t *y, uint16_t count, const sw_requant_t *requant);
// The same for shift = 15, where the shifted sum always fits int16.
void sw_requant15_s16_cpu(const int32_t *acc, int16_t *y, uint16_t count, const sw_requant_t *requant);

// One channel. Average: y = clip((sum * multiplier) >> shift, lo, hi), |sum * multiplier| < 2^31.
typedef struct {
    uint16_t x_pitch, y_pitch;
    uint16_t out_h, out_w;
    uint16_t kernel_h, kernel_w, stride_h, stride_w;
    uint16_t multiplier, shift;
    int16_t lo, hi;
} sw_pool_t;

void sw_avgpool_s16_cpu(const int16_t *x, int16_t *y, const sw_pool_t *pool);
void sw_maxpool_s16_cpu(const int16_t *x, int16_t *y, const sw_pool_t *pool);

// Index of the largest element, the lowest index on a tie; count >= 1.
uint16_t sw_argmax_s16_cpu(const int16_t *x, uint16_t count);

// Rows of a matrix from images anywhere: for each tap, `height` runs of `width` elements, the first at `x` +
// tap bytes, each next one `pitch` bytes later, elements `stride` apart. `to` is filled without gaps.
typedef struct {
    sw_addr_t x;
    const uint16_t *taps;
    uint16_t count; // taps
    int16_t *to;
    uint16_t width, height; // at least 1
    uint16_t pitch;         // bytes
    uint16_t stride;        // elements
} sw_gather_t;

void sw_gather_rows_s16_cpu(const sw_gather_t *gather); // any stride
void sw_gather_rows_s16_dma(const sw_gather_t *gather); // stride 1

// to[i] = the element at `x` + taps[i] bytes.
void sw_gather_s16_cpu(const int16_t *x, const uint16_t *taps, int16_t *to, uint16_t count);

// y[r][i] = clip(x[r][i], lo, hi); rows are `x_pitch` and `y_pitch` elements apart.
typedef struct {
    const int16_t *x;
    int16_t *y;
    uint16_t x_pitch, y_pitch;
    uint16_t width, height; // of y, at least 1
    int16_t lo, hi;
    int16_t bias; // of sw_clip_bias_s16_cpu
} sw_clip_t;

void sw_clip_s16_cpu(const sw_clip_t *clip);
// y = clip(x + bias, lo, hi); x + bias fits int16.
void sw_clip_bias_s16_cpu(const sw_clip_t *clip);
// The same, then the average of 2 x 2, rounded down: y is half as wide and high as what is read. lo >= 0.
void sw_clip_avgpool_s16_cpu(const sw_clip_t *clip);
// The same, then the largest of 2 x 2, or of 2 in a row: y is half as wide (and high).
void sw_clip_maxpool_2x2_s16_cpu(const sw_clip_t *clip);
void sw_clip_maxpool_1x2_s16_cpu(const sw_clip_t *clip);

// y = clip((a * a_factor + b * b_factor + 2^13) >> 14, lo, hi) of elements anywhere, in rows; factors are 2^0
// to 2^14 (b_factor may be 0: then b is not read for sure), lo <= 0 <= hi. y may be a or b.
typedef struct {
    sw_addr_t a, b, y;
    uint16_t a_skip, b_skip, y_skip; // bytes from the end of a row to the next
    uint16_t width, height;          // at least 1
    int16_t a_factor, b_factor;
    int16_t lo, hi;
} sw_add_t;

void sw_add_s16_cpu(const sw_add_t *add);

// Copies `words` >= 1 words from anywhere.
void sw_fetch_s16_dma(int16_t *to, sw_addr_t from, uint16_t words);
// Rows between images anywhere: `height` runs of `width` words, `to_pitch` and `from_pitch` bytes apart.
typedef struct {
    sw_addr_t to, from;
    uint16_t width, height; // at least 1
    uint16_t to_pitch, from_pitch;
} sw_rows_t;

void sw_copy_rows_s16_dma(const sw_rows_t *rows);
// Writes zeros; `from` does not count.
void sw_zero_rows_s16_dma(const sw_rows_t *rows);

// The whole product.
uint32_t sw_mul_u16(uint16_t a, uint16_t b);

// Reads above 64 KB.
uint16_t sw_load_u8(sw_addr_t address);
uint16_t sw_load_u16(sw_addr_t address); // `address` is even

#endif
