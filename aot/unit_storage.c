/*
 * A unit's view of the module's storage: globals, memories, tables, tags and segments. Unit
 * 0 defines them, the others declare.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/codegen.h"
#include "aot/layout.h"

static void *storage_alloc(uint32_t count, size_t bytes)
{
    void *memory = calloc((size_t)count + 1, bytes);

    if (memory == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* Storage that unit 0 defines and the others only name. */
static void share(const struct unit *unit, LLVMValueRef global, LLVMValueRef initial)
{
    if (unit_is_split(unit)) {
        LLVMSetVisibility(global, LLVMHiddenVisibility);
    }
    if (unit->index == 0) {
        LLVMSetInitializer(global, initial);
        if (!unit_is_split(unit)) {
            LLVMSetLinkage(global, LLVMInternalLinkage);
        }
    }
}

static LLVMValueRef add_import(struct unit *unit, const struct import *import, LLVMTypeRef type)
{
    char *symbol = layout_import_symbol(unit->module, import, unit->gen->options->symbol_prefix);
    LLVMValueRef out = LLVMGetNamedGlobal(unit->llvm, symbol);

    if (out == NULL) {
        out = LLVMAddGlobal(unit->llvm, type, symbol);
    }
    free(symbol);
    return out;
}

LLVMValueRef unit_global_symbol(struct unit *unit, uint32_t index)
{
    const struct global *global = &unit->module->globals[index];
    LLVMTypeRef type = unit_value_type(unit, global->type);
    LLVMValueRef out = unit->globals[index];

    if (out == NULL) {
        if (global->import != NULL) {
            out = add_import(unit, global->import, type);
        } else {
            char name[32];
            snprintf(name, sizeof(name), "wasm_global.%u", index);
            out = LLVMAddGlobal(unit->llvm, type, name);
            share(unit, out, LLVMConstNull(type));
        }
        /* The storage of a union wasm_value of the runtime is only 8-aligned. */
        LLVMSetAlignment(out, 8);
        unit->globals[index] = out;
    }
    return out;
}

/*
 * Two imports may be one and the same thing, but LLVM takes symbols of different names for
 * different objects. Code therefore reads an import's address from a word whose content
 * LLVM cannot know.
 */
static LLVMValueRef imported_address(struct unit *unit, LLVMValueRef symbol)
{
    size_t length;
    const char *text = LLVMGetValueName2(symbol, &length);
    char *name = storage_alloc((uint32_t)length + 8, 1);

    snprintf(name, length + 8, "%.*s.at", (int)length, text);
    LLVMValueRef word = LLVMGetNamedGlobal(unit->llvm, name);
    if (word == NULL) {
        word = LLVMAddGlobal(unit->llvm, unit->ptr, name);
        LLVMSetInitializer(word, symbol);
        LLVMSetLinkage(word, LLVMInternalLinkage);
        LLVMSetExternallyInitialized(word, 1);
    }
    free(name);
    return LLVMBuildLoad2(unit->builder, unit->ptr, word, "");
}

LLVMValueRef unit_global(struct unit *unit, uint32_t index)
{
    LLVMValueRef symbol = unit_global_symbol(unit, index);

    return unit->module->globals[index].import != NULL ? imported_address(unit, symbol) : symbol;
}

LLVMValueRef unit_global_constant(struct unit *unit, uint32_t index)
{
    if (!unit->gen->global_is_constant[index]) {
        return NULL;
    }
    if (unit->global_constants[index] == NULL) {
        unit->global_constants[index] = unit_expression(unit, unit->module->globals[index].init);
    }
    return unit->global_constants[index];
}

/* struct wasm_memory, field by field. */
static LLVMTypeRef memory_type(const struct unit *unit)
{
    LLVMTypeRef fields[6] = {unit->ptr, unit->i64, unit->i64, unit->i64, unit->i32, unit->i32};

    return LLVMStructTypeInContext(unit->context, fields, 6, 0);
}

static LLVMValueRef memory_initial(const struct unit *unit, uint32_t index)
{
    const struct limits *limits = &unit->module->memories[index].limits;
    LLVMValueRef fields[6] = {
        LLVMConstNull(unit->ptr),
        unit_i64(unit, 0),
        unit_i64(unit, limits->has_maximum ? limits->maximum : UINT64_MAX),
        unit_i64(unit, limits->minimum),
        unit_i32(unit, index),
        unit_i32(unit, (limits->is_64 ? WASM_MEMORY_IS_64_BIT : 0u) |
                           (limits->is_shared ? WASM_MEMORY_SHARED_BIT : 0u)),
    };

    return LLVMConstStructInContext(unit->context, fields, 6, 0);
}

