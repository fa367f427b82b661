#include "aot/decode.h"

#include <string.h>

/* The sections that fill index spaces, Wasm core §5.5.5 to §5.5.11. */

#define LIMITS_MAXIMUM_BIT (1u << 0)
#define LIMITS_SHARED_BIT  (1u << 1)
#define LIMITS_64_BIT      (1u << 2)

/* Makes room for `more` entries behind the imported ones; index spaces are filled at
 * most twice, by imports and by their section. */
#define GROW(module, array, count, more)                                                           \
    do {                                                                                           \
        void *grown = arena_alloc((module)->arena, (size_t)(count) + (more), sizeof(*(array)),     \
                                  alignof(max_align_t));                                           \
        if ((count) != 0) {                                                                        \
            memcpy(grown, (array), (count) * sizeof(*(array)));                                    \
        }                                                                                          \
        (array) = grown;                                                                           \
    } while (0)

struct limits read_limits(struct module *module, struct reader *reader, bool is_memory)
{
    uint32_t start = reader_offset(reader);
    uint8_t flags = reader_u8(reader);
    uint8_t known = LIMITS_MAXIMUM_BIT;
    if ((module->enabled & 1u << FEATURE_THREADS) != 0 && is_memory) {
        known |= LIMITS_SHARED_BIT;
    }
    if ((module->enabled & 1u << FEATURE_MEMORY64) != 0) {
        known |= LIMITS_64_BIT;
    }
    if ((flags & ~known) != 0) {
        diag_fail(reader->diag, start,
                  flags >= 0x80 ? "integer representation too long: malformed limits flags 0x%02x"
                                : "malformed limits flags 0x%02x: integer too large",
                  flags);
    }
    struct limits limits = {
        .maximum = UINT64_MAX,
        .has_maximum = (flags & LIMITS_MAXIMUM_BIT) != 0,
        .is_64 = (flags & LIMITS_64_BIT) != 0,
        .is_shared = (flags & LIMITS_SHARED_BIT) != 0,
    };
    if (limits.is_64) {
        module_use_feature(module, reader, FEATURE_MEMORY64);
    }
    if (limits.is_shared) {
        module_use_feature(module, reader, FEATURE_THREADS);
    }
    limits.minimum = limits.is_64 ? reader_leb_u64(reader) : reader_leb_u32(reader);
    if (limits.has_maximum) {
        limits.maximum = limits.is_64 ? reader_leb_u64(reader) : reader_leb_u32(reader);
    }
    return limits;
}

static void read_global_type(struct module *module, struct reader *reader, struct global *global)
{
    global->type = read_value_type(module, reader);
    uint8_t mutable = reader_u8(reader);
    if (mutable > 1) {
        diag_fail(reader->diag, reader_offset(reader) - 1, "malformed mutability");
    }
    global->is_mutable = mutable == 1;
}

static void read_table_type(struct module *module, struct reader *reader, struct table *table)
{
    table->element = read_ref_type(module, reader);
    table->limits = read_limits(module, reader, false);
}

static uint32_t read_tag_type(struct module *module, struct reader *reader)
{
    uint32_t start = reader_offset(reader);
    if (reader_u8(reader) != 0) {
        diag_fail(reader->diag, start, "malformed tag attribute");
    }
    module_use_feature(module, reader, FEATURE_EXCEPTIONS);
    return read_function_type_index(module, reader);
}

/* Types of imports wait here until the number of imports of each kind is known. */
struct import_type {
    uint32_t type;
    struct table table;
    struct memory memory;
    struct global global;
};

static enum external_kind read_kind(struct module *module, struct reader *reader, const char *what)
{
    uint8_t kind = reader_u8(reader);
    if (kind > EXTERNAL_TAG ||
        (kind == EXTERNAL_TAG && (module->enabled & 1u << FEATURE_EXCEPTIONS) == 0)) {
        diag_fail(reader->diag, reader_offset(reader) - 1, "malformed %s kind %u", what, kind);
    }
    return (enum external_kind)kind;
}

static void read_import(struct module *module, struct reader *reader, struct import *import,
                        struct import_type *type)
{
    import->offset = reader_offset(reader);
    import->module = read_name(reader);
    import->field = read_name(reader);
    import->kind = read_kind(module, reader, "import");
    switch (import->kind) {
    case EXTERNAL_FUNCTION:
        type->type = read_function_type_index(module, reader);
        import->index = module->imported_function_count++;
        break;
    case EXTERNAL_TABLE:
        read_table_type(module, reader, &type->table);
        import->index = module->imported_table_count++;
        break;
    case EXTERNAL_MEMORY:
        type->memory.limits = read_limits(module, reader, true);
        import->index = module->imported_memory_count++;
        break;
    case EXTERNAL_GLOBAL:
        read_global_type(module, reader, &type->global);
        import->index = module->imported_global_count++;
        break;
    case EXTERNAL_TAG:
        type->type = read_tag_type(module, reader);
        import->index = module->imported_tag_count++;
        break;
    }
}

