#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/pages.h"

/* Addresses only: the allocator never touches the pages. */
#define RAM_START 0x180000ull
#define RAM_END   0x4321000ull
#define PAGES     ((size_t)((RAM_END - RAM_START) / PAGE_BYTES))

static void *metadata;
static struct ranges ram;
static bool taken[RAM_END / PAGE_BYTES];

static int set_up(void **state)
{
    (void)state;
    ram.count = 0;
    assert_true(ranges_add(&ram, RAM_START, RAM_END));
    metadata = aligned_alloc(16, pages_metadata_bytes(&ram));
    pages_initialize(&ram, metadata);
    memset(taken, 0, sizeof(taken));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(metadata);
    return 0;
}

static void take(struct phys_addr address, size_t count)
{
    assert_int_equal(address.value % PAGE_BYTES, 0);
    assert_true(address.value >= RAM_START && address.value + count * PAGE_BYTES <= RAM_END);
    for (size_t i = 0; i < count; i++) {
        assert_false(taken[address.value / PAGE_BYTES + i]);
        taken[address.value / PAGE_BYTES + i] = true;
    }
}

static void give(struct phys_addr address, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        taken[address.value / PAGE_BYTES + i] = false;
    }
    pages_free(address, count);
}

static void test_every_page_once(void **state)
{
    (void)state;
    struct phys_addr page;
    assert_int_equal(pages_total_count(), PAGES);
    for (size_t i = 0; i < PAGES; i++) {
        assert_int_equal(pages_allocate(1, &page), ERR_OK);
        take(page, 1);
    }
    page.value = 7;
    assert_int_equal(pages_allocate(1, &page), ERR_NOMEM);
    assert_int_equal(page.value, 7);
    assert_int_equal(pages_free_count(), 0);
}

static void test_single_pages_leave_large_ones_whole(void **state)
{
    (void)state;
    struct phys_addr page;
    size_t large = 0;
    /* The broken chunks at both ends hold the first single pages. */
    for (size_t i = 0; i < 128; i++) {
        assert_int_equal(pages_allocate(1, &page), ERR_OK);
    }
    while (pages_allocate_large(&page) == ERR_OK) {
        assert_int_equal(page.value % LARGE_PAGE_BYTES, 0);
        large++;
    }
    assert_int_equal(large, (RAM_END / LARGE_PAGE_BYTES) - 1);
}

static void test_runs_over_chunks(void **state)
{
    (void)state;
    struct phys_addr run;
    assert_int_equal(pages_allocate(1300, &run), ERR_OK);
    take(run, 1300);
    assert_int_equal(pages_allocate(513, &run), ERR_OK);
    take(run, 513);
    give(run, 513);
    assert_int_equal(pages_allocate(PAGES, &run), ERR_NOMEM);
    assert_int_equal(pages_allocate(0, &run), ERR_INVAL);
    assert_int_equal(pages_allocate_aligned(1, 3, &run), ERR_INVAL);
}

static void test_reservations_are_kept(void **state)
{
    (void)state;
    struct phys_addr page;
    size_t all = pages_free_count();
    assert_int_equal(pages_reserve(all + 1), ERR_NOMEM);
    assert_int_equal(pages_reserve(all - 2), ERR_OK);
    assert_int_equal(pages_free_count(), 2);
    assert_int_equal(pages_allocate(2, &page), ERR_OK);
    take(page, 2);
    assert_int_equal(pages_allocate(1, &page), ERR_NOMEM);
    assert_int_equal(pages_take_reserved_large(&page), ERR_OK);
    take(page, 512);
    for (size_t i = 0; i < all - 2 - 512; i++) {
        assert_int_equal(pages_take_reserved(&page), ERR_OK);
        take(page, 1);
    }
    assert_int_equal(pages_take_reserved(&page), ERR_NOMEM);
}

static void test_random_use(void **state)
{
    (void)state;
    struct {
        struct phys_addr address;
        size_t count;
    } held[256];
    size_t held_count = 0;
    srand(7);
    for (unsigned step = 0; step < 60000; step++) {
        if (held_count == 256 || (held_count != 0 && rand() % 2 == 0)) {
            size_t pick = (size_t)rand() % held_count;
            give(held[pick].address, held[pick].count);
            held[pick] = held[--held_count];
            continue;
        }
        size_t count = rand() % 8 == 0 ? (size_t)rand() % 600 + 1 : (size_t)rand() % 20 + 1;
        size_t align = (size_t)1 << (unsigned)rand() % 6;
        struct phys_addr address;
        if (pages_allocate_aligned(count, align, &address) == ERR_OK) {
            assert_int_equal(address.value / PAGE_BYTES % align, 0);
            take(address, count);
            held[held_count].address = address;
            held[held_count++].count = count;
        }
    }
    while (held_count != 0) {
        held_count--;
        give(held[held_count].address, held[held_count].count);
    }
    assert_int_equal(pages_free_count(), PAGES);
}

static void test_double_free_is_caught(void **state)
{
    (void)state;
    struct phys_addr page;
    assert_int_equal(pages_allocate(4, &page), ERR_OK);
    pages_free(page, 4);
    expect_assert_failure(pages_free(page, 1));
    expect_assert_failure(pages_free((struct phys_addr){123}, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_page_once),  TEST(test_single_pages_leave_large_ones_whole),
        TEST(test_runs_over_chunks), TEST(test_reservations_are_kept),
        TEST(test_random_use),       TEST(test_double_free_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
