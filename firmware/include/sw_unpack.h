// SPDX-License-Identifier: Apache-2.0
// Layout of sw_unpack_t on the MSP430 for its assembly kernels (sw_unpack.inc); sw_weights.c checks it.
#ifndef SW_UNPACK_H
#define SW_UNPACK_H

#define UNPACK_OUT 0
#define UNPACK_COUNT 2
#define UNPACK_WEIGHTS 4
#define UNPACK_DELTAS 8
#define UNPACK_OFFSET 12
#define UNPACK_PREVIOUS 14
#define UNPACK_LEFT 16
#define UNPACK_ROWS 18
#define UNPACK_KERNEL_W 20
#define UNPACK_KERNEL_H 22
#define UNPACK_ROW_SKIP 24
#define UNPACK_PLANE_SKIP 26

#endif