LLVMValueRef unit_memory(struct unit *unit, uint32_t index)
{
    const struct memory *memory = &unit->module->memories[index];
    LLVMValueRef out = unit->memories[index];

    if (out == NULL) {
        if (memory->import != NULL) {
            out = add_import(unit, memory->import, memory_type(unit));
        } else {
            char name[32];
            snprintf(name, sizeof(name), "wasm_memory.%u", index);
            out = LLVMAddGlobal(unit->llvm, memory_type(unit), name);
            share(unit, out, memory_initial(unit, index));
        }
        unit->memories[index] = out;
    }
    return out;
}

LLVMValueRef unit_memory_zero(struct unit *unit)
{
    if (unit->memory_zero == NULL) {
        unit->memory_zero = LLVMAddGlobal(unit->llvm, LLVMArrayType2(unit->i8, 0), "wasm_memory");
        LLVMSetVisibility(unit->memory_zero, LLVMHiddenVisibility);
        LLVMSetAlignment(unit->memory_zero, 1);
    }
    return unit->memory_zero;
}

LLVMValueRef unit_memory_zero_address(struct unit *unit)
{
    if (unit->memory_zero_address == NULL) {
        unit->memory_zero_address = LLVMAddGlobal(unit->llvm, unit->ptr, "wasm_memory_address");
        LLVMSetInitializer(unit->memory_zero_address, unit_memory_zero(unit));
        LLVMSetGlobalConstant(unit->memory_zero_address, 1);
        LLVMSetLinkage(unit->memory_zero_address, LLVMInternalLinkage);
    }
    return unit->memory_zero_address;
}

/* struct wasm_table, field by field. */
static LLVMValueRef dynamic_table(struct unit *unit, uint32_t index)
{
    const struct table *table = &unit->module->tables[index];
    LLVMTypeRef types[4] = {unit->ptr, unit->i64, unit->i64, unit->i64};
    LLVMTypeRef type = LLVMStructTypeInContext(unit->context, types, 4, 0);
    uint64_t unlimited = table->limits.is_64 ? UINT64_MAX : UINT32_MAX;
    LLVMValueRef fields[4] = {
        LLVMConstNull(unit->ptr), unit_i64(unit, 0),
        unit_i64(unit, table->limits.has_maximum ? table->limits.maximum : unlimited),
        unit_i64(unit, 8)};
    char name[32];

    if (table->import != NULL) {
        return add_import(unit, table->import, type);
    }
    snprintf(name, sizeof(name), "wasm_table.%u", index);
    LLVMValueRef out = LLVMAddGlobal(unit->llvm, type, name);
    share(unit, out, LLVMConstStructInContext(unit->context, fields, 4, 0));
    return out;
}

/* codegen_plan made sure that offsets are constant and everything is in bounds. */
static LLVMValueRef constant_table(struct unit *unit, uint32_t index)
{
    const struct module *module = unit->module;
    uint32_t size = (uint32_t)module->tables[index].limits.minimum;
    LLVMTypeRef type = LLVMArrayType2(unit->function_pair, size);
    char name[32];

    snprintf(name, sizeof(name), "wasm_table.%u", index);
    LLVMValueRef out = LLVMAddGlobal(unit->llvm, type, name);
    LLVMSetGlobalConstant(out, 1);
    LLVMSetAlignment(out, 16);
    if (unit->index != 0) {
        LLVMSetVisibility(out, LLVMHiddenVisibility);
        return out;
    }
    LLVMValueRef *items = storage_alloc(size, sizeof(LLVMValueRef));
    for (uint32_t i = 0; i < size; i++) {
        items[i] = LLVMConstNull(unit->function_pair);
    }
    for (uint32_t i = 0; i < module->element_count; i++) {
        const struct element_segment *segment = &module->elements[i];
        if (segment->mode != SEGMENT_ACTIVE || segment->table != index) {
            continue;
        }
        uint64_t start = LLVMConstIntGetZExtValue(unit_expression(unit, segment->where));
        for (uint32_t j = 0; j < segment->item_count; j++) {
            const struct element_item *item = &segment->items[j];
            items[start + j] = item->kind == ELEMENT_FUNCTION
                                   ? LLVMGetInitializer(unit_function_ref(unit, item->function))
                                   : LLVMConstNull(unit->function_pair);
        }
    }
    share(unit, out, LLVMConstArray2(unit->function_pair, items, size));
    free(items);
    return out;
}

LLVMValueRef unit_table(struct unit *unit, uint32_t index)
{
    if (unit->tables[index] == NULL) {
        unit->tables[index] = unit->gen->table_forms[index] == TABLE_CONSTANT
                                  ? constant_table(unit, index)
                                  : dynamic_table(unit, index);
    }
    return unit->tables[index];
}

