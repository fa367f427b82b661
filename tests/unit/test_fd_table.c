#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wasi/fd_table.h"

static int object;

static uint32_t insert(struct fd_table *table)
{
    uint32_t number = UINT32_MAX;

    assert_int_equal(fd_table_insert(table, &object, &number), ERR_OK);
    return number;
}

static void numbers_rise_from_zero(void **state)
{
    struct fd_table table = {0};

    (void)state;
    assert_null(fd_table_get(&table, 0));
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(insert(&table), i);
        assert_ptr_equal(fd_table_get(&table, i), &object);
    }
    assert_null(fd_table_get(&table, 300));
    assert_null(fd_table_get(&table, UINT32_MAX));
    fd_table_destroy(&table);
}

static void the_lowest_free_number_comes_first(void **state)
{
    struct fd_table table = {0};

    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        (void)insert(&table);
    }
    fd_table_remove(&table, 4097);
    fd_table_remove(&table, 64);
    fd_table_remove(&table, 63);
    fd_table_remove(&table, 4096);
    assert_int_equal(insert(&table), 63);
    assert_int_equal(insert(&table), 64);
    assert_int_equal(insert(&table), 4096);
    assert_int_equal(insert(&table), 4097);
    assert_int_equal(insert(&table), 5000);
    fd_table_destroy(&table);
}

static void random_use_agrees_with_a_linear_scan(void **state)
{
    static unsigned char taken[3000];
    struct fd_table table = {0};
    unsigned seed = 1;

    (void)state;
    for (int step = 0; step < 200000; step++) {
        uint32_t number = (uint32_t)rand_r(&seed) % 2000;

        if (taken[number] && rand_r(&seed) % 2 == 0) {
            fd_table_remove(&table, number);
            taken[number] = 0;
        } else if (table.count < 1900) {
            uint32_t expected = 0;

            while (taken[expected]) {
                expected++;
            }
            assert_int_equal(insert(&table), expected);
            taken[expected] = 1;
        }
    }
    fd_table_destroy(&table);
}

static void a_full_table_says_so(void **state)
{
    struct fd_table table = {0};
    uint32_t number;

    (void)state;
    for (uint32_t i = 0; i < FD_TABLE_MAX; i++) {
        assert_int_equal(insert(&table), i);
    }
    assert_int_equal(fd_table_insert(&table, &object, &number), ERR_MFILE);
    fd_table_remove(&table, 100000);
    assert_int_equal(insert(&table), 100000);
    fd_table_destroy(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_rise_from_zero),
        cmocka_unit_test(the_lowest_free_number_comes_first),
        cmocka_unit_test(random_use_agrees_with_a_linear_scan),
        cmocka_unit_test(a_full_table_says_so),
    };

    return cmocka_run_group_tests_name("fd_table", tests, NULL, NULL);
}
