// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

uint32_t sw_mul_u16(uint16_t a, uint16_t b) {
    return (uint32_t)a * b;
}
