// SPDX-License-Identifier: Apache-2.0
// External FRAM on a serial bus: bytes in and out, and whose weights it holds (FORMAT.md, external memory).
//
// Reading and writing may be repeated at any time. A power failure loses chip select, write enable and the
// rest of a transfer; what was written before it stays, byte by byte. Nothing here needs to be set up after a
// reboot.
#ifndef SW_EXTERNAL_H
#define SW_EXTERNAL_H

#include "sw_platform.h"

#define SW_EXTERNAL_HEADER_BYTES 32

// Made by `swtrain emit-c` from [external] of target.toml: divider of the bus clock (UCBRW).
extern const uint16_t sw_external_ucbrw;
// Made by `swtrain emit-c`: the header that the external memory must have.
extern const uint8_t sw_external_header[SW_EXTERNAL_HEADER_BYTES];

// SW_OK if the external memory holds the weights of this program, else SW_ERR_EXTERNAL. Looks once after each
// reboot.
int sw_external_check(void);

// SW_OK if SW_EXTERNAL_HEADER_BYTES of external memory equal `bytes`, else SW_ERR_EXTERNAL. Looks several
// times.
int sw_external_holds(uint32_t address, const uint8_t *bytes);

// The board's part. Copies `bytes` >= 1 between `address` of the external memory and memory of the MCU. The
// CPU sleeps meanwhile.
void sw_external_read(sw_addr_t to, uint32_t address, uint16_t bytes);
void sw_external_write(uint32_t address, sw_addr_t from, uint16_t bytes);

#endif
