// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_patch_s16_cpu(const sw_patching_t *work) {
    sw_addr_t data = work->data, image = work->image;
    for (uint16_t run = 0; run < work->runs; run++) {
        uint16_t header = sw_load_u16(data);
        data += 2;
        image += 2 * (header & 255);
        for (uint16_t left = header >> 8; left > 0; left--) {
            *(int16_t *)(uintptr_t)image = (int16_t)(work->up ? sw_load_u16(data) : 0);
            data += 2;
            image += 2;
        }
    }
}
