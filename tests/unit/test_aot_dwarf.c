#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aot/debug_scopes.h"
#include "tests/unit/aot_helpers.h"

/* A string literal with its length, without the final NUL. */
#define BYTES(text) text, sizeof(text) - 1

/* Codes 1 to 9 in both versions, which differ in how text, addresses and lists are named. */
#define ABBREVS_SHARED                                                                             \
    "\6\x24\0\3\x08\x0b\x0b\x3e\x0b\0\0"   /* base type: name, size, encoding */                   \
    "\7\x13\1\3\x08\x0b\x0b\0\0"           /* struct: name, size */                                \
    "\x08\x0d\0\3\x08\x49\x13\x38\x0b\0\0" /* member: name, type, offset */                        \
    "\x09\x0f\0\x49\x13\0\0"               /* pointer: type */                                     \
    "\x0a\x39\1\3\x08\0\0"                 /* namespace: name */                                   \
    "\0"
#define ABBREVS_4                                                                                  \
    "\1\x11\1\3\x08\x13\x0b\x11\1\0\0"       /* unit: name, language, low */                       \
    "\2\x2e\1\3\x08\x11\1\x12\6\x40\x18\0\0" /* function: name, low, length, frame */              \
    "\3\5\0\3\x08\x49\x13\2\x18\0\0"         /* parameter: name, type, place */                    \
    "\4\x0b\1\x11\1\x12\6\0\0"               /* block: low, length */                              \
    "\5\x34\0\3\x08\x49\x13\2\x17\0\0"       /* variable: name, type, list of places */            \
        ABBREVS_SHARED
#define ABBREVS_5                                                                                  \
    "\1\x11\1\3\x25\x13\x0b\x72\x17\x73\x17\x74\x17\x8c\1\x17\0\0"                                 \
    "\2\x2e\1\3\x25\x11\x1b\x12\x0b\x40\x18\0\0"                                                   \
    "\3\5\0\3\x25\x49\x13\2\x18\0\0"                                                               \
    "\4\x0b\1\x55\x23\0\0" /* block: ranges */                                                     \
    "\5\x34\0\3\x25\x49\x13\2\x22\0\0" ABBREVS_SHARED

/* Code: two locals, four nops, end: bytes 2 to 9 of the section, instructions from 5. */
#define BODY "\1\2\x7f\1\1\1\1\x0b"

#define UNIT_4 "\4\0\0\0\0\0\4"
/* Offset 11: the unit. 18: namespace, 21: function at 2, 8 bytes, frame is local 1; its
 * parameter at frame + 12; a block at 6, 2 bytes; in it a variable. Then types. */
#define INFO_4                                                                                     \
    "\1u\0\x0c\0\0\0\0"                                                                            \
    "\x0a"                                                                                         \
    "n\0"                                                                                          \
    "\2f\0\2\0\0\0\x08\0\0\0\3\xed\0\1"                                                            \
    "\3p\0\x50\0\0\0\2\x91\x0c"                                                                    \
    "\4\6\0\0\0\2\0\0\0"                                                                           \
    "\5v\0\x49\0\0\0\0\0\0\0"                                                                      \
    "\0\0\0"                                                                                       \
    "\6i\0\4\5"                                                                                    \
    "\7s\0\4"                                                                                      \
    "\x08m\0\x50\0\0\0\0"                                                                          \
    "\0"                                                                                           \
    "\x09\x4e\0\0\0"                                                                               \
    "\0"
/* From 6 to 7 the variable is local 0's value, then 4 bytes of it the operand stack's bottom. */
#define LOC_4                                                                                      \
    "\6\0\0\0\7\0\0\0\4\0\xed\0\0\x9f"                                                             \
    "\7\0\0\0\x08\0\0\0\6\0\xed\2\0\x9f\x93\4"                                                     \
    "\0\0\0\0\0\0\0\0"

struct sample {
    struct aot_bytes bytes;
    struct aot_result result;
    const struct dwarf *dwarf;
};

