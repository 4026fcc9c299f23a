// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_taps_dense_s16_cpu(sw_unpack_t *u) {
    for (; u->count > 0; u->count--) {
        u->offset = (int16_t)(u->offset + 2);
        if (--u->left == 0) {
            u->left = u->kernel_w;
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
