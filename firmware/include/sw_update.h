// SPDX-License-Identifier: Apache-2.0
// A new set of weights in the field: a package arrives in blocks, is checked, and replaces what differs at
// once. FORMAT.md has every byte, README.md the rules. Models emitted with --update have it.
#ifndef SW_UPDATE_H
#define SW_UPDATE_H

#include "swtrain.h"

#define SW_UPDATE_HEADER_BYTES 32
#define SW_UPDATE_BLOCK_BYTES 128

enum sw_update_err {
    SW_ERR_PACKAGE = -16, // not a package, or its header is corrupt
    SW_ERR_MODEL = -17,   // made for another model or another build
    SW_ERR_VERSION = -18, // not newer than what is installed
    SW_ERR_ROOM = -19,    // larger than what was planned for, or too many runs
    SW_ERR_ORDER = -20,   // no package was begun, or not all of it is here
    SW_ERR_CRC = -21,     // the payload is corrupt
    SW_ERR_NONE = -22,    // there is nothing to go back to
};

// Addresses with this bit are those of external memory.
#define SW_UPDATE_EXTERNAL ((sw_addr_t)1 << (8 * sizeof(sw_addr_t) - 1))

// Begins a package, or goes on with it if it is the one under way: sw_update_received blocks are here.
// Whatever was kept to go back to is forgotten. SW_ERR_EXTERNAL: the external memory does not answer.
int sw_update_begin(const uint8_t *header);

// Takes the next block: SW_UPDATE_BLOCK_BYTES, the last one what is left. `block` is even.
int sw_update_write(const int16_t *block);

// Checks the package and installs it: level 0, all at once for whoever computes. SW_ERR_BUSY under an
// inference; SW_ERR_EXTERNAL if the package lies in external memory and that does not answer, or is another
// one: nothing was done then.
int sw_update_commit(void);

// Brings back what the last package replaced. SW_ERR_BUSY, SW_ERR_EXTERNAL as above.
int sw_update_rollback(void);

// Completes an installation that a power failure interrupted. SW_ERR_EXTERNAL: it waits for its memory, and
// nobody can compute meanwhile.
int sw_update_finish(void);

// FRAM: blocks of the package under way that are here.
extern uint16_t sw_update_received;

// Made by `swtrain emit-c`; a package replaces the first two with everything else.
extern const uint16_t sw_model_version;
extern const uint32_t sw_model_digest;
extern const uint32_t sw_staging_bytes;
extern const sw_addr_t sw_staging;
// If there is external memory: what a package may replace there, and where the mark of the package lies.
extern const uint32_t sw_external_bytes;
extern const uint32_t sw_update_mark;

#endif