static void put_custom(struct aot_bytes *out, const char *name, const void *content, size_t length)
{
    struct aot_bytes section = {0};
    bytes_put_leb(&section, strlen(name));
    bytes_put(&section, name, strlen(name));
    bytes_put(&section, content, length);
    bytes_put_section(out, 0, &section);
    bytes_free(&section);
}

/* .debug_info holds the length of what follows, the header, and the DIEs. */
static void put_info(struct aot_bytes *out, const void *header, size_t header_length,
                     const void *content, size_t length)
{
    struct aot_bytes info = {0};
    uint32_t unit_length = (uint32_t)(header_length + length);
    bytes_put(&info, &unit_length, 4);
    bytes_put(&info, header, header_length);
    bytes_put(&info, content, length);
    put_custom(out, ".debug_info", info.data, info.length);
    bytes_free(&info);
}

static void load(struct sample *sample)
{
    aot_load(&sample->result, sample->bytes.data, sample->bytes.length, FEATURES_ALL);
    assert_non_null(sample->result.module);
    sample->dwarf = dwarf_decode(sample->result.module);
}

static void unload(struct sample *sample)
{
    aot_unload(&sample->result);
    bytes_free(&sample->bytes);
}

static void load_4(struct sample *sample, const void *info, size_t length)
{
    *sample = (struct sample){0};
    bytes_start(&sample->bytes);
    bytes_put_function(&sample->bytes, BYTES(BODY));
    put_custom(&sample->bytes, ".debug_abbrev", BYTES(ABBREVS_4));
    put_info(&sample->bytes, BYTES(UNIT_4), info, length);
    put_custom(&sample->bytes, ".debug_loc", BYTES(LOC_4));
    load(sample);
}

static const struct debug_function *read_function(struct sample *sample)
{
    struct module *module = sample->result.module;
    return debug_function_read(sample->dwarf, &module->functions[0], module->arena);
}

/* The two versions say the same. */
static void check_function(struct sample *sample)
{
    const struct dwarf *dwarf = sample->dwarf;
    assert_non_null(dwarf);
    uint32_t code = sample->result.module->code_section_start;
    assert_int_equal(dwarf->unit_count, 1);
    assert_int_equal(dwarf->units[0].language, 0x0c);
    assert_memory_equal(dwarf->units[0].name.bytes, "u", 1);
    assert_int_equal(dwarf->function_count, 1);
    assert_null(dwarf_find_function(dwarf, 1));
    assert_non_null(dwarf_find_function(dwarf, 9));
    assert_null(dwarf_find_function(dwarf, 10));
    uint32_t namespace = dwarf_find_namespace(dwarf, dwarf->functions[0].offset);
    assert_int_not_equal(namespace, DWARF_NO_NAMESPACE);
    assert_memory_equal(dwarf->namespaces[namespace].name.bytes, "n", 1);
    assert_int_equal(dwarf_find_namespace(dwarf, dwarf->units[0].end - 2), DWARF_NO_NAMESPACE);

    const struct debug_function *function = read_function(sample);
    assert_non_null(function);
    assert_int_equal(function->scope_count, 2);
    assert_int_equal(function->variable_count, 2);
    assert_true(function->variables[0].is_parameter);
    assert_int_equal(function->variables[1].scope, 1);
    /* Nothing, the function, the block, the function, nothing. */
    assert_int_equal(function->segment_count, 5);
    assert_int_equal(function->segments[2].start, code + 6);
    assert_int_equal(function->segments[2].scope, 1);
    assert_int_equal(function->segments[3].start, code + 8);
    assert_int_equal(function->segments[3].scope, 0);

    assert_int_equal(function->range_count, 3);
    const struct debug_place *parameter = &function->ranges[0].place;
    assert_int_equal(parameter->kind, PLACE_LOCAL);
    assert_int_equal(parameter->index, 1);
    assert_true(parameter->is_memory);
    assert_int_equal(parameter->operation_count, 2);
    assert_int_equal(parameter->operations[1], 12);
    assert_int_equal(function->ranges[0].start, code + 2);
    assert_int_equal(function->ranges[0].end, code + 10);
    const struct debug_range *value = &function->ranges[1];
    assert_int_equal(value->variable, 1);
    assert_int_equal(value->start, code + 6);
    assert_int_equal(value->end, code + 7);
    assert_int_equal(value->place.kind, PLACE_LOCAL);
    assert_false(value->place.is_memory);
    const struct debug_range *piece = &function->ranges[2];
    assert_int_equal(piece->end, code + 8);
    assert_int_equal(piece->place.kind, PLACE_STACK);
    assert_int_equal(piece->place.piece_bits, 32);
}

