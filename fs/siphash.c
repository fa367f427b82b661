#include "fs/siphash.h"

#include "kernel/base/string.h"

static inline uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t siphash(const struct siphash_key *key, uint64_t seed, const void *data, size_t size_bytes)
{
    /* The initial state spells "somepseudorandomlygeneratedbytes". */
    uint64_t v[4] = {
        key->words[0] ^ 0x736f6d6570736575ull,
        key->words[1] ^ 0x646f72616e646f6dull,
        key->words[0] ^ 0x6c7967656e657261ull,
        key->words[1] ^ 0x7465646279746573ull,
    };
    sip_word(v, seed);
    const uint8_t *bytes = data;
    size_t rest = size_bytes;
    uint64_t word;
    for (; rest >= sizeof(word); rest -= sizeof(word), bytes += sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sip_word(v, word);
    }
    word = (uint64_t)(size_bytes + sizeof(seed)) << 56;
    for (size_t i = 0; i < rest; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    sip_word(v, word);
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
