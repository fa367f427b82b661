#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wasi/guest_memory.h"

#define SIZE WASM_PAGE_BYTES

static uint8_t *bytes; /* exactly SIZE on the heap, so that ASan sees a step beyond */
static struct wasm_memory memory;

static int set_up(void **state)
{
    (void)state;
    bytes = calloc(1, SIZE);
    memory.base = bytes;
    memory.size_bytes = SIZE;
    guest_memory_attach(&memory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

static void ranges_are_checked_at_the_edges(void **state)
{
    (void)state;
    assert_int_equal(guest_check(guest_address(0), SIZE), ERR_OK);
    assert_int_equal(guest_check(guest_address(0), SIZE + 1), ERR_FAULT);
    assert_int_equal(guest_check(guest_address(SIZE), 0), ERR_OK);
    assert_int_equal(guest_check(guest_address(SIZE), 1), ERR_FAULT);
    assert_int_equal(guest_check(guest_address(SIZE + 1), 0), ERR_FAULT);
    assert_int_equal(guest_check(guest_address(SIZE - 1), 2), ERR_FAULT);
    assert_int_equal(guest_check(guest_address(UINT32_MAX), UINT32_MAX), ERR_FAULT);
    assert_int_equal(guest_check(guest_address(1), UINT64_MAX), ERR_FAULT);
}

static void a_memory_of_4_gib_ends_where_it_ends(void **state)
{
    struct wasm_memory large = {.base = NULL, .size_bytes = 1ull << 32};

    (void)state;
    guest_memory_attach(&large);
    assert_int_equal(guest_check(guest_address(UINT32_MAX), 1), ERR_OK);
    assert_int_equal(guest_check(guest_address(UINT32_MAX), 2), ERR_FAULT);
    guest_memory_attach(NULL);
    assert_int_equal(guest_check(guest_address(0), 1), ERR_FAULT);
    assert_int_equal(guest_check(guest_address(0), 0), ERR_OK);
}

static void growth_counts_at_once(void **state)
{
    (void)state;
    memory.size_bytes = SIZE / 2;
    assert_int_equal(guest_write_u8(guest_address(SIZE - 1), 1), ERR_FAULT);
    memory.size_bytes = SIZE;
    assert_int_equal(guest_write_u8(guest_address(SIZE - 1), 1), ERR_OK);
    assert_int_equal(bytes[SIZE - 1], 1);
}

static void numbers_are_little_endian_and_unaligned(void **state)
{
    uint32_t value;

    (void)state;
    assert_int_equal(guest_write_u64(guest_address(3), 0x0102030405060708ull), ERR_OK);
    assert_int_equal(bytes[3], 8);
    assert_int_equal(bytes[10], 1);
    assert_int_equal(guest_read_u32(guest_address(5), &value), ERR_OK);
    assert_int_equal(value, 0x03040506);
    assert_int_equal(guest_write_u16(guest_address(SIZE - 1), 1), ERR_FAULT);
    assert_int_equal(guest_read_u32(guest_address(SIZE - 3), &value), ERR_FAULT);
}

static void put_iovec(uint32_t at, uint32_t address, uint32_t size)
{
    uint32_t words[] = {address, size};

    memcpy(bytes + at, words, sizeof(words));
}

static void vectors_gather_and_scatter(void **state)
{
    struct guest_vector vector;
    char out[16] = {0};

    (void)state;
    memcpy(bytes + 100, "hello", 5);
    memcpy(bytes + 200, "world", 5);
    put_iovec(0, 100, 5);
    put_iovec(8, 0, 0);
    put_iovec(16, 200, 5);
    assert_int_equal(guest_vector_load(guest_address(0), 3, &vector), ERR_OK);
    assert_int_equal(vector.total_bytes, 10);
    assert_int_equal(guest_vector_read(&vector, out, 7), 7);
    assert_int_equal(guest_vector_left(&vector), 3);
    assert_int_equal(guest_vector_read(&vector, out + 7, 9), 3);
    assert_string_equal(out, "helloworld");
    assert_int_equal(guest_vector_read(&vector, out, 1), 0);

    assert_int_equal(guest_vector_load(guest_address(0), 3, &vector), ERR_OK);
    assert_int_equal(guest_vector_write(&vector, "ABCDEFGHIJKL", 12), 10);
    assert_memory_equal(bytes + 100, "ABCDE", 5);
    assert_memory_equal(bytes + 200, "FGHIJ", 5);
}

static void bad_vectors_are_refused(void **state)
{
    struct guest_vector vector;

    (void)state;
    put_iovec(0, 100, 5);
    put_iovec(8, SIZE - 2, 3);
    assert_int_equal(guest_vector_load(guest_address(0), 2, &vector), ERR_FAULT);
    assert_int_equal(vector.total_bytes, 0);
    put_iovec(8, 0, UINT32_MAX);
    assert_int_equal(guest_vector_load(guest_address(0), 2, &vector), ERR_FAULT);
    assert_int_equal(guest_vector_load(guest_address(SIZE - 8), 2, &vector), ERR_FAULT);
    assert_int_equal(guest_vector_load(guest_address(0), UINT32_MAX, &vector), ERR_FAULT);
    assert_int_equal(guest_vector_load(guest_address(0), GUEST_IOVEC_MAX + 1, &vector), ERR_INVAL);
    assert_int_equal(guest_vector_load(guest_address(SIZE), 0, &vector), ERR_OK);
}

static void sums_over_32_bits_are_refused(void **state)
{
    struct guest_vector vector;

    (void)state;
    /* Every range lies inside: 1024 times the whole memory is 64 MiB, so pretend a larger one. */
    memory.size_bytes = SIZE;
    for (uint32_t i = 0; i < GUEST_IOVEC_MAX; i++) {
        put_iovec(i * 8, 0, SIZE);
    }
    assert_int_equal(guest_vector_load(guest_address(0), GUEST_IOVEC_MAX, &vector), ERR_OK);
    memory.size_bytes = 1ull << 32;
    for (uint32_t i = 0; i < 2; i++) {
        put_iovec(i * 8, 0, 0x80000000u);
    }
    assert_int_equal(guest_vector_load(guest_address(0), 2, &vector), ERR_INVAL);
    memory.size_bytes = SIZE;
}

/* The entries were read before the first byte is stored over them. */
static void an_overwritten_iovec_array_does_no_harm(void **state)
{
    struct guest_vector vector;
    uint8_t data[16];

    (void)state;
    memset(data, 0xff, sizeof(data));
    put_iovec(0, 0, 16);
    put_iovec(8, 100, 4);
    assert_int_equal(guest_vector_load(guest_address(0), 2, &vector), ERR_OK);
    assert_int_equal(guest_vector_write(&vector, data, sizeof(data)), 16);
    assert_int_equal(guest_vector_write(&vector, "next", 4), 4);
    assert_memory_equal(bytes + 100, "next", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ranges_are_checked_at_the_edges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_memory_of_4_gib_ends_where_it_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(growth_counts_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_are_little_endian_and_unaligned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(vectors_gather_and_scatter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_vectors_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sums_over_32_bits_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_overwritten_iovec_array_does_no_harm, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("guest_memory", tests, NULL, NULL);
}
