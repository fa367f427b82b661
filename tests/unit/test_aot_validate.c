#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/aot_helpers.h"

/* Bodies of a function () -> () without locals, in a module with nothing else. */
static void body_refused(const void *body, size_t length, const char *text)
{
    struct aot_bytes bytes;
    bytes_start(&bytes);
    bytes_put_function(&bytes, body, length);
    aot_expect_refused(bytes.data, bytes.length, text);
    bytes_free(&bytes);
}

static void body_valid(const void *body, size_t length)
{
    struct aot_bytes bytes;
    bytes_start(&bytes);
    bytes_put_function(&bytes, body, length);
    aot_expect_valid(bytes.data, bytes.length);
    bytes_free(&bytes);
}

#define REFUSED(body, text) body_refused(body, sizeof(body) - 1, text)
#define VALID(body)         body_valid(body, sizeof(body) - 1)

static void test_stack(void **state)
{
    (void)state;
    VALID("\0\x0b");
    VALID("\0\x41\1\x1a\x0b");
    REFUSED("\0\x41\1\x0b", "values remaining on stack");
    REFUSED("\0\x1a\x0b", "operand stack is empty");
    REFUSED("\0\x41\1\x42\1\x6a\x1a\x0b", "expected i32, found i64");
    REFUSED("\0\x0b\x0b", "code after the end");
    REFUSED("\0\x41\1\x1a", "END opcode expected");
    REFUSED("\0\xff\x0b", "illegal opcode");
    REFUSED("\0\xfd\xff\7\x0b", "illegal opcode");
}

static void test_unreachable(void **state)
{
    (void)state;
    VALID("\0\0\x6a\x1a\x0b");
    REFUSED("\0\0\x42\0\x45\x1a\x0b", "type mismatch");
    /* ref.as_non_null of nothing is still a reference, never a number. */
    REFUSED("\0\0\xd4\x45\x1a\x0b", "type mismatch");
}

static void test_control(void **state)
{
    (void)state;
    VALID("\0\x41\0\4\x40\5\x0b\x0b");
    REFUSED("\0\x02\x40\5\x0b\x0b", "else without if");
    REFUSED("\0\x41\0\4\x7f\x41\1\x0b\x1a\x0b", "type mismatch");
    REFUSED("\0\x0c\1\x0b", "unknown label 1");
    REFUSED("\0\x02\x01\x0b\x0b", "unknown type 1");
    REFUSED("\0\x07\0\x0b", "catch outside of a try block");
    REFUSED("\0\x02\x40\x09\0\x0b\x0b", "invalid rethrow label");
}

static void test_indices(void **state)
{
    (void)state;
    REFUSED("\0\x20\0\x1a\x0b", "unknown local 0");
    REFUSED("\0\x23\0\x1a\x0b", "unknown global 0");
    REFUSED("\0\x10\1\x0b", "unknown function 1");
    REFUSED("\0\x41\0\x28\2\0\x1a\x0b", "unknown memory 0");
    REFUSED("\0\x41\0\x25\0\x1a\x0b", "unknown table 0");
    REFUSED("\0\x08\0\x0b", "unknown tag 0");
    REFUSED("\0\xfc\x09\0\x0b", "data count section required");
    REFUSED("\0\xfc\x0d\0\x0b", "unknown elem segment 0");
    REFUSED("\0\xd2\0\x1a\x0b", "undeclared function reference");
}

static void test_vectors(void **state)
{
    (void)state;
    VALID("\0\x41\0\xfd\x0f\xfd\x15\x0f\x1a\x0b");
    REFUSED("\0\x41\0\xfd\x0f\xfd\x15\x10\x1a\x0b", "invalid lane index 16");
    REFUSED("\0\x41\0\xfd\x0f\xfd\x1b\4\x1a\x0b", "invalid lane index 4");
}

