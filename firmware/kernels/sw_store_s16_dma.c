// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_store_s16_dma(sw_addr_t to, const int16_t *from, uint16_t words) {
    int16_t *at = (int16_t *)(uintptr_t)to;
    while (words--) *at++ = *from++;
}
