// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_taps_csr_s16_cpu(sw_unpack_t *u) {
    for (; u->count > 0; u->count--) {
        int16_t delta = (int16_t)sw_load_u8(u->deltas);
        u->deltas += 1;
        u->offset = (int16_t)(u->offset + 2 * delta);
        u->left = (int16_t)(u->left - delta);
        while (u->left <= 0) {
            u->left = (int16_t)(u->left + u->kernel_w);
            u->offset = (int16_t)(u->offset + u->row_skip);
            if (--u->rows == 0) {
                u->rows = u->kernel_h;
                u->offset = (int16_t)(u->offset + u->plane_skip);
            }
        }
        u->out->delta = (int16_t)(u->offset - u->previous);
        u->out->weight = (int16_t)sw_load_u16(u->weights);
        u->previous = u->offset;
        u->weights += 2;
        u->out++;
    }
}
