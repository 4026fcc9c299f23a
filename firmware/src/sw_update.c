// SPDX-License-Identifier: Apache-2.0
// Packages: received into a staging area, then exchanged with what they replace, run by run.
//
// Until the commit of `swapping` nothing of the model is touched. From there on the exchange is completed
// before anyone computes. A run goes in three recorded steps, none of which writes what it reads: the old
// words into `aside`, the new ones to their place, the old ones to where the new ones were staged. So the
// staging area holds the old model afterwards, and going back is the same exchange.
//
// Runs are gone through twice, to check and to exchange them, and each time a reboot goes on where `recorded`
// says: however many there are, a small energy buffer gets to the end.
#include "sw_crc.h"
#include "sw_handover.h"
#include "sw_staging.h"

#include <stddef.h>

enum { EMPTY = 0, NEW = 1, OLD = 2, RUN_WORDS = 64, RUN_HEADER = 6, STEPS = 4, MOST_RUNS = 0x3FFF };
#define SIGNATURES 0xFF80ul // JTAG and BSL signatures and vectors: never written
#define HIGH 0x10000ul

typedef struct {
    uint8_t magic[4];
    uint16_t format, version;
    uint32_t digest, bytes, crc;
    uint16_t runs, zero;
    uint32_t zeros;
    uint32_t header_crc; // of the 28 bytes before it
} header_t;

SW_STATIC_ASSERT(update_header, sizeof(header_t) == SW_UPDATE_HEADER_BYTES);

SW_NVM uint16_t sw_update_received = 0;
static SW_NVM header_t package = {{0}, 0, 0, 0, 0, 0, 0, 0, 0, 0};
static SW_NVM uint32_t sums[2] = {0, 0}; // CRC of what is received, by the parity of the number of blocks
static SW_NVM uint16_t staged = EMPTY;   // what the staging area holds in whole
static SW_NVM uint16_t swapping = 0;     // what it will hold when the exchange under way is done, 0 = none
static SW_NVM uint16_t recorded = 0;     // STEPS of each run of that exchange; before, runs that are checked
static SW_NVM sw_addr_t runs_at[2] = {0, 0}; // the run under way, by the parity of its number
static SW_NVM int16_t aside[RUN_WORDS] = {0};

static uint16_t block_count(void) {
    return (uint16_t)((package.bytes + SW_UPDATE_BLOCK_BYTES - 1) / SW_UPDATE_BLOCK_BYTES);
}

static int equal(const uint8_t *a, const uint8_t *b, uint16_t count) {
    while (count > 0 && *a == *b) a++, b++, count--;
    return count == 0;
}

int sw_update_begin(const uint8_t *bytes) {
    static const uint8_t magic[4] = {'S', 'W', 'U', 'P'};
    header_t header;
    uint8_t *to = (uint8_t *)&header;
    for (uint16_t i = 0; i < sizeof header; i++) to[i] = bytes[i];
    if (!equal(header.magic, magic, 4) || header.format != 1 ||
        header.header_crc != sw_crc32(0, bytes, offsetof(header_t, header_crc)))
        return SW_ERR_PACKAGE;
    int status = sw_update_finish();
    if (status != SW_OK) return status;
    if (header.version <= sw_model_version) return SW_ERR_VERSION;
    if (header.digest != sw_model_digest) return SW_ERR_MODEL;
    if (header.bytes == 0 || header.bytes > sw_staging_bytes || header.bytes & 1 || header.runs > MOST_RUNS)
        return SW_ERR_ROOM;
    if (staged != OLD && equal(bytes, (const uint8_t *)&package, sizeof package) &&
        sw_staging_check(bytes) == SW_OK)
        return SW_OK;
    SW_COMMIT(staged, EMPTY);
    SW_COMMIT(sw_update_received, 0);
    sums[0] = 0;
    recorded = 0;
    runs_at[0] = sw_staging;
    sw_staging_mark(bytes);
    SW_BARRIER();
    package = header; // last: who finds it goes on with all of the above
    SW_BARRIER();
    return sw_staging_check(bytes);
}

