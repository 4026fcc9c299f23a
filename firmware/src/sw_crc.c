// SPDX-License-Identifier: Apache-2.0
#include "sw_crc.h"

uint32_t sw_crc32(uint32_t crc, const uint8_t *bytes, uint16_t count) {
    crc = ~crc;
    while (count-- > 0) {
        crc ^= *bytes++;
        for (uint8_t bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
    }
    return ~crc;
}
