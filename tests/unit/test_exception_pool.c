/* The pool of exceptions against a model that knows what is alive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/exception_pool.h"

#define SLOT_WORDS  4u
#define ROOT_COUNT  4u
#define TABLE_SIZE  600u
#define STACK_WORDS 32u

static uint64_t slots_allowed;
static void *chunk_memory[WASM_EXCEPTION_CHUNKS_MAX];
static size_t chunk_memory_count;

static uint64_t grow(struct wasm_table *table, uint64_t delta)
{
    assert_null(table->base);
    assert_int_equal(table->element_bytes, 8 * SLOT_WORDS);
    if (delta > slots_allowed) {
        return UINT64_MAX;
    }
    slots_allowed -= delta;
    /* Aligned to a slot: the test finds a slot from an address inside. */
    table->base = aligned_alloc(8 * SLOT_WORDS, delta * table->element_bytes);
    assert_non_null(table->base);
    memset(table->base, 0, delta * table->element_bytes);
    table->size = delta;
    chunk_memory[chunk_memory_count++] = table->base;
    return 0;
}

struct fixture {
    struct wasm_exception_pool pool;
    uint64_t roots[ROOT_COUNT];
    uint64_t *root_list[ROOT_COUNT];
    uint64_t items[TABLE_SIZE];
    struct wasm_table table;
    struct wasm_table *table_list[1];
    uint64_t stack[STACK_WORDS];
};

static void start(struct fixture *fixture, uint64_t slots)
{
    memset(fixture, 0, sizeof(*fixture));
    slots_allowed = slots;
    chunk_memory_count = 0;
    for (size_t i = 0; i < ROOT_COUNT; i++) {
        fixture->root_list[i] = &fixture->roots[i];
    }
    fixture->table = (struct wasm_table){fixture->items, TABLE_SIZE, TABLE_SIZE, 8};
    fixture->table_list[0] = &fixture->table;
    fixture->pool.slot_bytes = 8 * SLOT_WORDS;
    fixture->pool.globals = fixture->root_list;
    fixture->pool.global_count = ROOT_COUNT;
    fixture->pool.tables = fixture->table_list;
    fixture->pool.table_count = 1;
}

static void finish(void)
{
    for (size_t i = 0; i < chunk_memory_count; i++) {
        free(chunk_memory[i]);
    }
}

/* What compiled code does; NULL: a trap. */
static uint64_t *take(struct fixture *fixture, enum wasm_exception_state state)
{
    struct wasm_exception_pool *pool = &fixture->pool;

    for (;;) {
        if (pool->cursor == pool->chunk_end) {
            if (!exception_pool_refill(pool, fixture->stack, fixture->stack + STACK_WORDS, grow)) {
                return NULL;
            }
            continue;
        }
        uint64_t *slot = (uint64_t *)(void *)pool->cursor;
        pool->cursor += pool->slot_bytes;
        if (*slot == WASM_EXCEPTION_FREE) {
            memset(slot, 0, pool->slot_bytes);
            *slot = state;
            return slot;
        }
    }
}

static uint64_t chunk_slots(const struct fixture *fixture)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < fixture->pool.chunk_count; i++) {
        count += fixture->pool.chunks[i].size;
    }
    return count;
}

static void test_given_back(void **state)
{
    struct fixture fixture;
    (void)state;

    start(&fixture, UINT64_MAX);
    for (int i = 0; i < 100000; i++) {
        *take(&fixture, WASM_EXCEPTION_USED) = WASM_EXCEPTION_FREE;
    }
    assert_int_equal(chunk_slots(&fixture), 256);
    finish();
}

/* Also exceptions that are not marked kept: nobody holds them. */
static void test_dropped(void **state)
{
    struct fixture fixture;
    (void)state;

    start(&fixture, UINT64_MAX);
    for (int i = 0; i < 100000; i++) {
        assert_non_null(take(&fixture, i % 2 ? WASM_EXCEPTION_USED : WASM_EXCEPTION_KEPT));
    }
    assert_int_equal(chunk_slots(&fixture), 256);
    finish();
}

