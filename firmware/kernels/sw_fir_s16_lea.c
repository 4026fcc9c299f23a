// SPDX-License-Identifier: Apache-2.0
#include "sw_lea.h"

void sw_fir_s16_lea(uint16_t x, uint16_t block) {
    const sw_lea_fir_t *b = (const sw_lea_fir_t *)(const void *)SW_LEA_ADDRESS(block);
    const int16_t *in = SW_LEA_ADDRESS(x), *taps = SW_LEA_ADDRESS(b->taps);
    int16_t *y = SW_LEA_ADDRESS(b->result);
    for (uint16_t j = 0; j < b->outputs; j++) {
        int32_t sum = 0;
        for (uint16_t k = 0; k < b->tap_count; k++) sum += (int32_t)in[j + k] * taps[b->tap_count - 1 - k];
        y[j] = (int16_t)(sum >> 15);
    }
}
