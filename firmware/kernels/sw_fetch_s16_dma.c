// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_fetch_s16_dma(int16_t *to, sw_addr_t from, uint16_t words) {
    for (uint16_t i = 0; i < words; i++, from += 2) to[i] = (int16_t)sw_load_u16(from);
}
