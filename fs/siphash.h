/*
 * SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"), keyed: an application
 * that names files as its clients ask cannot be driven into long hash chains. Any context.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t words[2];
};

/* `seed` is hashed in front of the data. */
uint64_t siphash(const struct siphash_key *key, uint64_t seed, const void *data, size_t size_bytes);