int sw_update_write(const int16_t *block) {
    uint16_t number = sw_update_received;
    if (staged != EMPTY || number >= block_count()) return SW_ERR_ORDER;
    uint32_t at = (uint32_t)number * SW_UPDATE_BLOCK_BYTES;
    uint16_t bytes =
        package.bytes - at < SW_UPDATE_BLOCK_BYTES ? (uint16_t)(package.bytes - at) : SW_UPDATE_BLOCK_BYTES;
    sw_staging_copy(sw_staging + at, (uintptr_t)block, bytes / 2);
    sw_staging_copy((uintptr_t)aside, sw_staging + at, bytes / 2); // what has arrived there
    sums[(number + 1) & 1] = sw_crc32(sums[number & 1], (const uint8_t *)aside, bytes);
    SW_COMMIT(sw_update_received, number + 1);
    return SW_OK;
}

// A run in the staging area.
typedef struct {
    sw_addr_t place, data;
    uint16_t words;
} run_t;

// Run `number`, whose address is known; notes that of the next one.
static run_t run_of(uint16_t number) {
    uint16_t header[RUN_HEADER / 2];
    run_t run;
    sw_addr_t at = runs_at[number & 1];
    sw_staging_copy((uintptr_t)header, at, RUN_HEADER / 2);
    run.place = header[0] | (sw_addr_t)(header[1] & 0x7FFF) << 16;
    if (header[1] & 0x8000) run.place |= SW_UPDATE_EXTERNAL;
    run.words = header[2];
    run.data = at + RUN_HEADER;
    runs_at[(number + 1) & 1] = run.data + 2 * (sw_addr_t)run.words;
    return run;
}

// It replaces words of FRAM or of the model's external memory, not signatures, vectors or staging area.
static int is_legal(const run_t *run) {
    sw_addr_t last = run->place + 2 * (sw_addr_t)run->words;
    if (run->words == 0 || run->words > RUN_WORDS || run->place & 1) return 0;
    if (run->place < sw_staging + sw_staging_bytes && last > sw_staging) return 0;
    if (run->place & SW_UPDATE_EXTERNAL) return last <= (SW_UPDATE_EXTERNAL | sw_staging_outside());
    return run->place >= HIGH || last <= SIGNATURES;
}

// All runs are legal and fill the package.
static int runs_are_legal(void) {
    sw_addr_t end = sw_staging + package.bytes;
    for (uint16_t i = recorded; i < package.runs; i++) {
        if (runs_at[i & 1] + RUN_HEADER > end) return 0;
        run_t run = run_of(i);
        if (!is_legal(&run)) return 0;
        SW_COMMIT(recorded, i + 1);
    }
    return runs_at[package.runs & 1] == end;
}

static void exchange(const run_t *run, uint16_t step) {
    switch (step) {
    case 0: sw_staging_copy((uintptr_t)aside, run->place, run->words); break;
    case 1: sw_staging_copy(run->place, run->data, run->words); break;
    case 2: sw_staging_copy(run->data, (uintptr_t)aside, run->words); break;
    default: break; // to the next run
    }
}

int sw_update_finish(void) {
    if (swapping == 0) return SW_OK;
    int status = sw_staging_check((const uint8_t *)&package);
    if (status != SW_OK) return status;
    uint16_t end = STEPS * package.runs;
    for (uint16_t done = recorded; done < end;) {
        run_t run = run_of(done / STEPS);
        do {
            exchange(&run, done % STEPS);
            SW_COMMIT(recorded, ++done);
        } while (done % STEPS);
    }
    SW_COMMIT(staged, swapping);
    SW_COMMIT(swapping, 0);
    return SW_OK;
}

static int swap_to(uint16_t afterwards) {
    if (sw_state() == SW_RUNNING) return SW_ERR_BUSY;
    int status = sw_switch(0); // packages are made for images of level 0
    if (status == SW_OK) status = sw_staging_check((const uint8_t *)&package);
    if (status != SW_OK) return status;
    recorded = 0;
    runs_at[0] = sw_staging;
    SW_COMMIT(swapping, afterwards);
    return sw_update_finish();
}

int sw_update_commit(void) {
    int status = sw_update_finish();
    if (status != SW_OK) return status;
    if (staged == OLD || sw_update_received == 0 || sw_update_received < block_count()) return SW_ERR_ORDER;
    if (staged == EMPTY) {
        if (sums[sw_update_received & 1] != package.crc || !runs_are_legal()) return SW_ERR_CRC;
        SW_COMMIT(staged, NEW);
    }
    return swap_to(OLD);
}

int sw_update_rollback(void) {
    int status = sw_update_finish();
    if (status != SW_OK) return status;
    return staged == OLD ? swap_to(NEW) : SW_ERR_NONE;
}
