// SPDX-License-Identifier: Apache-2.0
// Where packages are staged and what they replace: sw_staging.c on the chip alone, sw_staging_external.c for
// a model with external memory.
#ifndef SW_STAGING_H
#define SW_STAGING_H

#include "sw_update.h"

// Copies words between two places, each on the chip or, with SW_UPDATE_EXTERNAL, in external memory.
void sw_staging_copy(sw_addr_t to, sw_addr_t from, uint16_t words);

// Marks the external memory as the one that the package with this header is about.
void sw_staging_mark(const uint8_t *header);

// Does it still have that mark? SW_OK or SW_ERR_EXTERNAL.
int sw_staging_check(const uint8_t *header);

// Bytes of external memory that a package may replace.
uint32_t sw_staging_outside(void);

#endif
