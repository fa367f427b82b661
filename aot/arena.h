/*
 * A bump allocator: everything the compiler keeps about one module lives in one
 * arena and goes away with it.
 *
 * The caller owns the struct arena. Memory is zeroed. Running out of memory, or
 * past `limit_bytes`, is reported through the arena's diag and does not return.
 * One thread at a time.
 */
#pragma once

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

struct diag;
struct arena_block;

struct arena {
    struct diag *diag;
    struct arena_block *blocks;
    uint8_t *next;
    size_t left_bytes;
    size_t total_bytes; /* taken from the system so far */
    size_t limit_bytes; /* 0: none */
};

void arena_init(struct arena *arena, struct diag *diag);
void arena_destroy(struct arena *arena);

/* Zeroed memory for count objects of `bytes` each; never NULL, count 0 included. */
void *arena_alloc(struct arena *arena, size_t count, size_t bytes, size_t alignment);

/*
 * An array of `count` objects of `bytes` each that doubles when *capacity is reached: returns where
 * it is now, with room for one more. Starts as NULL with no capacity.
 */
void *arena_grow(struct arena *arena, void *array, uint32_t count, uint32_t *capacity,
                 size_t bytes);

#define arena_array(arena, type, count)                                                            \
    ((type *)arena_alloc((arena), (count), sizeof(type), alignof(type)))
#define arena_new(arena, type) arena_array(arena, type, 1)
