#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/pages.h"

/* Pages from the C library, at "physical" addresses that phys_to_virt leads back from. */
static size_t pages_used;
static size_t pages_limit;

enum err pages_allocate_aligned(size_t count, size_t align, struct phys_addr *out)
{
    if (pages_used + count > pages_limit) {
        return ERR_NOMEM;
    }
    size_t unit = align * PAGE_BYTES;
    void *block = aligned_alloc(unit, (count * PAGE_BYTES + unit - 1) / unit * unit);
    assert_non_null(block);
    pages_used += count;
    out->value = (uintptr_t)block - DIRECT_MAP_BASE;
    return ERR_OK;
}

void pages_free(struct phys_addr address, size_t count)
{
    free(phys_to_virt(address));
    pages_used -= count;
}

struct phys_addr virt_to_phys(const void *pointer)
{
    return (struct phys_addr){(uintptr_t)pointer - DIRECT_MAP_BASE};
}

static int set_up(void **state)
{
    (void)state;
    pages_limit = 1u << 20;
    return 0;
}

static void test_random_use_keeps_contents(void **state)
{
    (void)state;
    struct {
        uint8_t *block;
        size_t size;
        uint8_t fill;
    } held[300] = {0};
    srand(11);
    for (unsigned step = 0; step < 40000; step++) {
        size_t i = (size_t)rand() % 300;
        if (held[i].block == NULL) {
            held[i].size = rand() % 10 == 0 ? (size_t)rand() % 40000 + 1 : (size_t)rand() % 900 + 1;
            held[i].fill = (uint8_t)rand();
            held[i].block = heap_allocate(held[i].size);
            assert_non_null(held[i].block);
            assert_int_equal((uintptr_t)held[i].block % 16, 0);
            memset(held[i].block, held[i].fill, held[i].size);
            continue;
        }
        for (size_t at = 0; at < held[i].size; at++) {
            assert_int_equal(held[i].block[at], held[i].fill);
        }
        if (rand() % 3 == 0) {
            size_t size = (size_t)rand() % 9000 + 1;
            held[i].block = heap_resize(held[i].block, size);
            for (size_t at = 0; at < size && at < held[i].size; at++) {
                assert_int_equal(held[i].block[at], held[i].fill);
            }
            held[i].size = size;
            memset(held[i].block, held[i].fill, size);
        } else {
            heap_free(held[i].block);
            held[i].block = NULL;
        }
    }
    for (size_t i = 0; i < 300; i++) {
        heap_free(held[i].block);
    }
    /* At most one empty slab stays for each size class. */
    assert_true(pages_used <= 26 * 8);
}

static void test_exhaustion_is_null(void **state)
{
    (void)state;
    pages_limit = pages_used;
    assert_null(heap_allocate(100000));
    size_t count = 0;
    while (count < 100000 && heap_allocate(2048) != NULL) {
        count++;
    }
    assert_true(count < 20);
}

static void test_impossible_sizes(void **state)
{
    (void)state;
    assert_null(heap_allocate(0));
    assert_null(heap_allocate(SIZE_MAX));
    assert_null(heap_allocate(SIZE_MAX - 4096));
    assert_null(heap_allocate_zeroed(SIZE_MAX / 2, 3));
    void *block = heap_allocate(64);
    assert_null(heap_resize(block, SIZE_MAX));
    assert_null(heap_resize(block, 0));
    heap_free(block);
    heap_free(NULL);
}

static void test_zeroed(void **state)
{
    (void)state;
    uint8_t *dirty = heap_allocate(500);
    memset(dirty, 0xaa, 500);
    heap_free(dirty);
    uint8_t *clean = heap_allocate_zeroed(5, 100);
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(clean[i], 0);
    }
    heap_free(clean);
}

static void test_a_foreign_pointer_is_caught(void **state)
{
    (void)state;
    uint8_t *block = heap_allocate(200000);
    memset(block, 0, 200000);
    expect_assert_failure(heap_free(block + 100000));
    heap_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_random_use_keeps_contents, set_up),
        cmocka_unit_test_setup(test_impossible_sizes, set_up),
        cmocka_unit_test_setup(test_zeroed, set_up),
        cmocka_unit_test_setup(test_a_foreign_pointer_is_caught, set_up),
        cmocka_unit_test_setup(test_exhaustion_is_null, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Slabs that the heap keeps for ever are not leaks. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
