// SPDX-License-Identifier: Apache-2.0
// Layout of sw_unpack_t on the MSP430 for its assembly kernels (sw_unpack.inc); sw_weights.c checks it.
#ifndef SW_UNPACK_H
#define SW_UNPACK_H

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

#endif