static void place_import(struct module *module, const struct import *import,
                         const struct import_type *type)
{
    switch (import->kind) {
    case EXTERNAL_FUNCTION:
        module->functions[import->index].import = import;
        module->functions[import->index].type = type->type;
        module->functions[import->index].name = import->field;
        break;
    case EXTERNAL_TABLE:
        module->tables[import->index] = type->table;
        module->tables[import->index].import = import;
        module->tables[import->index].offset = import->offset;
        break;
    case EXTERNAL_MEMORY:
        module->memories[import->index] = type->memory;
        module->memories[import->index].import = import;
        module->memories[import->index].offset = import->offset;
        break;
    case EXTERNAL_GLOBAL:
        module->globals[import->index] = type->global;
        module->globals[import->index].import = import;
        module->globals[import->index].offset = import->offset;
        break;
    case EXTERNAL_TAG:
        module->tags[import->index] = (struct tag){import, type->type, false, import->offset};
        break;
    }
}

void decode_imports(struct module *module, struct reader *reader)
{
    module->import_count = read_count(reader, 4, "imports");
    module->imports = arena_array(module->arena, struct import, module->import_count);
    struct import_type *types =
        arena_array(module->arena, struct import_type, module->import_count);
    for (uint32_t i = 0; i < module->import_count; i++) {
        read_import(module, reader, &module->imports[i], &types[i]);
    }
    GROW(module, module->functions, 0, module->imported_function_count);
    GROW(module, module->tables, 0, module->imported_table_count);
    GROW(module, module->memories, 0, module->imported_memory_count);
    GROW(module, module->globals, 0, module->imported_global_count);
    GROW(module, module->tags, 0, module->imported_tag_count);
    for (uint32_t i = 0; i < module->import_count; i++) {
        place_import(module, &module->imports[i], &types[i]);
    }
    module->function_count = module->imported_function_count;
    module->table_count = module->imported_table_count;
    module->memory_count = module->imported_memory_count;
    module->global_count = module->imported_global_count;
    module->tag_count = module->imported_tag_count;
}

void decode_functions(struct module *module, struct reader *reader)
{
    uint32_t count = read_count(reader, 1, "functions");
    GROW(module, module->functions, module->function_count, count);
    for (uint32_t i = 0; i < count; i++) {
        module->functions[module->function_count + i].type =
            read_function_type_index(module, reader);
    }
    module->function_count += count;
}

#define TABLE_WITH_INIT 0x40

static void read_table(struct module *module, struct reader *reader, struct table *table)
{
    table->offset = reader_offset(reader);
    if (reader_left(reader) != 0 && *reader->next == TABLE_WITH_INIT) {
        module_use_feature(module, reader, FEATURE_FUNCTION_REFERENCES);
        reader_u8(reader);
        uint32_t start = reader_offset(reader);
        if (reader_u8(reader) != 0) {
            diag_fail(reader->diag, start, "zero byte expected");
        }
        table->has_init = true;
    }
    read_table_type(module, reader, table);
    if (table->has_init) {
        table->init = read_expression(module, reader);
    }
}

void decode_tables(struct module *module, struct reader *reader)
{
    uint32_t count = read_count(reader, 3, "tables");
    GROW(module, module->tables, module->table_count, count);
    for (uint32_t i = 0; i < count; i++) {
        read_table(module, reader, &module->tables[module->table_count + i]);
    }
    module->table_count += count;
}

void decode_memories(struct module *module, struct reader *reader)
{
    uint32_t count = read_count(reader, 2, "memories");
    GROW(module, module->memories, module->memory_count, count);
    for (uint32_t i = 0; i < count; i++) {
        struct memory *memory = &module->memories[module->memory_count + i];
        memory->offset = reader_offset(reader);
        memory->limits = read_limits(module, reader, true);
    }
    module->memory_count += count;
}

void decode_tags(struct module *module, struct reader *reader)
{
    uint32_t count = read_count(reader, 2, "tags");
    GROW(module, module->tags, module->tag_count, count);
    for (uint32_t i = 0; i < count; i++) {
        struct tag *tag = &module->tags[module->tag_count + i];
        tag->offset = reader_offset(reader);
        tag->type = read_tag_type(module, reader);
    }
    module->tag_count += count;
}

void decode_globals(struct module *module, struct reader *reader)
{
    uint32_t count = read_count(reader, 3, "globals");
    GROW(module, module->globals, module->global_count, count);
    for (uint32_t i = 0; i < count; i++) {
        struct global *global = &module->globals[module->global_count + i];
        global->offset = reader_offset(reader);
        read_global_type(module, reader, global);
        global->init = read_expression(module, reader);
    }
    module->global_count += count;
}

void decode_exports(struct module *module, struct reader *reader)
{
    module->export_count = read_count(reader, 3, "exports");
    module->exports = arena_array(module->arena, struct export, module->export_count);
    for (uint32_t i = 0; i < module->export_count; i++) {
        struct export *export = &module->exports[i];
        export->offset = reader_offset(reader);
        export->name = read_name(reader);
        export->kind = read_kind(module, reader, "export");
        export->index = reader_leb_u32(reader);
        if (export->kind == EXTERNAL_FUNCTION && export->index < module->function_count &&
            module->functions[export->index].name.length == 0) {
            module->functions[export->index].name = export->name;
        }
    }
}

void decode_start(struct module *module, struct reader *reader)
{
    module->start_offset = reader_offset(reader);
    module->has_start = true;
    module->start_function = reader_leb_u32(reader);
}
