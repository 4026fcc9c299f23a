// SPDX-License-Identifier: Apache-2.0
// Images of weights and the patches between levels, as model.c describes them (FORMAT.md, images).
#ifndef SW_SWITCH_H
#define SW_SWITCH_H

#include "sw_kernels.h"
#include "swtrain.h"

// A chunk of a patch. `headers` and `weights` count bytes from those of the first chunk, `to` from the image.
typedef struct {
    uint32_t headers;
    uint32_t weights;
    uint32_t to;
    uint16_t blob; // index into sw_blobs
    uint16_t runs;
    uint16_t words; // weights in all runs
} sw_patch_t;

// Made by `swtrain emit-c`.
extern const sw_patch_t sw_patches[];
extern const uint16_t sw_patch_ends[]; // for each level: chunks of levels up to it
extern const sw_addr_t sw_patch_headers;
extern const sw_addr_t sw_patch_weights; // if they lie on the chip
extern const uint32_t sw_patch_external; // if they lie in external memory
extern const sw_addr_t sw_blobs[];

// FRAM, the journal: 1 + the level to which the images are being patched, 0 = none, with SW_UNDO if they are
// on the way back from there; chunks recorded of that.
#define SW_UNDO 0x8000
extern uint16_t sw_switching, sw_patched;

// Completes a switch that a power failure interrupted; one to a denser level whose weights have gone is
// undone. Always SW_OK.
int sw_switch_finish(void);

// Where the weights of a chunk are to be read, and whether they can be: SW_OK or SW_ERR_EXTERNAL.
// sw_patch_weights.c or, for external memory, sw_patch_weights_external.c.
sw_addr_t sw_patch_fetch(const sw_patch_t *chunk);
int sw_patch_ready(void);

#endif
