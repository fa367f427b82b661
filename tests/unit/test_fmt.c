#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/base/fmt.h"

#define CHECK(...)                                                                                 \
    do {                                                                                           \
        char ours[128], theirs[128];                                                               \
        size_t length = fmt_format(ours, sizeof(ours), __VA_ARGS__);                               \
        int expected = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                              \
        assert_string_equal(ours, theirs);                                                         \
        assert_int_equal(length, expected);                                                        \
    } while (0)

static void test_agrees_with_the_c_library(void **state)
{
    (void)state;
    CHECK("plain");
    CHECK("%d %i %u", -5, 42, 4000000000u);
    CHECK("%x %X %08x", 0xdeadbeefu, 0xabcu, 0x12u);
    CHECK("[%5d][%-5d][%05d]", 42, 42, -42);
    CHECK("[%8s][%-8s][%.2s][%.*s]", "abc", "abc", "abc", 1, "abc");
    CHECK("[%*d][%-*d]", 6, 1, 6, 2);
    CHECK("%c%%", 'x');
    CHECK("%lld %llu %llx", (long long)INT64_MIN, (unsigned long long)UINT64_MAX,
          (unsigned long long)UINT64_MAX);
    CHECK("%zu %ld %jd %td", (size_t)7, -7l, (intmax_t)-9, (ptrdiff_t)3);
    CHECK("%hhu %hd %hhd", (unsigned char)200, (short)-3, (signed char)-128);
    CHECK("%.3d %.0d|", 5, 7);
    CHECK("%p", (void *)0x1234);
    CHECK("%d", (int)0x80000000);
}

static void test_is_bounded(void **state)
{
    (void)state;
    char small[4] = "zzz";
    assert_int_equal(fmt_format(small, sizeof(small), "%s", "abcdef"), 6);
    assert_string_equal(small, "abc");
    assert_int_equal(fmt_format(NULL, 0, "%d", 12345), 5);
    char one[1] = "x";
    assert_int_equal(fmt_format(one, 1, "%09d", 1), 9);
    assert_string_equal(one, "");
    assert_true(fmt_format(small, sizeof(small), "%9000d", 1) >= 9000);
}

static void test_survives_odd_formats(void **state)
{
    (void)state;
    char out[64];
    fmt_format(out, sizeof(out), "%s", (const char *)NULL);
    assert_string_equal(out, "(null)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_the_c_library),
        cmocka_unit_test(test_is_bounded),
        cmocka_unit_test(test_survives_odd_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