static void test_uninitialized_local(void **state)
{
    (void)state;
    /* (local (ref func)): a get must follow a set in the same or an outer block. */
    REFUSED("\1\1\x64\x70\x20\0\x1a\x0b", "uninitialized local 0");
    REFUSED("\1\1\x64\x70\x02\x40\0\x0b\x20\0\x1a\x0b", "uninitialized local 0");
    VALID("\1\1\x64\x70\0\x21\0\x20\0\x1a\x0b");
    REFUSED("\1\1\x64\x70\x02\x40\0\x21\0\x0b\x20\0\x1a\x0b", "uninitialized local 0");
}

/* Nesting costs memory, not stack: 200,000 blocks. */
static void test_deep_nesting(void **state)
{
    (void)state;
    struct aot_bytes body = {0};
    bytes_put_u8(&body, 0);
    for (unsigned i = 0; i < 200000; i++) {
        bytes_put(&body, "\x02\x40", 2);
    }
    for (unsigned i = 0; i < 200001; i++) {
        bytes_put_u8(&body, 0x0b);
    }
    body_valid(body.data, body.length);
    bytes_free(&body);
}

static void test_large_br_table(void **state)
{
    (void)state;
    struct aot_bytes body = {0};
    bytes_put(&body, "\0\x41\0\x0e", 4);
    bytes_put_leb(&body, 10000);
    for (unsigned i = 0; i < 10001; i++) {
        bytes_put_u8(&body, 0);
    }
    bytes_put_u8(&body, 0x0b);
    body_valid(body.data, body.length);
    body.data[5000] = 1;
    body_refused(body.data, body.length, "unknown label 1");
    bytes_free(&body);
}

#define MODULE_REFUSED(bytes, text)                                                                \
    aot_expect_refused((const uint8_t *)("\0asm\1\0\0\0" bytes), sizeof(bytes) - 1 + 8, text)

static void test_module_rules(void **state)
{
    (void)state;
    MODULE_REFUSED("\5\6\1\0\x81\x80\4\0", "junk");
    MODULE_REFUSED("\5\5\1\0\x81\x80\4", "memory size must be at most 65536 pages");
    MODULE_REFUSED("\5\4\1\1\2\1", "size minimum must not be greater than maximum");
    MODULE_REFUSED("\5\3\1\2\1", "shared memory must have maximum");
    MODULE_REFUSED("\6\6\1\x7f\0\x42\0\x0b", "type mismatch");
    MODULE_REFUSED("\6\5\1\x7f\0\1\x0b", "constant expression required");
    MODULE_REFUSED("\5\3\1\0\0\7\x09\2\1a\2\0\1a\2\0", "duplicate export name");
    MODULE_REFUSED("\7\5\1\1a\0\0", "unknown function 0");
    MODULE_REFUSED("\x08\1\0", "unknown function 0");
    MODULE_REFUSED("\x0b\6\1\0\x41\0\x0b\0", "unknown memory 0");
}

/* What the code generator wants to know. */
static void test_analysis(void **state)
{
    (void)state;
    struct aot_result result;
    static const char module[] = "\0asm\1\0\0\0"
                                 "\1\4\1\x60\0\0\3\2\1\0\5\3\1\0\1\6\6\1\x7f\1\x41\0\x0b"
                                 "\x0a\x0f\1\x0d\0\x41\1\x40\0\x24\0\x03\x40\x10\0\x0b\x0b";
    aot_load(&result, (const uint8_t *)module, sizeof(module) - 1, FEATURES_ALL);
    if (result.module == NULL) {
        fail_msg("%s", result.diag.message);
    }
    assert_true(result.module->memories[0].is_grown);
    assert_true(result.module->globals[0].is_set);
    uint32_t flags = result.module->functions[0].flags;
    assert_int_equal(flags, FUNCTION_CALLED_BIT | FUNCTION_CALLS_BIT | FUNCTION_GROWS_MEMORY_BIT |
                                FUNCTION_LOOPS_BIT);
    assert_int_equal(result.module->functions[0].max_block_depth, 2);
    aot_unload(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stack),        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_control),      cmocka_unit_test(test_indices),
        cmocka_unit_test(test_vectors),      cmocka_unit_test(test_uninitialized_local),
        cmocka_unit_test(test_deep_nesting), cmocka_unit_test(test_large_br_table),
        cmocka_unit_test(test_module_rules), cmocka_unit_test(test_analysis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
