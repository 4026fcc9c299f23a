// SPDX-License-Identifier: Apache-2.0
#include "sw_lea.h"

// On a host a command is done before it returns.
void sw_lea_wait(void) {}
