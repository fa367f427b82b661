/*
 * The Internet checksum (RFC 1071), 64 bits at a time.
 *
 * A *sum* is a one's complement sum in memory order, not complemented: start with 0 or a
 * pseudo-header sum, add data, fold, and complement before storing (be16_from_sum of
 * net/wire.h). Summing a correct packet with its checksum field in place folds to 0xffff.
 * Pure functions; any context.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/inline.h"

/*
 * `sum` plus `length` bytes of data that begin at an even offset of the summed message.
 * The result is below 2^32 whenever `sum` was.
 */
uint32_t checksum_add(uint32_t sum, const void *data, size_t length_bytes);

/* The same, for data that begins at an odd offset of the message when `odd` is true. */
uint32_t checksum_add_at(uint32_t sum, const void *data, size_t length_bytes, int odd);

static inline uint16_t checksum_fold(uint32_t sum)
{
    sum = (sum & 0xffffu) + (sum >> 16);
    sum = (sum & 0xffffu) + (sum >> 16);
    return (uint16_t)sum;
}

/* The folded sum of an IPv4 header without options, which every packet has: no loop, no call. */
ALWAYS_INLINE uint16_t checksum_fold_ipv4(const void *header)
{
    uint32_t words[5];
    __builtin_memcpy(words, header, sizeof(words));
    uint64_t sum = (uint64_t)words[0] + words[1] + words[2] + words[3] + words[4];
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffffffffu) + (sum >> 32);
    return checksum_fold((uint32_t)sum);
}

/* What goes into a checksum field that is being filled in. */
static inline uint16_t checksum_finish(uint32_t sum)
{
    return (uint16_t)~checksum_fold(sum);
}
