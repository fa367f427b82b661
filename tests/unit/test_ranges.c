#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/base/ranges.h"

#define SPACE 512u

static void check_against(const struct ranges *set, const bool *model)
{
    size_t at = 0;
    uint64_t total = 0;
    for (size_t i = 0; i < set->count; i++) {
        assert_true(set->list[i].start < set->list[i].end);
        assert_true(i == 0 || set->list[i - 1].end < set->list[i].start);
        for (; at < set->list[i].start; at++) {
            assert_false(model[at]);
        }
        for (; at < set->list[i].end; at++, total++) {
            assert_true(model[at]);
        }
    }
    for (; at < SPACE; at++) {
        assert_false(model[at]);
    }
    assert_int_equal(ranges_total(set), total);
}

static void test_random_operations_match_a_bitmap(void **state)
{
    (void)state;
    static struct ranges set;
    bool model[SPACE] = {false};
    srand(1);
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t start = (uint64_t)rand() % SPACE;
        uint64_t end = start + (uint64_t)rand() % 24;
        end = end < SPACE ? end : SPACE;
        bool add = rand() % 2 != 0;
        if (add) {
            if (!ranges_add(&set, start, end)) {
                continue;
            }
        } else {
            assert_true(ranges_remove(&set, start, end));
        }
        for (uint64_t at = start; at < end; at++) {
            model[at] = add;
        }
        check_against(&set, model);
    }
}

static void test_a_full_set_never_keeps_what_was_removed(void **state)
{
    (void)state;
    static struct ranges set;
    for (uint64_t i = 0; i < RANGES_MAX; i++) {
        assert_true(ranges_add(&set, i * 10, i * 10 + 5));
    }
    assert_false(ranges_add(&set, 100000, 100001));
    assert_int_equal(set.count, RANGES_MAX);
    assert_false(ranges_remove(&set, 2, 3));
    assert_int_equal(set.list[0].start, 0);
    assert_int_equal(set.list[0].end, 2);
    assert_int_equal(set.count, RANGES_MAX);
}

static void test_inverted_and_empty_ranges_do_nothing(void **state)
{
    (void)state;
    static struct ranges set;
    assert_true(ranges_add(&set, 5, 5));
    assert_true(ranges_add(&set, 9, 3));
    assert_int_equal(set.count, 0);
    assert_true(ranges_add(&set, 0, UINT64_MAX));
    assert_true(ranges_remove(&set, 9, 3));
    assert_int_equal(set.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations_match_a_bitmap),
        cmocka_unit_test(test_a_full_set_never_keeps_what_was_removed),
        cmocka_unit_test(test_inverted_and_empty_ranges_do_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
