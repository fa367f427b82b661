#include "kernel/base/chacha20.h"

#include "kernel/base/string.h"

static uint32_t rotate(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

/* RFC 8439 §2.1 */
static void quarter_round(uint32_t state[16], unsigned a, unsigned b, unsigned c, unsigned d)
{
    state[a] += state[b];
    state[d] = rotate(state[d] ^ state[a], 16);
    state[c] += state[d];
    state[b] = rotate(state[b] ^ state[c], 12);
    state[a] += state[b];
    state[d] = rotate(state[d] ^ state[a], 8);
    state[c] += state[d];
    state[b] = rotate(state[b] ^ state[c], 7);
}

void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3],
                    uint8_t out[CHACHA20_BLOCK_BYTES])
{
    uint32_t initial[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    memcpy(initial + 4, key, 32);
    initial[12] = counter;
    memcpy(initial + 13, nonce, 12);
    uint32_t state[16];
    memcpy(state, initial, sizeof(state));
    for (unsigned round = 0; round < 10; round++) {
        quarter_round(state, 0, 4, 8, 12);
        quarter_round(state, 1, 5, 9, 13);
        quarter_round(state, 2, 6, 10, 14);
        quarter_round(state, 3, 7, 11, 15);
        quarter_round(state, 0, 5, 10, 15);
        quarter_round(state, 1, 6, 11, 12);
        quarter_round(state, 2, 7, 8, 13);
        quarter_round(state, 3, 4, 9, 14);
    }
    for (unsigned i = 0; i < 16; i++) {
        state[i] += initial[i];
    }
    memcpy(out, state, CHACHA20_BLOCK_BYTES);
}
