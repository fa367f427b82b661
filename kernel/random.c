#include "kernel/random.h"

#include <stdint.h>

#include "kernel/base/assert.h"
#include "kernel/base/chacha20.h"
#include "kernel/base/string.h"
#include "kernel/random_boot.h"
#include "kernel/x86/x86.h"

#define KEY_BYTES         32u
#define INSTRUCTION_TRIES 16u /* SDM 1 §7.3.17.1 advises ten */

static struct {
    uint32_t key[KEY_BYTES / 4];
    bool seeded;
} generator;

/*
 * Fast key erasure: the first half of a key-stream block becomes the next key, so that
 * what was given out cannot be found from the state afterwards.
 */
static void next_block(uint8_t out[CHACHA20_BLOCK_BYTES], uint32_t counter)
{
    static const uint32_t nonce[3];
    chacha20_block(generator.key, counter, nonce, out);
}

void random_fill(void *data, size_t size_bytes)
{
    ASSERT(generator.seeded);
    uint8_t *bytes = data;
    uint8_t next_key[CHACHA20_BLOCK_BYTES];
    next_block(next_key, 0);
    /* A 32-bit counter of 64-byte blocks: re-key long before it wraps. */
    uint32_t counter = 1;
    while (size_bytes != 0) {
        uint8_t block[CHACHA20_BLOCK_BYTES];
        next_block(block, counter++);
        size_t part = size_bytes < sizeof(block) ? size_bytes : sizeof(block);
        memcpy(bytes, block, part);
        bytes += part;
        size_bytes -= part;
        if (counter == 1u << 20) {
            memcpy(generator.key, next_key, KEY_BYTES);
            next_block(next_key, 0);
            counter = 1;
        }
    }
    memcpy(generator.key, next_key, KEY_BYTES);
}

void random_seed(const void *data, size_t size_bytes)
{
    const uint8_t *bytes = data;
    if (size_bytes == 0) {
        return;
    }
    /* Each 32 bytes go into the key, and a block turns the key over. */
    while (size_bytes != 0) {
        uint8_t *key = (uint8_t *)generator.key;
        size_t part = size_bytes < KEY_BYTES ? size_bytes : KEY_BYTES;
        for (size_t i = 0; i < part; i++) {
            key[i] ^= bytes[i];
        }
        uint8_t block[CHACHA20_BLOCK_BYTES];
        next_block(block, 0);
        memcpy(generator.key, block, KEY_BYTES);
        bytes += part;
        size_bytes -= part;
    }
    generator.seeded = true;
}

static size_t seed_from_instruction(bool (*instruction)(uint64_t *out), uint64_t words[4])
{
    size_t count = 0;
    for (unsigned attempt = 0; attempt < INSTRUCTION_TRIES && count < 4; attempt++) {
        /* Some processors answer all ones after a resume: not entropy. */
        if (instruction(&words[count]) && words[count] != UINT64_MAX && words[count] != 0) {
            count++;
        }
    }
    return count;
}

void random_initialize(void)
{
    uint64_t words[4];
    /* The time says nothing secret, but tells two boots apart; it does not count as a seed. */
    uint64_t time = x86_rdtsc();
    random_seed(&time, sizeof(time));
    generator.seeded = false;
    if (seed_from_instruction(x86_rdseed, words) == 4) {
        random_seed(words, sizeof(words));
    }
    if (seed_from_instruction(x86_rdrand, words) == 4) {
        random_seed(words, sizeof(words));
    }
}

bool random_is_seeded(void)
{
    return generator.seeded;
}
