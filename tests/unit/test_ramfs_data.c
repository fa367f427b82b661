/* File contents: sparse pages, small files, copy on write over a lower copy, limits. */
#include "fs/ramfs_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/mem.h"
#include "tests/unit/fake_fs_kernel.h"

static struct ram_data data;
static struct fs_budget budget;

static int setup(void **state)
{
    (void)state;
    fake_reset();
    memset(&data, 0, sizeof(data));
    fs_budget_init(&budget, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ram_data_destroy(&data, &budget);
    assert_int_equal(budget.used_bytes, 0);
    assert_int_equal(fake_live_pages, 0);
    return 0;
}

static enum err put(uint64_t offset, const void *bytes, size_t size_bytes)
{
    size_t done = 0;
    while (done < size_bytes) {
        struct vfs_write_span span;
        enum err err = ram_data_reserve(&data, &budget, offset + done, size_bytes - done, &span);
        if (err != ERR_OK) {
            return err;
        }
        assert_true(span.size_bytes > 0 && span.size_bytes <= size_bytes - done);
        memcpy(span.data, (const uint8_t *)bytes + done, span.size_bytes);
        ram_data_commit(&data, offset + done, span.size_bytes);
        done += span.size_bytes;
    }
    return ERR_OK;
}

static void fill(uint64_t offset, int value, size_t size_bytes)
{
    uint8_t *bytes = malloc(size_bytes);
    memset(bytes, value, size_bytes);
    assert_int_equal(put(offset, bytes, size_bytes), ERR_OK);
    free(bytes);
}

/* Checks a run of equal bytes. */
static void expect(uint64_t offset, int value, size_t size_bytes)
{
    size_t done = 0;
    while (done < size_bytes) {
        struct vfs_span span;
        ram_data_read_span(&data, offset + done, size_bytes - done, &span);
        assert_true(span.size_bytes > 0 && span.size_bytes <= size_bytes - done);
        for (size_t i = 0; i < span.size_bytes; i++) {
            assert_int_equal(((const uint8_t *)span.data)[i], value);
        }
        done += span.size_bytes;
    }
}

static void set_lower(size_t size_bytes)
{
    static uint8_t lower[10 * PAGE_BYTES];
    memset(lower, 'L', sizeof(lower));
    data.lower = lower;
    data.lower_bytes = size_bytes;
    data.size_bytes = size_bytes;
}

static void test_small_files_take_no_page(void **state)
{
    (void)state;
    fill(0, 'a', 100);
    assert_int_equal(fake_live_pages, 0);
    fill(100, 'b', 1900);
    assert_int_equal(fake_live_pages, 0);
    fill(2000, 'c', 100);
    assert_int_equal(fake_live_pages, 1);
    expect(0, 'a', 100);
    expect(100, 'b', 1900);
    expect(2000, 'c', 100);
    assert_int_equal(data.size_bytes, 2100);
}

static void test_small_file_with_holes(void **state)
{
    (void)state;
    fill(1000, 'x', 10);
    expect(0, 0, 1000);
    expect(1000, 'x', 10);
    ram_data_set_size(&data, &budget, 100000);
    expect(1010, 0, 100000 - 1010);
    ram_data_set_size(&data, &budget, 1005);
    ram_data_set_size(&data, &budget, 2000);
    expect(1000, 'x', 5);
    expect(1005, 0, 995);
    fill(50000, 'y', 1);
    expect(1000, 'x', 5);
    expect(1005, 0, 50000 - 1005);
    expect(50000, 'y', 1);
}

static void test_sparse_pages(void **state)
{
    (void)state;
    const uint64_t far = 1ull << 40;
    fill(far, 'f', 10);
    fill(3 * PAGE_BYTES + 5, 'n', PAGE_BYTES);
    assert_true(fake_live_pages < 15);
    expect(0, 0, 3 * PAGE_BYTES + 5);
    expect(3 * PAGE_BYTES + 5, 'n', PAGE_BYTES);
    expect(4 * PAGE_BYTES + 5, 0, 100000);
    expect(far - 5000, 0, 5000);
    expect(far, 'f', 10);
    assert_int_equal(data.size_bytes, far + 10);
    ram_data_set_size(&data, &budget, 3 * PAGE_BYTES + 6);
    ram_data_set_size(&data, &budget, 5 * PAGE_BYTES);
    expect(3 * PAGE_BYTES + 5, 'n', 1);
    expect(3 * PAGE_BYTES + 6, 0, 2 * PAGE_BYTES - 6);
    ram_data_set_size(&data, &budget, 0);
    assert_int_equal(fake_live_pages, 0);
}

static void test_last_possible_byte(void **state)
{
    (void)state;
    fill((uint64_t)VFS_SIZE_MAX - 1, 'z', 1);
    expect((uint64_t)VFS_SIZE_MAX - 1, 'z', 1);
    expect((uint64_t)VFS_SIZE_MAX - 100000, 0, 99999);
    ram_data_set_size(&data, &budget, (uint64_t)VFS_SIZE_MAX - 1);
    ram_data_set_size(&data, &budget, (uint64_t)VFS_SIZE_MAX);
    expect((uint64_t)VFS_SIZE_MAX - 1, 0, 1);
}

static void test_lower_is_handed_out_whole(void **state)
{
    (void)state;
    struct vfs_span span;
    set_lower(9 * PAGE_BYTES + 7);
    ram_data_read_span(&data, 3, SIZE_MAX, &span);
    assert_ptr_equal(span.data, data.lower + 3);
    assert_int_equal(span.size_bytes, 9 * PAGE_BYTES + 4);
    assert_true(span.permanent);
    assert_int_equal(budget.used_bytes, 0);
}

static void test_copy_on_write(void **state)
{
    (void)state;
    struct vfs_span span;
    set_lower(4 * PAGE_BYTES + 100);
    fill(PAGE_BYTES + 10, 'w', 5);
    assert_int_equal(fake_live_pages, 2); /* a page and a table */
    expect(0, 'L', PAGE_BYTES + 10);
    expect(PAGE_BYTES + 10, 'w', 5);
    expect(PAGE_BYTES + 15, 'L', 3 * PAGE_BYTES + 85);
    assert_int_equal(data.lower[PAGE_BYTES + 10], 'L');
    ram_data_read_span(&data, PAGE_BYTES + 10, 5, &span);
    assert_false(span.permanent);
    ram_data_read_span(&data, 0, SIZE_MAX, &span);
    assert_int_equal(span.size_bytes, PAGE_BYTES);
    ram_data_read_span(&data, 2 * PAGE_BYTES, SIZE_MAX, &span);
    assert_int_equal(span.size_bytes, 2 * PAGE_BYTES + 100);
    /* The last page: behind the old end there is nothing of the lower copy. */
    fill(4 * PAGE_BYTES + 200, 'e', 1);
    expect(4 * PAGE_BYTES, 'L', 100);
    expect(4 * PAGE_BYTES + 100, 0, 100);
    expect(4 * PAGE_BYTES + 200, 'e', 1);
}

static void test_truncated_lower_never_comes_back(void **state)
{
    (void)state;
    set_lower(3 * PAGE_BYTES);
    ram_data_set_size(&data, &budget, PAGE_BYTES + 1);
    ram_data_set_size(&data, &budget, 3 * PAGE_BYTES);
    expect(0, 'L', PAGE_BYTES + 1);
    expect(PAGE_BYTES + 1, 0, 2 * PAGE_BYTES - 1);
    fill(PAGE_BYTES, 'w', 1);
    expect(PAGE_BYTES + 1, 0, 2 * PAGE_BYTES - 1);
    ram_data_set_size(&data, &budget, 0);
    fill(10, 's', 10);
    expect(0, 0, 10);
    expect(10, 's', 10);
}

static void test_allocate(void **state)
{
    (void)state;
    fill(0, 'a', 10);
    assert_int_equal(ram_data_allocate(&data, &budget, 5, 3 * PAGE_BYTES), ERR_OK);
    assert_int_equal(data.size_bytes, 3 * PAGE_BYTES + 5);
    expect(0, 'a', 10);
    expect(10, 0, 3 * PAGE_BYTES - 5);
    fake_allocations_left = 0;
    fill(0, 'b', 3 * PAGE_BYTES + 5);
    fake_allocations_left = 3;
    assert_int_equal(ram_data_allocate(&data, &budget, 0, 100 * PAGE_BYTES), ERR_NOSPC);
    assert_int_equal(ram_data_allocate(&data, &budget, 0, 1ull << 60), ERR_NOSPC);
    fake_allocations_left = SIZE_MAX;
    assert_int_equal(data.size_bytes, 3 * PAGE_BYTES + 5);
    expect(0, 'b', 3 * PAGE_BYTES + 5);
}

static void test_no_memory(void **state)
{
    (void)state;
    enum err err = ERR_NOSPC;
    /* Fails at each of the allocations in turn, until there are enough. */
    for (size_t left = 0; err != ERR_OK; left++) {
        fill(0, 'a', 1000);
        fake_allocations_left = left;
        uint8_t byte = 'x';
        err = put(1ull << 45, &byte, 1);
        fake_allocations_left = SIZE_MAX;
        assert_true(err == ERR_OK || err == ERR_NOSPC);
        assert_int_equal(data.size_bytes, err == ERR_OK ? (1ull << 45) + 1 : 1000);
        expect(0, 'a', 1000);
        fill(999, 'a', 1);
        ram_data_destroy(&data, &budget);
        assert_int_equal(fake_live_pages, 0);
        assert_true(left < 20);
    }
}

static void test_limit(void **state)
{
    (void)state;
    fs_budget_init(&budget, 3 * PAGE_BYTES);
    uint8_t page[PAGE_BYTES] = {1};
    assert_int_equal(put(0, page, PAGE_BYTES), ERR_OK);
    assert_int_equal(put(PAGE_BYTES, page, PAGE_BYTES), ERR_OK);
    assert_int_equal(put(2 * PAGE_BYTES, page, PAGE_BYTES), ERR_NOSPC);
    ram_data_set_size(&data, &budget, PAGE_BYTES);
    assert_int_equal(put(2 * PAGE_BYTES, page, 1), ERR_OK);
    fs_budget_init(&budget, 0);
    budget.used_bytes = 3 * PAGE_BYTES;
    fake_free_pages = (64u << 20) / PAGE_BYTES;
    assert_int_equal(put(5 * PAGE_BYTES, page, 1), ERR_NOSPC);
}

/* The pages of the fake kernel are full of 0xa5: none of it may ever show. */
static void test_reserved_and_not_committed(void **state)
{
    (void)state;
    struct vfs_write_span span;
    ram_data_set_size(&data, &budget, 4 * PAGE_BYTES);
    assert_int_equal(ram_data_reserve(&data, &budget, PAGE_BYTES, 9000, &span), ERR_OK);
    assert_int_equal(span.size_bytes, PAGE_BYTES);
    expect(0, 0, 4 * PAGE_BYTES);
    assert_int_equal(ram_data_reserve(&data, &budget, 0, PAGE_BYTES, &span), ERR_OK);
    memset(span.data, 'p', 10);
    ram_data_commit(&data, 0, 10);
    expect(0, 'p', 10);
    expect(10, 0, 4 * PAGE_BYTES - 10);
    assert_int_equal(ram_data_reserve(&data, &budget, 2 * PAGE_BYTES, PAGE_BYTES, &span), ERR_OK);
    assert_int_equal(ram_data_reserve(&data, &budget, 3 * PAGE_BYTES, PAGE_BYTES, &span), ERR_OK);
    expect(10, 0, 4 * PAGE_BYTES - 10);
    assert_int_equal(ram_data_reserve(&data, &budget, 5 * PAGE_BYTES, PAGE_BYTES, &span), ERR_OK);
    ram_data_set_size(&data, &budget, 6 * PAGE_BYTES);
    expect(10, 0, 6 * PAGE_BYTES - 10);
}

/* Random operations against a flat array. */
static void test_against_a_model(void **state)
{
    (void)state;
    enum { LIMIT = 64 * PAGE_BYTES };
    static uint8_t model[LIMIT];
    size_t model_bytes = 5 * PAGE_BYTES + 123;
    set_lower(model_bytes);
    memset(model, 0, sizeof(model));
    memset(model, 'L', model_bytes);
    srand(1);
    for (unsigned round = 0; round < 3000; round++) {
        size_t offset = (size_t)rand() % (LIMIT / 2);
        size_t size_bytes = (size_t)rand() % (rand() % 8 == 0 ? LIMIT / 2 : 3000) + 1;
        if (rand() % 4 != 0) {
            int value = rand() % 255 + 1;
            fill(offset, value, size_bytes);
            memset(model + offset, value, size_bytes);
            model_bytes = offset + size_bytes > model_bytes ? offset + size_bytes : model_bytes;
        } else {
            size_t size = rand() % 8 == 0 ? (size_t)rand() % 3000 : (size_t)rand() % LIMIT;
            ram_data_set_size(&data, &budget, size);
            if (size < model_bytes) {
                memset(model + size, 0, model_bytes - size);
            }
            model_bytes = size;
        }
        assert_int_equal(data.size_bytes, model_bytes);
        size_t done = 0;
        while (done < model_bytes) {
            struct vfs_span span;
            ram_data_read_span(&data, done, SIZE_MAX, &span);
            assert_true(span.size_bytes > 0 && span.size_bytes <= model_bytes - done);
            assert_memory_equal(span.data, model + done, span.size_bytes);
            done += span.size_bytes;
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_small_files_take_no_page),
        TEST(test_small_file_with_holes),
        TEST(test_sparse_pages),
        TEST(test_last_possible_byte),
        TEST(test_lower_is_handed_out_whole),
        TEST(test_copy_on_write),
        TEST(test_truncated_lower_never_comes_back),
        TEST(test_allocate),
        TEST(test_no_memory),
        TEST(test_limit),
        TEST(test_reserved_and_not_committed),
        TEST(test_against_a_model),
    };
    return cmocka_run_group_tests_name("ramfs_data", tests, NULL, NULL);
}
