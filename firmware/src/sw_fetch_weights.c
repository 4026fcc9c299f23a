// SPDX-License-Identifier: Apache-2.0
// Copies weights from external memory into a working buffer. A step writes nothing that it reads, so
// repeating it is harmless.
#include "sw_external.h"
#include "sw_layers.h"
#include "swtrain.h"

enum { ENTRY_BYTES = 8, RUN_BYTES = 4, RUNS_AT_ONCE = 12 };

static uint16_t u16_at(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

void sw_fetch_weights_prepare(const void *desc, uint16_t level) {
    (void)desc;
    (void)level;
}

void sw_fetch_weights_step(const void *desc, uint16_t step, uint16_t level) {
    const sw_fetch_weights_t *layer = desc;
    uint8_t list[RUN_BYTES * RUNS_AT_ONCE];
    sw_external_read((uintptr_t)list,
                     layer->directory + ENTRY_BYTES * ((uint32_t)step * sw_level_count + level), ENTRY_BYTES);
    uint32_t runs = u16_at(list) | (uint32_t)u16_at(list + 2) << 16;
    uint16_t left = u16_at(list + 4);
    uint32_t offset = (uint32_t)step * layer->chunk;
    while (left > 0) {
        uint16_t count = left < RUNS_AT_ONCE ? left : RUNS_AT_ONCE;
        sw_external_read((uintptr_t)list, runs, RUN_BYTES * count);
        for (const uint8_t *run = list; run < list + RUN_BYTES * count; run += RUN_BYTES) {
            offset += u16_at(run);
            uint16_t bytes = u16_at(run + 2);
            sw_external_read(sw_blobs[layer->index] + offset, layer->blob + offset, bytes);
            offset += bytes;
        }
        runs += RUN_BYTES * count;
        left -= count;
    }
}
