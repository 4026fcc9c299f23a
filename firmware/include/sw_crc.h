// SPDX-License-Identifier: Apache-2.0
// CRC-32 (polynomial 04C11DB7h reflected, as in zlib).
#ifndef SW_CRC_H
#define SW_CRC_H

#include <stdint.h>

// Continues `crc` (0 at the start) with `count` bytes.
uint32_t sw_crc32(uint32_t crc, const uint8_t *bytes, uint16_t count);

#endif
