// SPDX-License-Identifier: Apache-2.0
#include "sw_kernels.h"

uint16_t sw_load_u8(sw_addr_t address) {
    return *(const uint8_t *)(uintptr_t)address;
}