static void test_no_memory(void **state)
{
    struct fixture fixture;
    (void)state;

    start(&fixture, 100);
    assert_null(take(&fixture, WASM_EXCEPTION_USED));
    start(&fixture, 256);
    for (size_t i = 0; i < 256; i++) {
        fixture.items[i] = (uintptr_t)take(&fixture, WASM_EXCEPTION_KEPT);
        assert_int_not_equal(fixture.items[i], 0);
    }
    assert_null(take(&fixture, WASM_EXCEPTION_KEPT));
    assert_null(take(&fixture, WASM_EXCEPTION_KEPT));
    /* One that is let go can be had again, and only one. */
    uint64_t freed = fixture.items[77];
    fixture.items[77] = 0;
    fixture.items[77] = (uintptr_t)take(&fixture, WASM_EXCEPTION_KEPT);
    assert_int_equal(fixture.items[77], freed);
    assert_null(take(&fixture, WASM_EXCEPTION_KEPT));
    finish();
}

/* Where others may hold references, everything that is in use stays. */
static void test_shared(void **state)
{
    struct fixture fixture;
    (void)state;

    start(&fixture, 256 + 256 + 512);
    fixture.pool.is_shared = 1;
    for (int i = 0; i < 1024; i++) {
        assert_non_null(take(&fixture, WASM_EXCEPTION_KEPT));
    }
    assert_null(take(&fixture, WASM_EXCEPTION_KEPT));
    finish();
}

/* A chain through payloads, longer than the pool was, hanging on one root. */
static void test_chain(void **state)
{
    struct fixture fixture;
    uint64_t *list = NULL;
    (void)state;

    start(&fixture, UINT64_MAX);
    for (uint64_t i = 0; i < 5000; i++) {
        uint64_t *slot = take(&fixture, WASM_EXCEPTION_KEPT);
        slot[2] = i;
        slot[3] = (uintptr_t)list;
        fixture.roots[2] = (uintptr_t)(list = slot);
        take(&fixture, WASM_EXCEPTION_KEPT);
    }
    for (uint64_t i = 5000; i-- > 0; list = (uint64_t *)(uintptr_t)list[3]) {
        assert_non_null(list);
        assert_int_equal(list[0], WASM_EXCEPTION_KEPT);
        assert_int_equal(list[2], i);
    }
    assert_null(list);
    assert_in_range(chunk_slots(&fixture), 5000, 16384);
    finish();
}

/* Random holders: what any of them holds keeps its number. */
static void test_random_holders(void **state)
{
    struct fixture fixture;
    uint64_t *holders[ROOT_COUNT + TABLE_SIZE + STACK_WORDS];
    uint64_t numbers[ROOT_COUNT + TABLE_SIZE + STACK_WORDS] = {0};
    size_t count = 0;
    (void)state;

    start(&fixture, UINT64_MAX);
    for (size_t i = 0; i < ROOT_COUNT; i++) {
        holders[count++] = &fixture.roots[i];
    }
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        holders[count++] = &fixture.items[i];
    }
    for (size_t i = 0; i < STACK_WORDS; i++) {
        holders[count++] = &fixture.stack[i];
    }
    srand(1);
    for (uint64_t number = 1; number < 200000; number++) {
        size_t at = (size_t)rand() % count;
        uint64_t *slot = take(&fixture, number % 3 ? WASM_EXCEPTION_KEPT : WASM_EXCEPTION_USED);
        slot[2] = number;
        if (number % 7 == 0) {
            *holders[at] = 0;
        } else {
            /* The stack may hold any address inside. */
            bool inside = at >= ROOT_COUNT + TABLE_SIZE;
            *holders[at] = (uintptr_t)slot + (inside ? number % (8 * SLOT_WORDS) : 0);
            numbers[at] = number;
        }
        at = (size_t)rand() % count;
        if (*holders[at] != 0) {
            const uint64_t *held = (uint64_t *)(uintptr_t)(*holders[at] & ~(uint64_t)31);
            assert_int_equal(held[2], numbers[at]);
            assert_int_not_equal(held[0], WASM_EXCEPTION_FREE);
        }
    }
    assert_in_range(chunk_slots(&fixture), 512, 2048);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_back), cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_no_memory),  cmocka_unit_test(test_shared),
        cmocka_unit_test(test_chain),      cmocka_unit_test(test_random_holders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
