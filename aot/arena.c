#include "aot/arena.h"

#include <stdlib.h>
#include <string.h>

#include "aot/diag.h"

#define ARENA_BLOCK_BYTES ((size_t)256 << 10)

struct arena_block {
    struct arena_block *previous;
    max_align_t data[];
};

void arena_init(struct arena *arena, struct diag *diag)
{
    memset(arena, 0, sizeof(*arena));
    arena->diag = diag;
}

void arena_destroy(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    while (block != NULL) {
        struct arena_block *previous = block->previous;
        free(block);
        block = previous;
    }
    memset(arena, 0, sizeof(*arena));
}

static struct arena_block *arena_new_block(struct arena *arena, size_t data_bytes)
{
    size_t total = sizeof(struct arena_block) + data_bytes;
    if (arena->limit_bytes != 0 && total > arena->limit_bytes - arena->total_bytes) {
        diag_fail(arena->diag, DIAG_NO_OFFSET, "the module needs more than %zu bytes of memory",
                  arena->limit_bytes);
    }
    struct arena_block *block = calloc(1, total);
    if (block == NULL) {
        diag_fail(arena->diag, DIAG_NO_OFFSET, "out of memory (%zu bytes wanted)", total);
    }
    block->previous = arena->blocks;
    arena->blocks = block;
    arena->total_bytes += total;
    return block;
}

void *arena_alloc(struct arena *arena, size_t count, size_t bytes, size_t alignment)
{
    size_t size;
    if (__builtin_mul_overflow(count, bytes, &size) || size > SIZE_MAX / 2) {
        diag_fail(arena->diag, DIAG_NO_OFFSET, "out of memory (%zu objects of %zu bytes)", count,
                  bytes);
    }
    if (size >= ARENA_BLOCK_BYTES / 4) {
        /* A block of its own, so that the rest of the current one is not wasted. */
        return arena_new_block(arena, size)->data;
    }
    size_t padding = (size_t)(-(uintptr_t)arena->next & (alignment - 1));
    if (arena->next == NULL || arena->left_bytes < padding + size) {
        arena->next = (uint8_t *)arena_new_block(arena, ARENA_BLOCK_BYTES)->data;
        arena->left_bytes = ARENA_BLOCK_BYTES;
        padding = 0;
    }
    void *result = arena->next + padding;
    arena->next += padding + size;
    arena->left_bytes -= padding + size;
    return result;
}

void *arena_grow(struct arena *arena, void *array, uint32_t count, uint32_t *capacity, size_t bytes)
{
    if (count < *capacity) {
        return array;
    }
    *capacity = *capacity == 0 ? 16 : *capacity * 2;
    void *grown = arena_alloc(arena, *capacity, bytes, alignof(max_align_t));
    if (count != 0) {
        memcpy(grown, array, count * bytes);
    }
    return grown;
}
