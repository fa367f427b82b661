#include "aot/validate.h"

#include <string.h>

/* Modules, Wasm core §3.5, and what the code generator wants to know about them. */

static void validate_subtype(struct module *module, uint32_t index)
{
    const struct defined_type *type = &module->types[index];
    if (!type->has_supertype) {
        return;
    }
    const struct defined_type *super = &module->types[type->supertype];
    bool matches = !super->is_final && super->composite == type->composite &&
                   type->param_count >= super->param_count &&
                   type->result_count == super->result_count;
    bool is_function = type->composite == COMPOSITE_FUNC;
    matches = matches && (!is_function || type->param_count == super->param_count);
    for (uint32_t i = 0; matches && i < super->param_count; i++) {
        value_type sub_type = type->params[i];
        value_type super_type = super->params[i];
        if (is_function) {
            matches = type_is_subtype(module, super_type, sub_type);
        } else {
            matches = type->field_mutable[i] == super->field_mutable[i] &&
                      (type->field_mutable[i] ? sub_type == super_type
                                              : type_is_subtype(module, sub_type, super_type));
        }
    }
    for (uint32_t i = 0; matches && is_function && i < super->result_count; i++) {
        matches = type_is_subtype(module, type->results[i], super->results[i]);
    }
    if (!matches) {
        diag_fail(module->diag, DIAG_NO_OFFSET, "sub type: type %u does not match its supertype",
                  index);
    }
}

static void validate_limits(struct module *module, const struct limits *limits, uint32_t offset,
                            uint64_t most, const char *most_message)
{
    if (limits->minimum > most || (limits->has_maximum && limits->maximum > most)) {
        diag_fail(module->diag, offset, "%s", most_message);
    }
    if (limits->has_maximum && limits->minimum > limits->maximum) {
        diag_fail(module->diag, offset, "size minimum must not be greater than maximum");
    }
}

/* Wasm core §3.2.16: 2^16 pages of 64 KiB, or 2^48. */
static void validate_memories(struct module *module)
{
    if (module->memory_count > 1 && (module->enabled & 1u << FEATURE_MULTI_MEMORY) == 0) {
        diag_fail(module->diag, module->memories[1].offset, "multiple memories");
    }
    if (module->memory_count > MODULE_MAX_MEMORIES) {
        diag_fail(module->diag, module->memories[0].offset, "%u memories: this compiler allows %u",
                  module->memory_count, MODULE_MAX_MEMORIES);
    }
    if (module->memory_count > 1) {
        module->features |= 1u << FEATURE_MULTI_MEMORY;
    }
    for (uint32_t i = 0; i < module->memory_count; i++) {
        const struct memory *memory = &module->memories[i];
        validate_limits(module, &memory->limits, memory->offset,
                        memory->limits.is_64 ? 1ull << 48 : 1ull << 16,
                        memory->limits.is_64 ? "memory size must be at most 2^48 pages"
                                             : "memory size must be at most 65536 pages (4GiB)");
        if (memory->limits.is_shared && !memory->limits.has_maximum) {
            diag_fail(module->diag, memory->offset, "shared memory must have maximum");
        }
    }
}

static void validate_tables(struct validator *v)
{
    struct module *module = v->module;
    if (module->table_count > MODULE_MAX_TABLES) {
        diag_fail(module->diag, module->tables[0].offset, "%u tables: this compiler allows %u",
                  module->table_count, MODULE_MAX_TABLES);
    }
    if (module->table_count > 1) {
        module->features |= 1u << FEATURE_REFERENCE_TYPES;
    }
    for (uint32_t i = 0; i < module->table_count; i++) {
        const struct table *table = &module->tables[i];
        validate_limits(module, &table->limits, table->offset, UINT64_MAX, "");
        if (table->has_init) {
            validate_expression(v, &table->init, table->element, module->imported_global_count);
        } else if (table->import == NULL && !type_has_default(table->element)) {
            diag_fail(module->diag, table->offset,
                      "type mismatch: a table of non-nullable references needs an initialiser");
        }
    }
}

static void validate_globals(struct validator *v)
{
    struct module *module = v->module;
    for (uint32_t i = module->imported_global_count; i < module->global_count; i++) {
        validate_expression(v, &module->globals[i].init, module->globals[i].type, i);
    }
    for (uint32_t i = 0; i < module->imported_global_count; i++) {
        if (module->globals[i].is_mutable) {
            module->features |= 1u << FEATURE_MUTABLE_GLOBALS;
        }
    }
}

static void validate_tags(struct module *module)
{
    for (uint32_t i = 0; i < module->tag_count; i++) {
        if (module->types[module->tags[i].type].result_count != 0) {
            diag_fail(module->diag, module->tags[i].offset, "non-empty tag result type");
        }
    }
}

static uint32_t name_hash(struct name name)
{
    uint32_t hash = 2166136261u; /* FNV-1a: collisions only cost time */
    for (uint32_t i = 0; i < name.length; i++) {
        hash = (hash ^ name.bytes[i]) * 16777619u;
    }
    return hash ^ hash >> 15;
}

