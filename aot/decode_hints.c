#include "aot/decode.h"

#include <string.h>

/*
 * Branch hints: custom section metadata.code.branch_hint (branch hinting proposal;
 * its binary format is that of code metadata, Wasm core appendix). For each function, in order,
 * (offset from the start of its body, 1, 0 or 1), in order.
 *
 * A hint changes no meaning: what is malformed costs the section, with a warning, never
 * the module. An offset at which no br_if or if stands is passed over.
 */

/* offset, length and value of a hint: a byte each at least. */
#define HINT_MIN_BYTES     3u
#define FUNCTION_MIN_BYTES 2u

static bool is_hint_section(const struct custom_section *custom)
{
    static const char wanted[] = "metadata.code.branch_hint";

    return custom->name.length == sizeof(wanted) - 1 &&
           memcmp(custom->name.bytes, wanted, sizeof(wanted) - 1) == 0;
}

static void read_hint(const struct function *function, struct reader *reader,
                      struct branch_hint *out)
{
    uint32_t start = reader_offset(reader);
    uint32_t offset = reader_leb_u32(reader);

    if (offset >= function->body_end - function->body_start) {
        diag_fail(reader->diag, start, "a hint lies behind its function");
    }
    if (reader_u8(reader) != 1) {
        diag_fail(reader->diag, start, "a hint that is not one byte");
    }
    uint8_t value = reader_u8(reader);
    if (value > 1) {
        diag_fail(reader->diag, start, "a hint of value %u", value);
    }
    *out = (struct branch_hint){function->body_start + offset, value == 1};
}

/* Appends a function's hints; offsets must ascend, which makes the whole list ascend. */
static void read_function(struct module *module, struct reader *reader, uint32_t *previous)
{
    uint32_t start = reader_offset(reader);
    uint32_t index = reader_leb_u32(reader);

    if (index < module->imported_function_count || index >= module->function_count) {
        diag_fail(reader->diag, start, "hints for function %u, which has no body here", index);
    }
    const struct function *function = &module->functions[index];
    uint32_t count = read_count(reader, HINT_MIN_BYTES, "branch hints");
    for (uint32_t i = 0; i < count; i++) {
        struct branch_hint *hint = &module->hints[module->hint_count];
        start = reader_offset(reader);
        read_hint(function, reader, hint);
        if (hint->offset <= *previous) {
            diag_fail(reader->diag, start, "hints out of order");
        }
        *previous = hint->offset;
        module->hint_count++;
    }
}

static void read_section(struct module *module, struct reader *reader)
{
    uint32_t previous = 0;

    if (reader_offset(reader) > module->code_section_start) {
        diag_fail(reader->diag, reader_offset(reader), "the section follows the code section");
    }
    /* No more hints than that fit in it. */
    module->hints =
        arena_array(module->arena, struct branch_hint, reader_left(reader) / HINT_MIN_BYTES + 1);
    uint32_t count = read_count(reader, FUNCTION_MIN_BYTES, "functions with branch hints");
    for (uint32_t i = 0; i < count; i++) {
        read_function(module, reader, &previous);
    }
    if (reader_left(reader) != 0) {
        diag_fail(reader->diag, reader_offset(reader), "junk behind the last hint");
    }
}

void decode_hints(struct module *module)
{
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const struct custom_section *custom = &module->customs[i];
        if (!is_hint_section(custom)) {
            continue;
        }
        struct diag diag;
        jmp_buf escape;
        diag_init(&diag, "branch hints ignored");
        diag.escape = &escape;
        struct reader reader = {module->bytes, custom->bytes, custom->bytes + custom->length, &diag,
                                "unexpected end"};
        if (setjmp(escape) == 0) {
            if (module->hints != NULL) {
                diag_fail(&diag, custom->offset, "a second section");
            }
            read_section(module, &reader);
        } else {
            size_t bytes = strlen(diag.message) + 1;
            char *text = arena_array(module->arena, char, bytes);
            memcpy(text, diag.message, bytes);
            module->hint_warning = text;
            module->hint_count = 0;
            return;
        }
    }
}

enum likelihood module_branch_hint(const struct module *module, uint32_t offset)
{
    uint32_t low = 0;
    uint32_t high = module->hint_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (module->hints[middle].offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == module->hint_count || module->hints[low].offset != offset) {
        return LIKELIHOOD_UNKNOWN;
    }
    return module->hints[low].is_likely ? LIKELIHOOD_HIGH : LIKELIHOOD_LOW;
}
