#include "aot/decode.h"

#include <stdio.h>
#include <string.h>

/*
 * Module structure, Wasm core §5.5. First the headers of all sections are read, which
 * fixes their order and bounds; then each section in turn.
 */

enum section_id {
    SECTION_CUSTOM = 0,
    SECTION_TYPE = 1,
    SECTION_IMPORT = 2,
    SECTION_FUNCTION = 3,
    SECTION_TABLE = 4,
    SECTION_MEMORY = 5,
    SECTION_GLOBAL = 6,
    SECTION_EXPORT = 7,
    SECTION_START = 8,
    SECTION_ELEMENT = 9,
    SECTION_CODE = 10,
    SECTION_DATA = 11,
    SECTION_DATA_COUNT = 12,
    SECTION_TAG = 13,
    SECTION_COUNT
};

/* In the order in which they must stand in the file. */
static const struct section_info {
    enum section_id id;
    void (*decode)(struct module *module, struct reader *reader);
} section_order[] = {
    {SECTION_TYPE, decode_types},
    {SECTION_IMPORT, decode_imports},
    {SECTION_FUNCTION, decode_functions},
    {SECTION_TABLE, decode_tables},
    {SECTION_MEMORY, decode_memories},
    {SECTION_TAG, decode_tags},
    {SECTION_GLOBAL, decode_globals},
    {SECTION_EXPORT, decode_exports},
    {SECTION_START, decode_start},
    {SECTION_ELEMENT, decode_elements},
    {SECTION_DATA_COUNT, decode_data_count},
    {SECTION_CODE, decode_code},
    {SECTION_DATA, decode_data},
};
#define SECTION_ORDER_COUNT (sizeof(section_order) / sizeof(section_order[0]))

static const char *const feature_texts[FEATURE_COUNT] = {
    [FEATURE_MVP] = "mvp",
    [FEATURE_MUTABLE_GLOBALS] = "mutable-globals",
    [FEATURE_SIGN_EXTENSION] = "sign-extension",
    [FEATURE_SATURATING_FLOAT] = "saturating-float-to-int",
    [FEATURE_MULTI_VALUE] = "multi-value",
    [FEATURE_BULK_MEMORY] = "bulk-memory",
    [FEATURE_REFERENCE_TYPES] = "reference-types",
    [FEATURE_SIMD] = "simd",
    [FEATURE_RELAXED_SIMD] = "relaxed-simd",
    [FEATURE_EXTENDED_CONST] = "extended-const",
    [FEATURE_TAIL_CALL] = "tail-call",
    [FEATURE_MULTI_MEMORY] = "multi-memory",
    [FEATURE_MEMORY64] = "memory64",
    [FEATURE_EXCEPTIONS] = "exceptions",
    [FEATURE_LEGACY_EXCEPTIONS] = "legacy-exceptions",
    [FEATURE_FUNCTION_REFERENCES] = "function-references",
    [FEATURE_THREADS] = "threads",
    [FEATURE_GC] = "gc",
};

const char *feature_text(enum feature feature)
{
    return feature_texts[feature];
}

void module_use_feature(struct module *module, struct reader *reader, enum feature feature)
{
    if ((module->enabled & 1u << feature) == 0) {
        diag_fail(reader->diag, reader_offset(reader), "the module uses %s, which is not enabled",
                  feature_text(feature));
    }
    module->features |= 1u << feature;
}

uint32_t read_count(struct reader *reader, uint32_t min_bytes, const char *what)
{
    uint32_t start = reader_offset(reader);
    uint32_t count = reader_leb_u32(reader);
    if (count > reader_left(reader) / min_bytes) {
        diag_fail(reader->diag, start, "%s: %u %s declared in %zu bytes", reader->end_message,
                  count, what, reader_left(reader));
    }
    if (count > MODULE_MAX_ENTRIES) {
        diag_fail(reader->diag, start, "%u %s: this compiler allows %u", count, what,
                  MODULE_MAX_ENTRIES);
    }
    return count;
}

struct name read_name(struct reader *reader)
{
    uint32_t start = reader_offset(reader);
    uint32_t length = reader_leb_u32(reader);
    if (length > reader_left(reader)) {
        diag_fail(reader->diag, start, "length out of bounds: a name of %u bytes, unexpected end",
                  length);
    }
    const uint8_t *bytes = reader_bytes(reader, length);
    if (!utf8_is_valid(bytes, length)) {
        diag_fail(reader->diag, start, "malformed UTF-8 encoding");
    }
    return (struct name){bytes, length};
}

static void read_header(struct reader *reader)
{
    static const uint8_t magic[4] = {0, 'a', 's', 'm'};
    size_t have = reader_left(reader) < 4 ? reader_left(reader) : 4;
    if (have < 4 && memcmp(reader->next, magic, have) == 0) {
        diag_fail(reader->diag, 0, "unexpected end: %zu bytes are not a WebAssembly module", have);
    }
    if (memcmp(reader->next, magic, have) != 0) {
        diag_fail(reader->diag, 0,
                  have < 4 ? "unexpected end, magic header not detected"
                           : "magic header not detected: not a WebAssembly module");
    }
    reader->next += 4;
    uint32_t version = reader_fixed_u32(reader);
    if (version >> 16 == 1) {
        diag_fail(reader->diag, 4,
                  "unknown binary version: this is a WebAssembly component, and components are not "
                  "supported; compile to a core module (wasm32-wasip1), or extract one");
    }
    if (version != 1) {
        diag_fail(reader->diag, 4, "unknown binary version 0x%x", version);
    }
}

