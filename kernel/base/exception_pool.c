#include "kernel/base/exception_pool.h"

#include <stddef.h>

/* While marking, the first word of a slot also links it into the list of slots whose payload
 * is still to be looked at: slots lie at multiples of eight. */
#define MARK_BIT   4u
#define STATE_MASK 3u
#define FLAGS_MASK 7u

#define FIRST_CHUNK_SLOTS 256u
/* Fewer free slots than this part of all call for marking, and then for growth. */
#define FREE_SHARE 4u

static uint64_t *slot_at(const struct wasm_table *chunk, uint64_t index)
{
    return (uint64_t *)((uintptr_t)chunk->base + index * chunk->element_bytes);
}

/* The slot that holds the address; NULL when none does. */
static uint64_t *slot_of(const struct wasm_exception_pool *pool, uint64_t address)
{
    for (uint64_t i = 0; i < pool->chunk_count; i++) {
        const struct wasm_table *chunk = &pool->chunks[i];
        uint64_t offset = address - (uintptr_t)chunk->base;
        if (offset < chunk->size * chunk->element_bytes) {
            return slot_at(chunk, offset / chunk->element_bytes);
        }
    }
    return NULL;
}

/* Puts a slot that is in use on the list, once. */
static void mark(const struct wasm_exception_pool *pool, uint64_t address, uint64_t **list)
{
    uint64_t *slot = slot_of(pool, address);

    if (slot == NULL || *slot == WASM_EXCEPTION_FREE || (*slot & MARK_BIT) != 0) {
        return;
    }
    *slot |= MARK_BIT | (uintptr_t)*list;
    *list = slot;
}

static void mark_words(const struct wasm_exception_pool *pool, const uint64_t *from,
                       const uint64_t *to, uint64_t **list)
{
    for (; from < to; from++) {
        mark(pool, *from, list);
    }
}

static void mark_all(const struct wasm_exception_pool *pool, const uint64_t *stack,
                     const uint64_t *stack_end)
{
    uint64_t *list = NULL;

    mark_words(pool, stack, stack_end, &list);
    for (uint64_t i = 0; i < pool->global_count; i++) {
        mark(pool, *pool->globals[i], &list);
    }
    for (uint64_t i = 0; i < pool->table_count; i++) {
        const uint64_t *items = pool->tables[i]->base;
        mark_words(pool, items, items + pool->tables[i]->size, &list);
    }
    while (list != NULL) {
        const uint64_t *slot = list;
        list = (uint64_t *)(uintptr_t)(*slot & ~(uint64_t)FLAGS_MASK);
        mark_words(pool, slot + 2, slot + pool->slot_bytes / sizeof(*slot), &list);
    }
}

struct count {
    uint64_t all;
    uint64_t free;
};

/* With `marked`, slots that carry no mark become free, and the marks go. */
static struct count sweep(struct wasm_exception_pool *pool, bool marked)
{
    struct count count = {0, 0};

    for (uint64_t i = 0; i < pool->chunk_count; i++) {
        for (uint64_t at = 0; at < pool->chunks[i].size; at++) {
            uint64_t *slot = slot_at(&pool->chunks[i], at);
            if (marked) {
                *slot = (*slot & MARK_BIT) != 0 ? *slot & STATE_MASK : WASM_EXCEPTION_FREE;
            }
            count.free += *slot == WASM_EXCEPTION_FREE;
        }
        count.all += pool->chunks[i].size;
    }
    return count;
}

static bool add_chunk(struct wasm_exception_pool *pool, uint64_t slots, exception_pool_grow *grow)
{
    struct wasm_table *chunk = &pool->chunks[pool->chunk_count];

    if (pool->chunk_count == WASM_EXCEPTION_CHUNKS_MAX) {
        return false;
    }
    *chunk = (struct wasm_table){.maximum = slots, .element_bytes = pool->slot_bytes};
    if (grow(chunk, slots) != 0) {
        return false;
    }
    pool->chunk_count++;
    return true;
}

static void enter_chunk(struct wasm_exception_pool *pool, uint64_t index)
{
    const struct wasm_table *chunk = &pool->chunks[index];

    pool->chunk_at = index;
    pool->cursor = chunk->base;
    pool->chunk_end = pool->cursor + chunk->size * chunk->element_bytes;
}

bool exception_pool_refill(struct wasm_exception_pool *pool, const uint64_t *stack,
                           const uint64_t *stack_end, exception_pool_grow *grow)
{
    if (pool->chunk_at + 1 < pool->chunk_count) {
        enter_chunk(pool, pool->chunk_at + 1);
        return true;
    }
    struct count count = sweep(pool, false);
    if (count.free < count.all / FREE_SHARE && pool->is_shared == 0) {
        mark_all(pool, stack, stack_end);
        count = sweep(pool, true);
    }
    if (count.free <= count.all / FREE_SHARE) {
        bool has_grown =
            add_chunk(pool, count.all < FIRST_CHUNK_SLOTS ? FIRST_CHUNK_SLOTS : count.all, grow);
        if (!has_grown && count.free == 0) {
            return false;
        }
        /* The new chunk is all free, the others are for the next round. */
        enter_chunk(pool, has_grown ? pool->chunk_count - 1 : 0);
        return true;
    }
    enter_chunk(pool, 0);
    return true;
}
