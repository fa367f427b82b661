#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aot/debug_lines.h"
#include "tests/unit/aot_helpers.h"

/* A module of one function whose code section content is 5 bytes, and this line program. */
static const struct line_table *load(struct aot_result *result, struct aot_bytes *bytes,
                                     const void *program, size_t length)
{
    struct aot_bytes section = {0};
    bytes_start(bytes);
    bytes_put_function(bytes, "\0\x01\x01\x0b", 4);
    bytes_put(&section, "\x0b.debug_line", 12);
    bytes_put(&section, program, length);
    bytes_put_section(bytes, 0, &section);
    bytes_free(&section);
    aot_load(result, bytes->data, bytes->length, FEATURES_ALL);
    assert_non_null(result->module);
    return debug_lines_decode(result->module);
}

/* DWARF 4: header length 31, directory "src", file "a.c" in it, opcode base 13. */
#define HEADER_4 "\4\0\x1f\0\0\0\1\1\1\xfb\x0e\x0d\0\1\1\1\1\0\0\0\1\0\0\1src\0\0a.c\0\1\0\0\0"
/* Address 3, line 10 (advance 9), copy; then +1 byte, +1 line; end one byte later. */
#define ROWS "\0\5\2\3\0\0\0\3\x09\1\x21\2\1\0\1\1"

static void test_rows(void **state)
{
    (void)state;
    static const char program[] = "\x35\0\0\0" HEADER_4 ROWS;
    struct aot_result result;
    struct aot_bytes bytes;
    const struct line_table *table = load(&result, &bytes, program, sizeof(program) - 1);
    assert_non_null(table);
    uint32_t code = result.module->code_section_start;
    assert_int_equal(table->row_count, 3);
    assert_int_equal(table->rows[0].offset, code + 3);
    assert_int_equal(table->rows[0].line, 10);
    assert_int_equal(table->rows[1].offset, code + 4);
    assert_int_equal(table->rows[1].line, 11);
    assert_int_equal(table->rows[2].offset, code + 5);
    assert_int_equal(table->rows[2].line, 0);
    const struct line_file *file = &table->files[table->rows[0].file];
    assert_int_equal(file->name.length, 3);
    assert_memory_equal(file->name.bytes, "a.c", 3);
    assert_memory_equal(file->directory.bytes, "src", 3);
    assert_int_equal(line_table_find(table, code + 2), table->row_count);
    assert_int_equal(line_table_find(table, code + 3), 0);
    assert_int_equal(line_table_find(table, code + 4), 1);
    assert_int_equal(line_table_find(table, code + 100), 2);
    aot_unload(&result);
    bytes_free(&bytes);
}

/* Cut off anywhere, the module stays valid and nothing is read out of bounds. */
static void test_truncation(void **state)
{
    (void)state;
    static const char program[] = "\x35\0\0\0" HEADER_4 ROWS;
    for (size_t length = 0; length < sizeof(program) - 1; length++) {
        struct aot_result result;
        struct aot_bytes bytes;
        assert_null(load(&result, &bytes, program, length));
        aot_unload(&result);
        bytes_free(&bytes);
    }
}

/* Rows of code that the linker dropped start at address 0. */
static void test_dropped_code(void **state)
{
    (void)state;
    static const char program[] = "\x35\0\0\0" HEADER_4 "\0\5\2\0\0\0\0\3\x09\1\x21\2\1\0\1\1";
    struct aot_result result;
    struct aot_bytes bytes;
    assert_null(load(&result, &bytes, program, sizeof(program) - 1));
    aot_unload(&result);
    bytes_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_dropped_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