struct section_list {
    struct reader readers[SECTION_COUNT];
    bool present[SECTION_COUNT];
    uint32_t custom_capacity;
};

static void add_custom(struct module *module, struct section_list *list, struct reader *reader)
{
    if (module->custom_count == list->custom_capacity) {
        uint32_t capacity = list->custom_capacity == 0 ? 16 : list->custom_capacity * 2;
        struct custom_section *customs =
            arena_array(module->arena, struct custom_section, capacity);
        if (module->custom_count != 0) {
            memcpy(customs, module->customs, module->custom_count * sizeof(*customs));
        }
        module->customs = customs;
        list->custom_capacity = capacity;
    }
    struct custom_section *custom = &module->customs[module->custom_count++];
    custom->name = read_name(reader);
    custom->bytes = reader->next;
    custom->length = (uint32_t)reader_left(reader);
    custom->offset = reader_offset(reader);
}

static unsigned section_rank(enum section_id id)
{
    unsigned rank = 0;
    while (section_order[rank].id != id) {
        rank++;
    }
    return rank;
}

static void scan_sections(struct module *module, struct reader *reader, struct section_list *list)
{
    unsigned next_rank = 0;
    while (reader_left(reader) != 0) {
        uint32_t start = reader_offset(reader);
        uint8_t id = reader_u8(reader);
        if (id >= SECTION_COUNT ||
            (id == SECTION_TAG && (module->enabled & 1u << FEATURE_EXCEPTIONS) == 0)) {
            diag_fail(reader->diag, start, "malformed section id %u", id);
        }
        uint32_t length = reader_leb_u32(reader);
        if (length > reader_left(reader)) {
            diag_fail(reader->diag, start,
                      "length out of bounds: unexpected end of section %u of %u bytes", id, length);
        }
        struct reader section = *reader;
        section.end = section.next + length;
        section.end_message = "unexpected end of section or function";
        reader->next += length;
        if (id == SECTION_CUSTOM) {
            section.end_message = "unexpected end";
            add_custom(module, list, &section);
            continue;
        }
        unsigned rank = section_rank((enum section_id)id);
        if (rank < next_rank) {
            diag_fail(reader->diag, start,
                      "unexpected content after last section: section %u is out of order or "
                      "repeated (junk after last section)",
                      id);
        }
        next_rank = rank + 1;
        list->readers[id] = section;
        list->present[id] = true;
    }
}

static void describe_function(const void *context, uint32_t function, char *text, size_t text_bytes)
{
    const struct module *module = context;
    if (function < module->function_count) {
        struct name name = module->functions[function].name;
        int shown = name.length < 200 ? (int)name.length : 200;
        snprintf(text, text_bytes, "%.*s", shown, (const char *)name.bytes);
    }
}

static void check_section_pairs(struct module *module, const struct section_list *list)
{
    uint32_t defined = module->function_count - module->imported_function_count;
    if (!list->present[SECTION_CODE] && defined != 0) {
        diag_fail(module->diag, module->length,
                  "function and code section have inconsistent lengths: %u and 0", defined);
    }
    if (module->has_data_count && module->data_count_declared != module->data_count) {
        diag_fail(module->diag, module->length,
                  "data count and data section have inconsistent lengths: %u and %u",
                  module->data_count_declared, module->data_count);
    }
}

struct module *module_decode(struct arena *arena, struct diag *diag, const uint8_t *bytes,
                             size_t length, uint32_t features)
{
    if (length > MODULE_MAX_BYTES) {
        diag_fail(diag, DIAG_NO_OFFSET, "the module has %zu bytes: this compiler allows %u", length,
                  MODULE_MAX_BYTES);
    }
    struct module *module = arena_new(arena, struct module);
    module->arena = arena;
    module->diag = diag;
    module->bytes = bytes;
    module->length = (uint32_t)length;
    module->enabled = features;
    module->features = 1u << FEATURE_MVP;

    struct reader reader = {bytes, bytes, bytes + length, diag, "unexpected end"};
    read_header(&reader);
    struct section_list *list = arena_new(arena, struct section_list);
    scan_sections(module, &reader, list);
    for (size_t i = 0; i < SECTION_ORDER_COUNT; i++) {
        struct reader *section = &list->readers[section_order[i].id];
        if (list->present[section_order[i].id]) {
            section_order[i].decode(module, section);
            if (reader_left(section) != 0) {
                diag_fail(diag, reader_offset(section),
                          "section size mismatch: junk after the last entry of section %d",
                          (int)section_order[i].id);
            }
        }
        /* Now that all functions are known, and before anything needs their names. */
        if (section_order[i].id == SECTION_FUNCTION) {
            decode_names(module);
            diag->function_name = describe_function;
            diag->function_name_context = module;
        }
    }
    check_section_pairs(module, list);
    decode_hints(module);
    return module;
}
