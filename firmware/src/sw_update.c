// SPDX-License-Identifier: Apache-2.0
// Packages: received into a staging area, then exchanged with what they replace, run by run.
//
// Until the commit of `swapping` nothing of the model is touched. From there on the exchange is completed
// before anyone computes. A run goes in three recorded steps, none of which writes what it reads: the old
// words into `aside`, the new ones to their place, the old ones to where the new ones were staged. So the
// staging area holds the old model afterwards, and going back is the same exchange.
#include "sw_update.h"
#include "sw_crc.h"
#include "sw_handover.h"
#include "sw_kernels.h"

#include <stddef.h>

enum { EMPTY = 0, NEW = 1, OLD = 2, RUN_WORDS = 64, RUN_HEADER = 6 };
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
static SW_NVM uint16_t swapped = 0;      // recorded steps of that exchange
static SW_NVM int16_t aside[RUN_WORDS] = {0};

static void copy(sw_addr_t to, sw_addr_t from, uint16_t words) {
    sw_rows_t rows = {to, from, words, 1, 0, 0};
    sw_copy_rows_s16_dma(&rows);
}

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
    sw_update_finish();
    if (header.version <= sw_model_version) return SW_ERR_VERSION;
    if (header.digest != sw_model_digest) return SW_ERR_MODEL;
    if (header.bytes == 0 || header.bytes > sw_staging_bytes || header.bytes & 1) return SW_ERR_ROOM;
    if (staged != OLD && equal(bytes, (const uint8_t *)&package, sizeof package)) return SW_OK;
    SW_COMMIT(staged, EMPTY);
    SW_COMMIT(sw_update_received, 0);
    package = header;
    sums[0] = 0;
    SW_BARRIER();
    return SW_OK;
}

int sw_update_write(const int16_t *block) {
    uint16_t number = sw_update_received;
    if (staged != EMPTY || number >= block_count()) return SW_ERR_ORDER;
    uint32_t at = (uint32_t)number * SW_UPDATE_BLOCK_BYTES;
    uint16_t bytes =
        package.bytes - at < SW_UPDATE_BLOCK_BYTES ? (uint16_t)(package.bytes - at) : SW_UPDATE_BLOCK_BYTES;
    copy(sw_staging + at, (uintptr_t)block, bytes / 2);
    sums[(number + 1) & 1] = sw_crc32(sums[number & 1], (const uint8_t *)block, bytes);
    SW_COMMIT(sw_update_received, number + 1);
    return SW_OK;
}

// A run in the staging area; moves `at` behind it.
typedef struct {
    sw_addr_t place, data;
    uint16_t words;
} run_t;

static run_t next_run(sw_addr_t *at) {
    run_t run;
    run.place = sw_load_u16(*at) | (sw_addr_t)sw_load_u16(*at + 2) << 16;
    run.words = sw_load_u16(*at + 4);
    run.data = *at + RUN_HEADER;
    *at = run.data + 2 * (sw_addr_t)run.words;
    return run;
}

// All runs lie in FRAM, outside the signatures and the staging area, and fill the package.
static int runs_are_legal(void) {
    sw_addr_t at = sw_staging, end = sw_staging + package.bytes;
    for (uint16_t i = 0; i < package.runs; i++) {
        if (at + RUN_HEADER > end) return 0;
        run_t run = next_run(&at);
        sw_addr_t last = run.place + 2 * (sw_addr_t)run.words;
        if (run.words == 0 || run.words > RUN_WORDS || at > end || run.place & 1) return 0;
        if (run.place < HIGH && last > SIGNATURES) return 0;
        if (run.place < sw_staging + sw_staging_bytes && last > sw_staging) return 0;
    }
    return at == end;
}

static void exchange(const run_t *run, uint16_t step) {
    switch (step) {
    case 0: copy((uintptr_t)aside, run->place, run->words); break;
    case 1: copy(run->place, run->data, run->words); break;
    default: copy(run->data, (uintptr_t)aside, run->words); break;
    }
}

int sw_update_finish(void) {
    if (swapping == 0) return SW_OK;
    sw_addr_t at = sw_staging;
    uint16_t done = swapped, first = 0; // number of the run's first step
    for (uint16_t i = 0; i < package.runs; i++, first += 3) {
        run_t run = next_run(&at);
        for (; done < first + 3; done++) {
            exchange(&run, done - first);
            SW_COMMIT(swapped, done + 1);
        }
    }
    SW_COMMIT(staged, swapping);
    SW_COMMIT(swapping, 0);
    return SW_OK;
}

static int swap_to(uint16_t afterwards) {
    if (sw_state() == SW_RUNNING) return SW_ERR_BUSY;
    int status = sw_switch(0); // packages are made for images of level 0
    if (status != SW_OK) return status;
    swapped = 0;
    SW_COMMIT(swapping, afterwards);
    return sw_update_finish();
}

int sw_update_commit(void) {
    sw_update_finish();
    if (staged == OLD || sw_update_received == 0 || sw_update_received < block_count()) return SW_ERR_ORDER;
    if (sums[sw_update_received & 1] != package.crc || !runs_are_legal()) return SW_ERR_CRC;
    SW_COMMIT(staged, NEW);
    return swap_to(OLD);
}

int sw_update_rollback(void) {
    sw_update_finish();
    return staged == OLD ? swap_to(NEW) : SW_ERR_NONE;
}