LLVMValueRef unit_tag_symbol(struct unit *unit, uint32_t index)
{
    const struct tag *tag = &unit->module->tags[index];
    LLVMValueRef out = unit->tags[index];

    if (out == NULL) {
        if (tag->import != NULL) {
            out = add_import(unit, tag->import, unit->i8);
        } else {
            char name[32];
            snprintf(name, sizeof(name), "wasm_tag.%u", index);
            out = LLVMAddGlobal(unit->llvm, unit->i8, name);
            share(unit, out, LLVMConstInt(unit->i8, 0, 0));
        }
        unit->tags[index] = out;
    }
    return out;
}

LLVMValueRef unit_tag(struct unit *unit, uint32_t index)
{
    LLVMValueRef symbol = unit_tag_symbol(unit, index);

    return unit->module->tags[index].import != NULL ? imported_address(unit, symbol) : symbol;
}

LLVMValueRef unit_data_blob(struct unit *unit)
{
    const struct module *module = unit->module;

    if (unit->data_blob != NULL) {
        return unit->data_blob;
    }
    size_t total = 0;
    for (uint32_t i = 0; i < module->data_count; i++) {
        total += module->datas[i].length;
    }
    LLVMTypeRef type = LLVMArrayType2(unit->i8, total);
    unit->data_blob = LLVMAddGlobal(unit->llvm, type, "wasm_data");
    LLVMSetGlobalConstant(unit->data_blob, 1);
    LLVMSetAlignment(unit->data_blob, 16);
    LLVMValueRef initial = LLVMConstNull(type);
    if (unit->index == 0 && total > 0) {
        char *bytes = malloc(total);
        size_t at = 0;
        if (bytes == NULL) {
            fputs("waferc: out of memory\n", stderr);
            exit(1);
        }
        for (uint32_t i = 0; i < module->data_count; i++) {
            memcpy(bytes + at, module->datas[i].bytes, module->datas[i].length);
            at += module->datas[i].length;
        }
        initial = LLVMConstStringInContext2(unit->context, bytes, total, 1);
        free(bytes);
    }
    share(unit, unit->data_blob, initial);
    return unit->data_blob;
}

static LLVMValueRef segment_size(struct unit *unit, const char *kind, uint32_t segment,
                                 uint64_t initial)
{
    char name[48];

    snprintf(name, sizeof(name), "wasm_%s_size.%u", kind, segment);
    LLVMValueRef out = LLVMAddGlobal(unit->llvm, unit->i64, name);
    share(unit, out, unit_i64(unit, initial));
    return out;
}

/* An active segment counts as dropped once the module runs. */
LLVMValueRef unit_data_size(struct unit *unit, uint32_t segment)
{
    const struct data_segment *data = &unit->module->datas[segment];

    if (unit->data_sizes[segment] == NULL) {
        uint64_t size = data->mode == SEGMENT_PASSIVE ? data->length : 0;
        unit->data_sizes[segment] = segment_size(unit, "data", segment, size);
    }
    return unit->data_sizes[segment];
}

LLVMValueRef unit_element_size(struct unit *unit, uint32_t segment)
{
    const struct element_segment *element = &unit->module->elements[segment];

    if (unit->element_sizes[segment] == NULL) {
        /* Instantiation zeroes the size of an active segment once it is copied; into a
         * constant table it is copied from the start. */
        bool is_gone = element->mode == SEGMENT_DECLARATIVE ||
                       (element->mode == SEGMENT_ACTIVE &&
                        unit->gen->table_forms[element->table] == TABLE_CONSTANT);
        uint64_t size = is_gone ? 0 : element->item_count;
        unit->element_sizes[segment] = segment_size(unit, "element", segment, size);
    }
    return unit->element_sizes[segment];
}

/* The references of a segment; those that only running code knows start as null and are
 * filled in by instantiation. */
LLVMValueRef unit_element_items(struct unit *unit, uint32_t segment)
{
    const struct element_segment *element = &unit->module->elements[segment];
    LLVMTypeRef type = LLVMArrayType2(unit->ptr, element->item_count);
    LLVMValueRef out = unit->element_items[segment];
    char name[48];

    if (out != NULL) {
        return out;
    }
    snprintf(name, sizeof(name), "wasm_element.%u", segment);
    out = LLVMAddGlobal(unit->llvm, type, name);
    LLVMValueRef initial = NULL;
    if (unit->index == 0) {
        LLVMValueRef *items = storage_alloc(element->item_count, sizeof(LLVMValueRef));
        for (uint32_t i = 0; i < element->item_count; i++) {
            const struct element_item *item = &element->items[i];
            items[i] = item->kind == ELEMENT_FUNCTION ? unit_function_ref(unit, item->function)
                                                      : LLVMConstNull(unit->ptr);
        }
        initial = LLVMConstArray2(unit->ptr, items, element->item_count);
        free(items);
    }
    share(unit, out, initial);
    unit->element_items[segment] = out;
    return out;
}
