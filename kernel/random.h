/*
 * Cryptographically secure random bytes: a ChaCha20 generator (RFC 8439) with fast
 * key erasure, seeded from virtio-rng and RDRAND/RDSEED. Boot fails when neither
 * source exists. Normal kernel context.
 */
#pragma once

#include <stddef.h>

#include "kernel/base/err.h"

void random_fill(void *data, size_t size_bytes);
/* Mixes fresh entropy in; drivers call it at boot. */
void random_seed(const void *data, size_t size_bytes);
