// SPDX-License-Identifier: Apache-2.0
// Packages for a model with external memory: they replace words there, too, and may be staged there. The
// header of the package in external memory says whether the part that is fitted is the one it was.
#include "sw_external.h"
#include "sw_kernels.h"
#include "sw_staging.h"

enum { PIECE = 16 }; // words on the way from external to external memory

static uint32_t place(sw_addr_t address) {
    return (uint32_t)(address & ~SW_UPDATE_EXTERNAL);
}

void sw_staging_copy(sw_addr_t to, sw_addr_t from, uint16_t words) {
    if (!((to | from) & SW_UPDATE_EXTERNAL)) {
        sw_rows_t rows = {to, from, words, 1, 0, 0};
        sw_copy_rows_s16_dma(&rows);
    } else if (!(to & SW_UPDATE_EXTERNAL)) {
        sw_external_read(to, place(from), 2 * words);
    } else if (!(from & SW_UPDATE_EXTERNAL)) {
        sw_external_write(place(to), from, 2 * words);
    } else {
        int16_t piece[PIECE];
        for (uint16_t done = 0; done < words; done += PIECE) {
            uint16_t bytes = 2 * (words - done < PIECE ? words - done : PIECE);
            sw_external_read((uintptr_t)piece, place(from) + 2 * (uint32_t)done, bytes);
            sw_external_write(place(to) + 2 * (uint32_t)done, (uintptr_t)piece, bytes);
        }
    }
}

void sw_staging_mark(const uint8_t *header) {
    sw_external_write(sw_update_mark, (uintptr_t)header, SW_UPDATE_HEADER_BYTES);
}

int sw_staging_check(const uint8_t *header) {
    return sw_external_holds(sw_update_mark, header);
}

uint32_t sw_staging_outside(void) {
    return sw_external_bytes;
}
