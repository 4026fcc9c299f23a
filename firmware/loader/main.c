// SPDX-License-Identifier: Apache-2.0
// Fills an external memory: writes the bytes that were linked into high FRAM to their place there and reads
// them back. It goes from the end to the start, so that the header of weights_external.bin, which makes the
// memory valid, comes last. `swtrain build` makes one program for each part of the file, `swtrain flash` runs
// them.
#include "loader_image.h"
#include "sw_external.h"
#include "sw_kernels.h"

enum { PIECE = 128 };

// payload.S
extern const sw_addr_t loader_payload;
extern const uint32_t loader_bytes;

const uint16_t sw_external_ucbrw = LOADER_UCBRW;
SW_NVM volatile int16_t loader_status = 0; // 1: the memory holds the payload; -1: it reads otherwise
SW_NVM static volatile uint16_t never = 0;

static int write_piece(uint32_t at, uint16_t bytes) {
    uint8_t found[PIECE];
    sw_external_write(LOADER_ADDRESS + at, loader_payload + at, bytes);
    sw_external_read((uintptr_t)found, LOADER_ADDRESS + at, bytes);
    for (uint16_t i = 0; i < bytes; i++)
        if (found[i] != sw_load_u8(loader_payload + at + i)) return 0;
    return 1;
}

int main(void) {
    int16_t status = 1;
    uint32_t left = loader_bytes;
    loader_status = 0;
    while (left > 0 && status == 1) {
        uint16_t bytes = left % PIECE ? (uint16_t)(left % PIECE) : PIECE;
        left -= bytes;
        if (!write_piece(left, bytes)) status = -1;
    }
    loader_status = status;
    for (;;) sw_board_wait(&never); // whoever programs the board stops it at sw_idle
}
