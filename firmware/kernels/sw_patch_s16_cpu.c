// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_patch_s16_cpu(const sw_patching_t *work) {
    sw_addr_t weights = work->weights, image = work->image;
    for (uint16_t run = 0; run < work->runs; run++) {
        uint16_t header = sw_load_u16(work->headers + 2 * (sw_addr_t)run);
        image += 2 * (header & 255);
        for (uint16_t left = header >> 8; left > 0; left--) {
            *(int16_t *)(uintptr_t)image = (int16_t)(work->up ? sw_load_u16(weights) : 0);
            weights += 2;
            image += 2;
        }
    }
}
