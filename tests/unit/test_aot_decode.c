#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/aot_helpers.h"

#define HEADER               "\0asm\1\0\0\0"
#define REFUSED(bytes, text) aot_expect_refused((const uint8_t *)(bytes), sizeof(bytes) - 1, text)
#define VALID(bytes)         aot_expect_valid((const uint8_t *)(bytes), sizeof(bytes) - 1)

static void test_header(void **state)
{
    (void)state;
    REFUSED("", "unexpected end");
    REFUSED("\0as", "unexpected end");
    REFUSED("#!/bin/sh\n", "magic header not detected");
    REFUSED("\0asm\1\0", "unexpected end");
    REFUSED("\0asm\2\0\0\0", "unknown binary version");
    REFUSED("\0asm\x0d\0\1\0", "component");
    VALID(HEADER);
}

static void test_sections(void **state)
{
    (void)state;
    REFUSED(HEADER "\x0e\0", "malformed section id");
    REFUSED(HEADER "\1\5\0", "length out of bounds");
    REFUSED(HEADER "\1\2\0\0", "section size mismatch");
    REFUSED(HEADER "\3\1\0\1\1\0", "out of order");
    REFUSED(HEADER "\1\1\0\1\1\0", "repeated");
    REFUSED(HEADER "\0\0", "unexpected end");
    REFUSED(HEADER "\0\2\1\xff", "malformed UTF-8");
    VALID(HEADER "\0\1\0\1\1\0\0\2\1x\3\1\0");
    REFUSED(HEADER "\1\4\1\x60\0\0\3\2\1\0", "inconsistent lengths");
    REFUSED(HEADER "\x0c\1\1", "data count");
}

static void test_absurd_counts(void **state)
{
    (void)state;
    static const char *const sections[] = {"\1", "\2", "\3",  "\4",  "\5",
                                           "\6", "\7", "\x9", "\xb", "\xd"};
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        char bytes[64];
        memcpy(bytes, HEADER, 8);
        bytes[8] = sections[i][0];
        memcpy(bytes + 9, "\6\xff\xff\xff\xff\x0f\0", 7);
        aot_expect_refused((const uint8_t *)bytes, 16, "unexpected end");
    }
}

/* 2^32 - 1 locals fit in a few bytes and must not cost more. */
static void test_many_locals(void **state)
{
    (void)state;
    struct aot_bytes bytes;
    bytes_start(&bytes);
    bytes_put_function(&bytes, "\1\xff\xff\xff\xff\x0f\x7f\x0b", 8);
    aot_expect_refused(bytes.data, bytes.length, "too many locals");
    bytes_free(&bytes);
    bytes_start(&bytes);
    bytes_put_function(&bytes, "\2\xff\xff\xff\xff\x0f\x7f\xff\xff\xff\xff\x0f\x7e\x0b", 14);
    aot_expect_refused(bytes.data, bytes.length, "too many locals");
    bytes_free(&bytes);
}

static void test_data_segments(void **state)
{
    (void)state;
    struct aot_bytes bytes;
    struct aot_bytes data = {0};
    struct aot_result result;
    bytes_start(&bytes);
    bytes_put(&bytes, "\5\3\1\0\1", 5);
    bytes_put_leb(&data, 100000);
    for (unsigned i = 0; i < 100000; i++) {
        bytes_put(&data, "\0\x41\0\x0b\1x", 6);
    }
    bytes_put_section(&bytes, 11, &data);
    aot_load(&result, bytes.data, bytes.length, FEATURES_ALL);
    assert_non_null(result.module);
    assert_int_equal(result.module->data_count, 100000);
    assert_true(result.arena.total_bytes < ((size_t)16 << 20));
    aot_unload(&result);
    bytes_free(&data);
    bytes_free(&bytes);
}

/* Function 0 is named by the name section, a broken one is left aside. */
static void test_names(void **state)
{
    (void)state;
    struct aot_bytes bytes;
    struct aot_result result;
    bytes_start(&bytes);
    bytes_put_function(&bytes, "\0\x0b", 2);
    bytes_put(&bytes, "\0\x0d\4name\1\6\1\0\3foo", 15);
    aot_load(&result, bytes.data, bytes.length, FEATURES_ALL);
    assert_non_null(result.module);
    assert_int_equal(result.module->functions[0].name.length, 3);
    assert_memory_equal(result.module->functions[0].name.bytes, "foo", 3);
    aot_unload(&result);
    bytes.data[bytes.length - 4] = 0x7f;
    aot_load(&result, bytes.data, bytes.length, FEATURES_ALL);
    assert_non_null(result.module);
    assert_int_equal(result.module->functions[0].name.length, 0);
    aot_unload(&result);
    bytes_free(&bytes);
}

/* Equal recursion groups are one type, also when they stand apart (Wasm core §3.2.6). */
static void test_canonical_types(void **state)
{
    (void)state;
    static const char bytes[] = HEADER "\1\x26\5"
                                       "\x60\1\x7f\1\x7f"
                                       "\x60\0\0"
                                       "\x60\1\x7f\1\x7f"
                                       "\x4e\2\x60\1\x64\4\0\x60\1\x64\3\0"
                                       "\x4e\2\x60\1\x64\6\0\x60\1\x64\5\0";
    struct aot_result result;
    aot_load(&result, (const uint8_t *)bytes, sizeof(bytes) - 1, FEATURES_ALL);
    if (result.module == NULL) {
        fail_msg("%s", result.diag.message);
    }
    const struct defined_type *types = result.module->types;
    assert_int_equal(result.module->type_count, 7);
    assert_int_equal(types[2].canonical, 0);
    assert_int_equal(types[1].canonical, 1);
    assert_int_equal(types[5].canonical, 3);
    assert_int_equal(types[6].canonical, 4);
    assert_int_equal(types[5].params[0], REF_TYPE(KIND_REF, 4));
    char text[64];
    assert_int_equal(type_signature(result.module, 2, text, sizeof(text)), 3);
    assert_string_equal(text, "i_i");
    assert_int_equal(type_signature(result.module, 1, text, 2), 3);
    assert_string_equal(text, "v");
    aot_unload(&result);
}

static void test_features(void **state)
{
    (void)state;
    static const char tag[] = HEADER "\1\4\1\x60\0\0\xd\3\1\0\0";
    struct aot_result result;
    VALID(tag);
    aot_load(&result, (const uint8_t *)tag, sizeof(tag) - 1, FEATURES_WASM_2);
    assert_null(result.module);
    aot_unload(&result);
    struct aot_bytes bytes;
    bytes_start(&bytes);
    bytes_put_function(&bytes, "\0\xfb\0\0\x0b", 5);
    aot_expect_refused(bytes.data, bytes.length, "garbage collection");
    bytes_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),          cmocka_unit_test(test_sections),
        cmocka_unit_test(test_absurd_counts),   cmocka_unit_test(test_many_locals),
        cmocka_unit_test(test_data_segments),   cmocka_unit_test(test_names),
        cmocka_unit_test(test_canonical_types), cmocka_unit_test(test_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
