// SPDX-License-Identifier: Apache-2.0
// A model that can be replaced, version and digest included: constants for the runtime, as in a real program.
// The linker must place all below 2 GB (-no-pie): packages have 31 bits for an address.
#include "update_model.h"
#include "sw_platform.h"

SW_NVM uint16_t model_words[MODEL_WORDS] = {1};
SW_NVM uint16_t sw_model_version = 1;
SW_NVM uint32_t sw_model_digest = 0x51AB3C77;
static SW_NVM uint16_t staging[STAGING_BYTES / 2] = {1};

const uint32_t sw_staging_bytes = STAGING_BYTES;
const sw_addr_t sw_staging = (sw_addr_t)staging;