static void test_version_4(void **state)
{
    (void)state;
    struct sample sample;
    load_4(&sample, BYTES(INFO_4));
    check_function(&sample);

    struct dwarf_die die;
    struct name name;
    struct diag diag;
    diag_init(&diag, "test");
    struct debug_variable *parameter = &read_function(&sample)->variables[0];
    assert_true(dwarf_read(sample.dwarf, parameter->offset, &diag, &die));
    assert_true(dwarf_text(sample.dwarf, &die, ATTRIBUTE_NAME, &name));
    assert_memory_equal(name.bytes, "p", 1);
    uint32_t type = dwarf_reference(&die, ATTRIBUTE_TYPE);
    assert_int_equal(type, 0x50);
    unload(&sample);
}

static void test_version_5(void **state)
{
    (void)state;
    struct sample sample = {0};
    bytes_start(&sample.bytes);
    bytes_put_function(&sample.bytes, BYTES(BODY));
    put_custom(&sample.bytes, ".debug_abbrev", BYTES(ABBREVS_5));
    put_info(&sample.bytes, BYTES("\5\0\1\4\0\0\0\0"),
             BYTES("\1\0\x0c\x08\0\0\0\x08\0\0\0\x0c\0\0\0\x0c\0\0\0"
                   "\x0a"
                   "n\0"
                   "\2\1\0\x08\3\xed\0\1"
                   "\3\2\x40\0\0\0\2\x91\x0c"
                   "\4\0"
                   "\5\3\x40\0\0\0\0"
                   "\0\0\0"
                   "\6i\0\4\5"
                   "\0"));
    put_custom(&sample.bytes, ".debug_str", BYTES("u\0f\0p\0v\0"));
    put_custom(&sample.bytes, ".debug_str_offsets",
               BYTES("\x14\0\0\0\5\0\0\0\0\0\0\0\2\0\0\0\4\0\0\0\6\0\0\0"));
    put_custom(&sample.bytes, ".debug_addr", BYTES("\x08\0\0\0\5\0\4\0\2\0\0\0\6\0\0\0"));
    /* One list each, behind the table of one offset: index 1 + length; base index 1, offsets. */
    put_custom(&sample.bytes, ".debug_rnglists",
               BYTES("\x0f\0\0\0\5\0\4\0\1\0\0\0\4\0\0\0\3\1\2\0"));
    put_custom(&sample.bytes, ".debug_loclists",
               BYTES("\x20\0\0\0\5\0\4\0\1\0\0\0\4\0\0\0"
                     "\1\1\4\0\1\4\xed\0\0\x9f\7\7\0\0\0\x08\0\0\0\6\xed\2\0\x9f\x93\4\0"));
    load(&sample);
    check_function(&sample);
    unload(&sample);
}

/* Everything that may be read, is. */
static void read_all(struct sample *sample)
{
    const struct dwarf *dwarf = sample->dwarf;
    struct diag diag;
    struct dwarf_die die;
    jmp_buf escape;
    if (dwarf == NULL) {
        return;
    }
    diag_init(&diag, "test");
    diag.escape = &escape;
    for (uint32_t i = 0; i < dwarf->sections[DWARF_INFO].length; i++) {
        if (setjmp(escape) == 0 && dwarf_read(dwarf, i, &diag, &die)) {
            struct name text;
            dwarf_text(dwarf, &die, ATTRIBUTE_NAME, &text);
            dwarf_find_namespace(dwarf, i);
        }
    }
    read_function(sample);
}

