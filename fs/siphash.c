#include "fs/siphash.h"

#include "kernel/base/sip_round.h"
#include "kernel/base/string.h"

static inline void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t siphash(const struct siphash_key *key, uint64_t seed, const void *data, size_t size_bytes)
{
    uint64_t v[4];
    sip_begin(v, key->words);
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
