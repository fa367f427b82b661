#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/random.h"
#include "kernel/random_boot.h"
#include "kernel/x86/x86.h"

static bool has_rdrand;
static uint64_t next_word;

bool x86_rdrand(uint64_t *out)
{
    *out = next_word += 0x9e3779b97f4a7c15ull;
    return has_rdrand;
}

bool x86_rdseed(uint64_t *out)
{
    *out = UINT64_MAX; /* broken after a resume: must not count */
    return true;
}

static void test_no_source_is_not_a_seed(void **state)
{
    (void)state;
    has_rdrand = false;
    random_initialize();
    assert_false(random_is_seeded());
    uint8_t byte;
    expect_assert_failure(random_fill(&byte, 1));
    random_seed("", 0);
    assert_false(random_is_seeded());
}

static void test_output_changes_and_is_not_the_key(void **state)
{
    (void)state;
    has_rdrand = true;
    random_initialize();
    assert_true(random_is_seeded());
    static uint8_t first[200000], second[200000];
    random_fill(first, sizeof(first));
    random_fill(second, sizeof(second));
    assert_memory_not_equal(first, second, sizeof(first));
    unsigned histogram[256] = {0};
    for (size_t i = 0; i < sizeof(first); i++) {
        histogram[first[i]]++;
    }
    for (unsigned i = 0; i < 256; i++) {
        assert_in_range(histogram[i], 600, 970);
    }
}

static void test_exact_lengths(void **state)
{
    (void)state;
    for (size_t length = 0; length < 200; length++) {
        uint8_t bytes[201];
        memset(bytes, 0, sizeof(bytes));
        random_fill(bytes, length);
        for (size_t i = length; i < sizeof(bytes); i++) {
            assert_int_equal(bytes[i], 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_source_is_not_a_seed),
        cmocka_unit_test(test_output_changes_and_is_not_the_key),
        cmocka_unit_test(test_exact_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
