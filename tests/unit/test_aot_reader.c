#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aot/reader.h"
#include "aot/sha256.h"

/* Wasm core §5.2.2: integers. `text` NULL: the value is read. */
struct leb_case {
    const char *bytes;
    size_t length;
    char kind; /* u: u32, U: u64, s: s32, t: s33, S: s64 */
    uint64_t value;
    const char *text;
};

static const struct leb_case leb_cases[] = {
    {"\x00", 1, 'u', 0, NULL},
    {"\x7f", 1, 'u', 127, NULL},
    {"\x80\x01", 2, 'u', 128, NULL},
    {"\x80\x00", 2, 'u', 0, NULL},
    {"\x80\x80\x80\x80\x00", 5, 'u', 0, NULL},
    {"\xff\xff\xff\xff\x0f", 5, 'u', UINT32_MAX, NULL},
    {"\xff\xff\xff\xff\x1f", 5, 'u', 0, "integer too large"},
    {"\x80\x80\x80\x80\x80\x00", 6, 'u', 0, "integer representation too long"},
    {"\x80\x80", 2, 'u', 0, "unexpected end"},
    {"", 0, 'u', 0, "unexpected end"},
    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, 'U', UINT64_MAX, NULL},
    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, 'U', 0, "integer too large"},
    {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, 'U', 0, "integer representation too long"},
    {"\x7f", 1, 's', (uint64_t)-1, NULL},
    {"\x40", 1, 's', (uint64_t)-64, NULL},
    {"\xff\x7e", 2, 's', (uint64_t)-129, NULL},
    {"\x80\x80\x80\x80\x78", 5, 's', (uint64_t)INT32_MIN, NULL},
    {"\xff\xff\xff\xff\x07", 5, 's', INT32_MAX, NULL},
    {"\xff\xff\xff\xff\x0f", 5, 's', 0, "integer too large"},
    {"\x80\x80\x80\x80\x70", 5, 's', 0, "integer too large"},
    {"\xff\xff\xff\xff\x7f", 5, 's', (uint64_t)-1, NULL},
    {"\xff\xff\xff\xff\x0f", 5, 't', UINT32_MAX, NULL},
    {"\x80\x80\x80\x80\x70", 5, 't', (uint64_t)-(1ll << 32), NULL},
    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 10, 'S', INT64_MAX, NULL},
    {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", 10, 'S', (uint64_t)INT64_MIN, NULL},
    {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7e", 10, 'S', 0, "integer too large"},
    {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 10, 'S', 0, "integer too large"},
};

static uint64_t read_kind(struct reader *reader, char kind)
{
    switch (kind) {
    case 'u':
        return reader_leb_u32(reader);
    case 'U':
        return reader_leb_u64(reader);
    case 's':
        return (uint64_t)reader_leb_s32(reader);
    case 't':
        return (uint64_t)reader_leb_s33(reader);
    default:
        return (uint64_t)reader_leb_s64(reader);
    }
}

static void check_leb(const struct leb_case *test)
{
    struct diag diag;
    jmp_buf escape;
    const uint8_t *bytes = (const uint8_t *)test->bytes;
    struct reader reader = {bytes, bytes, bytes + test->length, &diag, "unexpected end"};
    diag_init(&diag, "test");
    diag.escape = &escape;
    if (setjmp(escape) == 0) {
        uint64_t value = read_kind(&reader, test->kind);
        assert_null(test->text);
        assert_true(value == test->value);
        assert_ptr_equal(reader.next, reader.end);
    } else {
        assert_non_null(test->text);
        assert_non_null(strstr(diag.message, test->text));
    }
}

static void test_leb(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(leb_cases) / sizeof(leb_cases[0]); i++) {
        check_leb(&leb_cases[i]);
    }
}

static bool is_utf8(const char *text)
{
    return utf8_is_valid((const uint8_t *)text, strlen(text));
}

static void test_utf8(void **state)
{
    (void)state;
    assert_true(is_utf8(""));
    assert_true(is_utf8("plain"));
    assert_true(is_utf8("\xc2\x80\xdf\xbf"));
    assert_true(is_utf8("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"));
    assert_true(is_utf8("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
    assert_false(is_utf8("\x80"));
    assert_false(is_utf8("\xc0\x80"));         /* overlong */
    assert_false(is_utf8("\xe0\x9f\xbf"));     /* overlong */
    assert_false(is_utf8("\xed\xa0\x80"));     /* surrogate */
    assert_false(is_utf8("\xf0\x8f\xbf\xbf")); /* overlong */
    assert_false(is_utf8("\xf4\x90\x80\x80")); /* beyond U+10FFFF */
    assert_false(is_utf8("\xf5\x80\x80\x80"));
    assert_false(is_utf8("\xe2\x82"));
    assert_false(is_utf8("a\xff"));
}

/* FIPS 180-4's own examples. */
static void test_sha256(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *digest;
    } cases[] = {
        {"abc", "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"},
        {"", "\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "\x24\x8d\x6a\x61\xd2\x06\x38\xb8\xe5\xc0\x26\x93\x0c\x3e\x60\x39"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sha256 sha;
        uint8_t digest[32];
        sha256_init(&sha);
        sha256_add(&sha, cases[i].text, strlen(cases[i].text));
        sha256_finish(&sha, digest);
        assert_memory_equal(digest, cases[i].digest, 16);
    }
}

static void test_message(void **state)
{
    (void)state;
    struct diag diag;
    jmp_buf escape;
    diag_init(&diag, "app.wasm");
    diag.escape = &escape;
    diag.function = 12;
    if (setjmp(escape) == 0) {
        diag_fail(&diag, 0x1f, "rule %d", 7);
    }
    assert_string_equal(diag.message, "app.wasm: offset 0x1f: function 12: rule 7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leb),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
