/*
 * SHA-256 (FIPS 180-4) of a byte string. Type identities that cross module boundaries are
 * digests: a collision would let a call pass its type check, so a plain hash will not do.
 * Pure; any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t length_bytes;
    uint8_t block[64];
};

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *bytes, size_t count);
void sha256_finish(struct sha256 *sha, uint8_t digest[32]);
