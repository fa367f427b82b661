/* Symbol names are a contract with the kernel: kernel/base/wasm_abi.h spells them out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aot/layout.h"
#include "tests/unit/aot_helpers.h"

static void expect_mangled(const char *name, size_t length, const char *expected)
{
    char text[128];
    char *end = layout_mangle(text, (const uint8_t *)name, length);

    assert_in_range((size_t)(end - text), 0, LAYOUT_MANGLED_MAX(length));
    *end = '\0';
    assert_string_equal(text, expected);
}

#define EXPECT_MANGLED(name, expected) expect_mangled(name, sizeof(name) - 1, expected)

static void test_mangle_plain(void **state)
{
    (void)state;
    EXPECT_MANGLED("fd_write", "fd_write");
    EXPECT_MANGLED("A9z", "A9z");
    EXPECT_MANGLED("", "");
}

static void test_mangle_underscores_that_could_separate(void **state)
{
    (void)state;
    EXPECT_MANGLED("_start", "$5fstart");
    EXPECT_MANGLED("end_", "end$5f");
    EXPECT_MANGLED("a__b", "a_$5fb");
    EXPECT_MANGLED("a___b", "a_$5f$5fb");
    EXPECT_MANGLED("_", "$5f");
}

static void test_mangle_other_bytes(void **state)
{
    (void)state;
    EXPECT_MANGLED("wasi:http/types@0.2", "wasi$3ahttp$2ftypes$400$2e2");
    EXPECT_MANGLED("$", "$24");
    EXPECT_MANGLED("a b", "a$20b");
    EXPECT_MANGLED("a\0b", "a$00b");
    EXPECT_MANGLED("\xc3\xa9", "$c3$a9");
}

/* (import "env" "f" (func (param i32 i64 f32 f64) (result i32)))
 * (import "env" "g" (global (mut i64)))
 * (func (export "run me") ...), then the name section is absent. */
static const uint8_t module_bytes[] = {
    0,    'a', 's',  'm',  1,   0,   0,   0,   1,    12, 2,   0x60, 4,   0x7f, 0x7e, 0x7d,
    0x7c, 1,   0x7f, 0x60, 0,   0,   2,   18,  2,    3,  'e', 'n',  'v', 1,    'f',  0,
    0,    3,   'e',  'n',  'v', 1,   'g', 3,   0x7e, 1,  3,   2,    1,   1,    7,    10,
    1,    6,   'r',  'u',  'n', ' ', 'm', 'e', 0,    1,  10,  4,    1,   2,    0,    0x0b,
};

static void test_symbols_of_a_module(void **state)
{
    struct aot_result result;
    (void)state;

    aot_load(&result, module_bytes, sizeof(module_bytes), FEATURES_ALL);
    if (result.module == NULL) {
        fail_msg("refused: %s", result.diag.message);
    }
    char *function = layout_import_symbol(result.module, &result.module->imports[0], "");
    char *global = layout_import_symbol(result.module, &result.module->imports[1], "m1_");
    char *type = layout_type_symbol(result.module, 0);
    char *own = layout_function_symbol(result.module, 1);
    assert_string_equal(function, "wasm_import__env__f__iIfF_i");
    assert_string_equal(global, "m1_wasm_import_global__env__g__Im");
    assert_string_equal(type, "wasm_type.iIfF_i");
    assert_string_equal(own, "wasm.1.run_me");
    free(function);
    free(global);
    free(type);
    free(own);
    aot_unload(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mangle_plain),
        cmocka_unit_test(test_mangle_underscores_that_could_separate),
        cmocka_unit_test(test_mangle_other_bytes),
        cmocka_unit_test(test_symbols_of_a_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
