// SPDX-License-Identifier: Apache-2.0
// Power failures of updates on a PC: a package is received, installed and taken back, and cut at barriers
// (nvm.inc). Usage, see there for the rest:
//   update install | rollback | corrupt   ...
#define _GNU_SOURCE // mmap, fork
#include "../../src/sw_crc.c"
#include "../../src/sw_staging.c"
#include "../../src/sw_update.c"

#include "nvm.inc"
#include "update_model.h"

enum { NOTHING = 0, INSTALL = 1, ROLLBACK = 2 };

typedef struct {
    uint16_t words[MODEL_WORDS], version;
    uint32_t digest;
} model_t;

static SW_NVM uint16_t wish = NOTHING;
static SW_NVM int16_t answer = 0;
static model_t models[2]; // the old and the new one
static int16_t payload[STAGING_BYTES / 2];
static header_t sent;
static int goal; // which model there must be in the end

// --- what the runtime has beside the update

sw_state_t sw_state(void) {
    return SW_IDLE;
}

int sw_switch(uint16_t level) {
    (void)level;
    return SW_OK;
}

void sw_copy_rows_s16_dma(const sw_rows_t *rows) {
    memcpy((void *)rows->to, (const void *)rows->from, 2u * rows->width);
}

// --- the package

static void add_run(const void *place, const void *words, uint16_t count) {
    uint32_t address = (uint32_t)(uintptr_t)place;
    int16_t *to = payload + sent.bytes / 2;
    memcpy(to, &address, 4);
    memcpy(to + 2, &count, 2);
    memcpy(to + 3, words, 2u * count);
    sent.bytes += RUN_HEADER + 2u * count;
    sent.runs++;
}

// The new model has other words here and there, in runs of 1 to 64.
static void make_package(int corrupt) {
    uint32_t random = 99;
    for (int i = 0; i < MODEL_WORDS; i++) model_words[i] = (uint16_t)next_random(&random);
    memcpy(models[0].words, model_words, sizeof model_words);
    models[1] = models[0];
    models[0].version = sw_model_version;
    models[0].digest = sw_model_digest;
    models[1].version = 7;
    models[1].digest = next_random(&random);
    sent = (header_t){{'S', 'W', 'U', 'P'}, 1, models[1].version, models[0].digest, 0, 0, 0, 0, 0, 0};
    for (uint16_t at = 0, count = 1; at + count <= MODEL_WORDS; at += count + 9, count = count % 64 + 9) {
        if (count > RUN_WORDS) count = RUN_WORDS;
        for (uint16_t i = 0; i < count; i++) models[1].words[at + i] = (uint16_t)next_random(&random);
        add_run(model_words + at, models[1].words + at, count);
    }
    add_run(&sw_model_version, &models[1].version, 1);
    add_run(&sw_model_digest, &models[1].digest, 2);
    sent.crc = sw_crc32(0, (const uint8_t *)payload, (uint16_t)sent.bytes);
    sent.header_crc = sw_crc32(0, (const uint8_t *)&sent, offsetof(header_t, header_crc));
    if (corrupt) payload[3] ^= 4;
}

static int is(int k, const uint8_t *words, const uint8_t *version, const uint8_t *digest) {
    const model_t *model = &models[k];
    return memcmp(words, model->words, sizeof model->words) == 0 &&
           memcmp(version, &model->version, 2) == 0 && memcmp(digest, &model->digest, 4) == 0;
}

static int is_whole(void) {
    const uint8_t *version = (const uint8_t *)&sw_model_version, *digest = (const uint8_t *)&sw_model_digest;
    const uint8_t *words = (const uint8_t *)model_words;
    return is(0, words, version, digest) || is(1, words, version, digest);
}

// --- the device

static int deliver(void) {
    int16_t block[SW_UPDATE_BLOCK_BYTES / 2];
    int status = sw_update_begin((const uint8_t *)&sent);
    if (status == SW_ERR_VERSION) return SW_OK; // it is installed
    while (status == SW_OK && sw_update_received < block_count()) {
        memcpy(block, (const uint8_t *)payload + sw_update_received * SW_UPDATE_BLOCK_BYTES, sizeof block);
        status = sw_update_write(block);
    }
    return status == SW_OK ? sw_update_commit() : status;
}

// Whoever computes finds a whole model, before and after.
static void boot(void) {
    if (sw_update_finish() != SW_OK || !is_whole()) _exit(WRONG);
    if (wish == INSTALL) answer = (int16_t)deliver();
    if (wish == ROLLBACK) answer = (int16_t)sw_update_rollback();
    if (!is_whole()) _exit(WRONG);
    SW_COMMIT(wish, NOTHING);
    _exit(DONE);
}

static int done(uint16_t what) {
    put(&wish, what);
    return power_up_whole() == DONE && get(&wish) == NOTHING;
}

static int became(int k) {
    return is(k, durable_at(model_words), durable_at(&sw_model_version), durable_at(&sw_model_digest));
}

// The sender asks again until it is answered.
static int ends_right(void) {
    if (power_up_whole() != DONE || get(&wish) != NOTHING || !became(goal)) return 0;
    if (goal == 1) return done(ROLLBACK) && became(0);
    if ((int16_t)get(&answer) == SW_ERR_CRC) return 1; // corrupt
    return done(INSTALL) && became(1);
}

int main(int argc, char **argv) {
    if (argc < 3) return fail("usage: update install | rollback | corrupt ...");
    int corrupt = strcmp(argv[1], "corrupt") == 0, back = strcmp(argv[1], "rollback") == 0;
    if ((uintptr_t)model_words >> 31) return fail("link without PIE: addresses must fit a package");
    run = boot;
    right = ends_right;
    make_package(corrupt);
    fit_memory();
    if (back && (!done(INSTALL) || !became(1))) return fail("the package was not installed");
    goal = !corrupt && !back;
    put(&wish, back ? ROLLBACK : INSTALL);
    return cut(argc - 2, argv + 2);
}