/* Cut off anywhere, or with any byte changed, it is still only debug information. */
static void test_malformed(void **state)
{
    (void)state;
    static const char whole[] = INFO_4;
    struct sample sample;
    for (size_t length = 0; length < sizeof(whole) - 1; length++) {
        load_4(&sample, whole, length);
        read_all(&sample);
        unload(&sample);
    }
    for (size_t at = 0; at < sizeof(whole) - 1; at++) {
        static const uint8_t masks[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff};
        for (size_t i = 0; i < sizeof(masks); i++) {
            char changed[sizeof(whole)];
            memcpy(changed, whole, sizeof(whole));
            changed[at] = (char)(changed[at] ^ masks[i]);
            load_4(&sample, changed, sizeof(whole) - 1);
            read_all(&sample);
            unload(&sample);
        }
    }
}

/* Children inside of children, deeper than anyone writes. */
static void test_depth(void **state)
{
    (void)state;
    struct aot_bytes info = {0};
    struct sample sample;
    bytes_put(&info, BYTES("\1u\0\x0c\0\0\0\0"));
    for (uint32_t i = 0; i < DWARF_MAX_DEPTH; i++) {
        bytes_put(&info, BYTES("\x0a"
                               "n\0"));
    }
    load_4(&sample, info.data, info.length);
    assert_null(sample.dwarf);
    unload(&sample);
    bytes_free(&info);
}

static uint32_t parse(const char *text, size_t length, struct debug_place *places)
{
    const union {
        const char *text;
        const uint8_t *bytes;
    } view = {.text = text};
    struct name expression = {view.bytes, (uint32_t)length};
    return debug_place_parse(expression, NULL, 4, places);
}

static void test_expressions(void **state)
{
    (void)state;
    struct debug_place places[PLACE_MAX_PIECES];
    /* DW_OP_addr 0x1234 */
    assert_int_equal(parse(BYTES("\3\x34\x12\0\0"), places), 1);
    assert_int_equal(places[0].kind, PLACE_ADDRESS);
    assert_int_equal(places[0].index, 0x1234);
    /* DW_OP_consts -2, DW_OP_stack_value */
    assert_int_equal(parse(BYTES("\x11\x7e\x9f"), places), 1);
    assert_int_equal(places[0].kind, PLACE_CONSTANT);
    assert_int_equal(places[0].index, UINT64_MAX - 1);
    /* Local 3 & 1: a value. Divided, the local counts as signed. */
    assert_int_equal(parse(BYTES("\xed\0\3\x10\1\x1a\x9f"), places), 1);
    assert_int_equal(places[0].operation_count, 3);
    assert_false(places[0].is_signed);
    assert_int_equal(parse(BYTES("\xed\0\3\x32\x1b\x9f"), places), 1);
    assert_true(places[0].is_signed);
    /* Local 1 for 4 bytes, nothing for 4, local 2 for 4. */
    assert_int_equal(parse(BYTES("\xed\0\1\x9f\x93\4\x93\4\xed\0\2\x9f\x93\4"), places), 2);
    assert_int_equal(places[1].index, 2);
    assert_int_equal(places[1].piece_offset_bits, 64);
    /* A global; a frame that is not there; too few operands; a value that goes on; cut off. */
    assert_int_equal(parse(BYTES("\xed\1\0\x9f"), places), 0);
    assert_int_equal(parse(BYTES("\x91\x04"), places), 0);
    assert_int_equal(parse(BYTES("\xed\0\3\x1a\x9f"), places), 0);
    assert_int_equal(parse(BYTES("\xed\0\3\x9f\x20"), places), 0);
    assert_int_equal(parse(BYTES("\xed\0"), places), 0);
    assert_int_equal(parse(BYTES("\xed\0\3\x10"), places), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_4),   cmocka_unit_test(test_version_5),
        cmocka_unit_test(test_malformed),   cmocka_unit_test(test_depth),
        cmocka_unit_test(test_expressions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
