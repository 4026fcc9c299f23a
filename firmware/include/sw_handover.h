// SPDX-License-Identifier: Apache-2.0
// What the parts of the runtime share about an inference under way.
#ifndef SW_HANDOVER_H
#define SW_HANDOVER_H

#include "swtrain.h"

// FRAM: the level of the inference under way, taken when its input was handed in.
extern uint16_t sw_run_level;

// SW_OK if all weights are there and of one level.
int sw_ready(void);

#endif
