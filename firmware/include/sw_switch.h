// SPDX-License-Identifier: Apache-2.0
// Images of weights and the patches between levels, as model.c describes them (FORMAT.md, images).
#ifndef SW_SWITCH_H
#define SW_SWITCH_H

#include "sw_kernels.h"
#include "swtrain.h"

// A chunk of a patch. `from` counts bytes in sw_patch_data, `to` in the image.
typedef struct {
    uint32_t from;
    uint16_t blob; // index into sw_blobs
    uint32_t to;
    uint16_t runs;
} sw_patch_t;

// Made by `swtrain emit-c`.
extern const sw_patch_t sw_patches[];
extern const uint16_t sw_patch_ends[]; // for each level: chunks of levels up to it
extern const sw_addr_t sw_patch_data;
extern const sw_addr_t sw_blobs[];

// FRAM, the journal: 1 + the level to which the images are being patched, 0 = none; chunks recorded of that.
extern uint16_t sw_switching, sw_patched;

// Completes a switch that a power failure interrupted. Always SW_OK.
int sw_switch_finish(void);

#endif
