// SPDX-License-Identifier: Apache-2.0
// Weights of patches in external memory: one transfer by DMA for each chunk, into LEA RAM, which nobody needs
// while levels are switched. Straight into the image would take a READ command for each run, and runs of
// unstructured masks are one or two weights long.
#include "sw_external.h"
#include "sw_layers.h"
#include "sw_switch.h"

sw_addr_t sw_patch_fetch(const sw_patch_t *chunk) {
    sw_external_read((uintptr_t)sw_lea_ram, sw_patch_external + chunk->weights, 2 * chunk->words);
    return (uintptr_t)sw_lea_ram;
}

int sw_patch_ready(void) {
    return sw_external_check();
}
