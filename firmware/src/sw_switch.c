// SPDX-License-Identifier: Apache-2.0
// The level. Weights are ordered by level inside each row, so a level is a count and a switch one word.
#include "swtrain.h"

SW_NVM uint16_t sw_level = 0;

int sw_switch(uint16_t level) {
    if (level >= sw_level_count) return SW_ERR_LEVEL;
    SW_COMMIT(sw_level, level); // one 16-bit FRAM write: old or new, never between
    return SW_OK;
}
