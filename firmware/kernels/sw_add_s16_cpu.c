// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

void sw_add_s16_cpu(const sw_add_t *add) {
    sw_addr_t a = add->a, b = add->b;
    int16_t *y = (int16_t *)(uintptr_t)add->y;
    for (uint16_t r = add->height; r > 0; r--) {
        for (uint16_t i = add->width; i > 0; i--, a += 2, b += 2) {
            int32_t sum = (int32_t)(int16_t)sw_load_u16(a) * add->a_factor;
            sum += (int32_t)(int16_t)sw_load_u16(b) * add->b_factor;
            int32_t v = (sum + 0x2000) >> 14;
            if (v < add->lo) v = add->lo;
            if (v > add->hi) v = add->hi;
            *y++ = (int16_t)v;
        }
        a += add->a_skip;
        b += add->b_skip;
        y += add->y_skip / 2;
    }
}
