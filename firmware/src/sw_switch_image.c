// SPDX-License-Identifier: Apache-2.0
// The level of a model with images: a switch patches the weights in which two levels differ, in steps.
//
// Between the first patch and the last the images are of no level. So the journal is opened before the first
// write and closed after the level; whoever wants to compute completes an open switch first. A chunk writes
// what it reads elsewhere, so repeating one is harmless, and sw_switch_finish always goes on forward.
#include "sw_handover.h"
#include "sw_switch.h"

SW_NVM uint16_t sw_level = 0;
SW_NVM uint16_t sw_switching = 0;
SW_NVM uint16_t sw_patched = 0;

static void patch(const sw_patch_t *chunk, uint16_t up) {
    sw_patching_t work = {sw_patch_data + chunk->from, sw_blobs[chunk->blob] + chunk->to, chunk->runs, up};
    sw_patch_s16_cpu(&work);
}

int sw_switch_finish(void) {
    if (sw_switching == 0) return SW_OK;
    uint16_t level = sw_switching - 1;
    uint16_t up = level > sw_level;
    uint16_t first = sw_patch_ends[up ? sw_level : level];
    uint16_t count = sw_patch_ends[up ? level : sw_level] - first;
    for (uint16_t done = sw_patched; done < count; done++) {
        patch(&sw_patches[first + done], up);
        SW_COMMIT(sw_patched, done + 1);
    }
    SW_COMMIT(sw_level, level); // from here on `count` is 0
    SW_COMMIT(sw_switching, 0);
    return SW_OK;
}

int sw_switch(uint16_t level) {
    if (level >= sw_level_count) return SW_ERR_LEVEL;
    if (sw_state() == SW_RUNNING) return SW_ERR_BUSY; // it reads the images
    int status = sw_ready();                          // completes an open switch
    if (status != SW_OK || level == sw_level) return status;
    sw_patched = 0;
    SW_COMMIT(sw_switching, level + 1);
    return sw_switch_finish();
}
