// SPDX-License-Identifier: Apache-2.0
// What a package replaces in update.c.
#ifndef UPDATE_MODEL_H
#define UPDATE_MODEL_H

#include <stdint.h>

enum { MODEL_WORDS = 700, STAGING_BYTES = 4096 };

extern uint16_t model_words[MODEL_WORDS];

#endif
