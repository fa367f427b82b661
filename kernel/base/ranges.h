/*
 * A small sorted set of disjoint address ranges. The caller owns the struct; nothing
 * allocates. Any context, hosted builds included.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGES_MAX 128u

struct range {
    uint64_t start;
    uint64_t end; /* exclusive */
};

struct ranges {
    size_t count;
    struct range list[RANGES_MAX];
};

/*
 * Adds or removes [start, end); empty and inverted ranges do nothing. False when the
 * set is full: add then changed nothing, remove dropped the upper part of the range
 * that it had to split, so the set never holds what was removed.
 */
bool ranges_add(struct ranges *set, uint64_t start, uint64_t end);
bool ranges_remove(struct ranges *set, uint64_t start, uint64_t end);
uint64_t ranges_total(const struct ranges *set);
