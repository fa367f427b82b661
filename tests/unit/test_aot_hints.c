/* Branch hints: well-formed ones are found, malformed ones cost the section alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/aot_helpers.h"

#define HINT_SECTION "\x19metadata.code.branch_hint"
/* Two ifs, at offsets 3 and 8 of the body, whose start is its empty list of locals. */
#define BODY "\0\x41\0\x04\x40\x0b\x41\0\x04\x40\x0b\x0b"

/* A module of one function () -> () with a section of hints in front of its code. */
static void load(struct aot_bytes *bytes, struct aot_result *result, const char *hints,
                 size_t length, bool twice)
{
    struct aot_bytes section = {0};
    struct aot_bytes code = {0};

    bytes_put(&section, HINT_SECTION, sizeof(HINT_SECTION) - 1);
    bytes_put(&section, hints, length);
    bytes_start(bytes);
    bytes_put(bytes, "\1\4\1\x60\0\0\3\2\1\0", 10);
    for (int i = 0; i < 1 + twice; i++) {
        bytes_put_section(bytes, 0, &section);
    }
    bytes_put_u8(&code, 1);
    bytes_put_leb(&code, sizeof(BODY) - 1);
    bytes_put(&code, BODY, sizeof(BODY) - 1);
    bytes_put_section(bytes, 10, &code);
    bytes_free(&code);
    bytes_free(&section);
    aot_load(result, bytes->data, bytes->length, FEATURES_ALL);
    assert_non_null(result->module);
}

static void test_found(void **state)
{
    struct aot_bytes bytes;
    struct aot_result result;
    (void)state;

    load(&bytes, &result, "\1\0\2\3\1\0\x8\1\1", 9, false);
    const struct module *module = result.module;
    uint32_t body = module->functions[0].body_start;
    assert_null(module->hint_warning);
    assert_int_equal(module_branch_hint(module, body + 3), LIKELIHOOD_LOW);
    assert_int_equal(module_branch_hint(module, body + 8), LIKELIHOOD_HIGH);
    assert_int_equal(module_branch_hint(module, body + 2), LIKELIHOOD_UNKNOWN);
    assert_int_equal(module_branch_hint(module, body + 4), LIKELIHOOD_UNKNOWN);
    assert_int_equal(module_branch_hint(module, body + 9), LIKELIHOOD_UNKNOWN);
    assert_int_equal(module_branch_hint(module, 0), LIKELIHOOD_UNKNOWN);
    aot_unload(&result);
    bytes_free(&bytes);
}

static void expect_ignored(const char *hints, size_t length, bool twice, const char *reason)
{
    struct aot_bytes bytes;
    struct aot_result result;

    load(&bytes, &result, hints, length, twice);
    assert_non_null(result.module->hint_warning);
    assert_non_null(strstr(result.module->hint_warning, reason));
    uint32_t body = result.module->functions[0].body_start;
    assert_int_equal(module_branch_hint(result.module, body + 3), LIKELIHOOD_UNKNOWN);
    aot_unload(&result);
    bytes_free(&bytes);
}

#define IGNORED(hints, reason) expect_ignored(hints, sizeof(hints) - 1, false, reason)

static void test_malformed(void **state)
{
    (void)state;
    IGNORED("", "unexpected end");
    IGNORED("\1\0\1\3\1", "unexpected end");
    IGNORED("\1\0\2\3\1\0", "unexpected end");
    IGNORED("\xff\xff\xff\xff\x0f\0\1\3\1\0", "unexpected end");
    IGNORED("\1\0\xff\xff\xff\xff\x0f\3\1\0", "unexpected end");
    IGNORED("\1\1\1\3\1\0", "has no body");
    IGNORED("\1\xff\xff\xff\xff\x0f\1\3\1\0", "has no body");
    IGNORED("\1\0\1\x0c\1\0", "behind its function");
    IGNORED("\1\0\1\xff\xff\xff\xff\x0f\1\0", "behind its function");
    IGNORED("\1\0\1\3\2\0", "not one byte");
    IGNORED("\1\0\1\3\1\2", "value 2");
    IGNORED("\1\0\2\x8\1\0\3\1\0", "out of order");
    IGNORED("\1\0\2\3\1\0\3\1\1", "out of order");
    IGNORED("\2\0\1\3\1\0\0\1\3\1\1", "out of order");
    IGNORED("\1\0\1\3\1\0x", "junk");
}

static void test_misplaced(void **state)
{
    static const char late[] = "\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0\xa\4\1\2\0\xb"
                               "\0\x1b" HINT_SECTION "\0";
    struct aot_result result;
    (void)state;

    expect_ignored("\1\0\1\3\1\0", 6, true, "second");
    aot_load(&result, (const uint8_t *)late, sizeof(late) - 1, FEATURES_ALL);
    assert_non_null(result.module);
    assert_non_null(strstr(result.module->hint_warning, "follows the code"));
    aot_unload(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_misplaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
