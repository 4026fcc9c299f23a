// SPDX-License-Identifier: Apache-2.0
// Layout on the MSP430 of what assembly kernels read; sw_weights.c checks it. In the large model a pointer
// takes four bytes.
#ifndef SW_OFFSETS_H
#define SW_OFFSETS_H

#ifdef __MSP430X_LARGE__
// sw_unpack_t
#define UNPACK_OUT 0
#define UNPACK_COUNT 4
#define UNPACK_WEIGHTS 6
#define UNPACK_INDEX 10
#define UNPACK_WORD 14
#define UNPACK_CODES 16
#define UNPACK_OFFSET 18
#define UNPACK_PREVIOUS 20
#define UNPACK_LEFT 22
#define UNPACK_ROWS 24
#define UNPACK_KERNEL_W 26
#define UNPACK_KERNEL_H 28
#define UNPACK_ROW_SKIP 30
#define UNPACK_PLANE_SKIP 32
#define UNPACK_UNIT 34
#define UNPACK_UNIT_LEFT 36
#define UNPACK_PATTERNS 38
#define UNPACK_TAP 42
// sw_dot_t
#define DOT_X 4
#define DOT_COUNT 8
#define DOT_WEIGHTS 10
#define DOT_INDEX 14
#define DOT_UNIT 18
#define DOT_COUNTS 20
#define DOT_COUNT_BYTES 24
#define DOT_RUNS 26
// sw_clip_t
#define CLIP_BIAS 20
#else
#define UNPACK_OUT 0
#define UNPACK_COUNT 2
#define UNPACK_WEIGHTS 4
#define UNPACK_INDEX 8
#define UNPACK_WORD 12
#define UNPACK_CODES 14
#define UNPACK_OFFSET 16
#define UNPACK_PREVIOUS 18
#define UNPACK_LEFT 20
#define UNPACK_ROWS 22
#define UNPACK_KERNEL_W 24
#define UNPACK_KERNEL_H 26
#define UNPACK_ROW_SKIP 28
#define UNPACK_PLANE_SKIP 30
#define UNPACK_UNIT 32
#define UNPACK_UNIT_LEFT 34
#define UNPACK_PATTERNS 36
#define UNPACK_TAP 38
#define DOT_X 4
#define DOT_COUNT 6
#define DOT_WEIGHTS 8
#define DOT_INDEX 12
#define DOT_UNIT 16
#define DOT_COUNTS 18
#define DOT_COUNT_BYTES 22
#define DOT_RUNS 24
#define CLIP_BIAS 16
#endif

#endif