static bool names_equal(struct name a, struct name b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

static void check_export_names(struct module *module)
{
    uint32_t slots = 16;
    while (slots < module->export_count * 2) {
        slots *= 2;
    }
    uint32_t *table = arena_array(module->arena, uint32_t, slots);
    for (uint32_t i = 0; i < module->export_count; i++) {
        const struct export *export = &module->exports[i];
        uint32_t slot = name_hash(export->name) & (slots - 1);
        for (; table[slot] != 0; slot = (slot + 1) & (slots - 1)) {
            if (names_equal(module->exports[table[slot] - 1].name, export->name)) {
                diag_fail(module->diag, export->offset, "duplicate export name");
            }
        }
        table[slot] = i + 1;
    }
}

static void check_export_index(struct module *module, const struct export *export, uint32_t count,
                               const char *what)
{
    if (export->index >= count) {
        diag_fail(module->diag, export->offset, "unknown %s %u", what, export->index);
    }
}

static void validate_exports(struct module *module)
{
    check_export_names(module);
    for (uint32_t i = 0; i < module->export_count; i++) {
        const struct export *export = &module->exports[i];
        switch (export->kind) {
        case EXTERNAL_FUNCTION:
            check_export_index(module, export, module->function_count, "function");
            module->functions[export->index].flags |=
                FUNCTION_EXPORTED_BIT | FUNCTION_REFERENCED_BIT;
            break;
        case EXTERNAL_TABLE:
            check_export_index(module, export, module->table_count, "table");
            module->tables[export->index].is_exported = true;
            break;
        case EXTERNAL_MEMORY:
            check_export_index(module, export, module->memory_count, "memory");
            module->memories[export->index].is_exported = true;
            break;
        case EXTERNAL_GLOBAL:
            check_export_index(module, export, module->global_count, "global");
            module->globals[export->index].is_exported = true;
            if (module->globals[export->index].is_mutable) {
                module->features |= 1u << FEATURE_MUTABLE_GLOBALS;
            }
            break;
        case EXTERNAL_TAG:
            check_export_index(module, export, module->tag_count, "tag");
            module->tags[export->index].is_exported = true;
            break;
        }
    }
}

static void validate_start(struct module *module)
{
    if (!module->has_start) {
        return;
    }
    if (module->start_function >= module->function_count) {
        diag_fail(module->diag, module->start_offset, "unknown function %u",
                  module->start_function);
    }
    const struct defined_type *type = function_type(module, module->start_function);
    if (type->param_count != 0 || type->result_count != 0) {
        diag_fail(module->diag, module->start_offset,
                  "start function %u must have no parameters and no results",
                  module->start_function);
    }
}

static void validate_element_items(struct validator *v, const struct element_segment *segment)
{
    struct module *module = v->module;
    for (uint32_t i = 0; i < segment->item_count; i++) {
        const struct element_item *item = &segment->items[i];
        if (segment->has_expressions) {
            validate_expression(v, &item->value, segment->type, module->global_count);
        } else if (item->function >= module->function_count) {
            diag_fail(module->diag, item->value.start, "unknown function %u", item->function);
        } else {
            module->functions[item->function].flags |= FUNCTION_REFERENCED_BIT;
        }
    }
}

static void validate_elements(struct validator *v)
{
    struct module *module = v->module;
    for (uint32_t i = 0; i < module->element_count; i++) {
        const struct element_segment *segment = &module->elements[i];
        validate_element_items(v, segment);
        if (segment->mode != SEGMENT_ACTIVE) {
            continue;
        }
        if (segment->table >= module->table_count) {
            diag_fail(module->diag, segment->offset, "unknown table %u", segment->table);
        }
        const struct table *table = &module->tables[segment->table];
        if (!type_is_subtype(module, segment->type, table->element)) {
            char left[32];
            char right[32];
            diag_fail(module->diag, segment->offset,
                      "type mismatch: a segment of %s for a table of %s",
                      type_text(segment->type, left), type_text(table->element, right));
        }
        validate_expression(v, &segment->where, table->limits.is_64 ? TYPE_I64 : TYPE_I32,
                            module->global_count);
    }
}

static void validate_datas(struct validator *v)
{
    struct module *module = v->module;
    for (uint32_t i = 0; i < module->data_count; i++) {
        const struct data_segment *data = &module->datas[i];
        if (data->mode != SEGMENT_ACTIVE) {
            continue;
        }
        if (data->memory >= module->memory_count) {
            diag_fail(module->diag, data->offset, "unknown memory %u", data->memory);
        }
        bool is_64 = module->memories[data->memory].limits.is_64;
        validate_expression(v, &data->where, is_64 ? TYPE_I64 : TYPE_I32, module->global_count);
    }
}

void module_validate(struct module *module)
{
    struct validator *v = arena_new(module->arena, struct validator);
    v->module = module;
    v->local_is_set = arena_array(module->arena, uint8_t, module->local_count_max);
    v->set_locals = arena_array(module->arena, uint32_t, module->local_count_max);

    for (uint32_t i = 0; i < module->type_count; i++) {
        validate_subtype(module, i);
    }
    validate_memories(module);
    validate_tags(module);
    /* Everything outside of code first: it declares the functions that ref.func may name. */
    validate_globals(v);
    validate_tables(v);
    validate_exports(module);
    validate_start(module);
    validate_elements(v);
    validate_datas(v);
    for (uint32_t i = module->imported_function_count; i < module->function_count; i++) {
        validate_function(v, i);
    }
    module->diag->function = DIAG_NO_FUNCTION;
}
