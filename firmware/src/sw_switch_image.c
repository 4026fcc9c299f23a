// SPDX-License-Identifier: Apache-2.0
// The level of a model with images: a switch patches the weights in which two levels differ, in steps.
//
// Between the first patch and the last the images are of no level. So the journal is opened before the first
// write and closed after the level; whoever wants to compute completes an open switch first. A chunk writes
// what it reads elsewhere, so repeating one is harmless, and sw_switch_finish goes on forward; only a way up
// whose weights can't be read any more is undone, for which none is needed.
#include "sw_handover.h"
#include "sw_switch.h"

SW_NVM uint16_t sw_level = 0;
SW_NVM uint16_t sw_switching = 0;
SW_NVM uint16_t sw_patched = 0;

static void patch(const sw_patch_t *chunk, uint16_t write) {
    sw_patching_t work = {sw_patch_headers + chunk->headers, write ? sw_patch_fetch(chunk) : 0,
                          sw_blobs[chunk->blob] + chunk->to, chunk->runs, write};
    sw_patch_s16_cpu(&work);
}

int sw_switch_finish(void) {
    if (sw_switching == 0) return SW_OK;
    uint16_t level = (sw_switching & (uint16_t)~SW_UNDO) - 1;
    uint16_t up = level > sw_level, write = up && !(sw_switching & SW_UNDO);
    if (write && sw_patch_ready() != SW_OK) { // since power came back
        SW_COMMIT(sw_patched, 0);
        SW_COMMIT(sw_switching, sw_switching | SW_UNDO);
        write = 0;
    }
    uint16_t first = sw_patch_ends[up ? sw_level : level];
    uint16_t count = sw_patch_ends[up ? level : sw_level] - first;
    for (uint16_t done = sw_patched; done < count; done++) {
        patch(&sw_patches[first + done], write);
        SW_COMMIT(sw_patched, done + 1);
    }
    if (write || !up) SW_COMMIT(sw_level, level); // from here on `count` is 0
    SW_COMMIT(sw_switching, 0);
    return SW_OK;
}

int sw_switch(uint16_t level) {
    if (level >= sw_level_count) return SW_ERR_LEVEL;
    if (sw_state() == SW_RUNNING) return SW_ERR_BUSY; // it reads the images
    int status = sw_ready();                          // completes an open switch
    if (status == SW_OK && level > sw_level) status = sw_patch_ready();
    if (status != SW_OK || level == sw_level) return status;
    sw_patched = 0;
    SW_COMMIT(sw_switching, level + 1);
    return sw_switch_finish();
}
