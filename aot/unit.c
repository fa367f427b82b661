#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/codegen.h"
#include "aot/layout.h"

static void *unit_alloc(uint32_t count, size_t bytes)
{
    void *memory = calloc((size_t)count + 1, bytes);

    if (memory == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

bool unit_is_split(const struct unit *unit)
{
    return unit->gen->unit_count > 1;
}

/* Values of LLVM's calling convention identifiers: the C API names only some. */
#define CONVENTION_C 0u
#define CONVENTION_TAIL 18u

unsigned unit_internal_convention(const struct unit *unit)
{
    return unit->gen->has_tail_calls ? CONVENTION_TAIL : CONVENTION_C;
}

static void make_types(struct unit *unit)
{
    LLVMContextRef context = unit->context;
    LLVMTypeRef pair[2];

    unit->void_type = LLVMVoidTypeInContext(context);
    unit->i1 = LLVMInt1TypeInContext(context);
    unit->i8 = LLVMInt8TypeInContext(context);
    unit->i16 = LLVMInt16TypeInContext(context);
    unit->i32 = LLVMInt32TypeInContext(context);
    unit->i64 = LLVMInt64TypeInContext(context);
    unit->f32 = LLVMFloatTypeInContext(context);
    unit->f64 = LLVMDoubleTypeInContext(context);
    unit->ptr = LLVMPointerTypeInContext(context, 0);
    unit->i8x16 = LLVMVectorType(unit->i8, 16);
    unit->i16x8 = LLVMVectorType(unit->i16, 8);
    unit->i32x4 = LLVMVectorType(unit->i32, 4);
    unit->i64x2 = LLVMVectorType(unit->i64, 2);
    unit->f32x4 = LLVMVectorType(unit->f32, 4);
    unit->f64x2 = LLVMVectorType(unit->f64, 2);
    unit->v128 = unit->i64x2;
    pair[0] = unit->ptr;
    pair[1] = unit->i64;
    unit->function_pair = LLVMStructTypeInContext(context, pair, 2, 0);
    unit->value_slot = LLVMArrayType2(unit->i64, 2);
}

static LLVMAttributeRef enum_attribute(const struct unit *unit, const char *name, uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));

    return LLVMCreateEnumAttribute(unit->context, kind, value);
}

static LLVMAttributeRef text_attribute(const struct unit *unit, const char *name,
                                       const char *value)
{
    return LLVMCreateStringAttribute(unit->context, name, (unsigned)strlen(name), value,
                                     (unsigned)strlen(value));
}

/*
 * Interrupts may push on the Wasm stack, hence no red zone. Frame pointers serve
 * backtraces. Probes touch every page of a large frame so that none jumps over the
 * guard. Calls in tail position stay calls: endless recursion must exhaust the stack,
 * not loop.
 */
static void make_attributes(struct unit *unit)
{
    unit->attributes = unit_alloc(8, sizeof(LLVMAttributeRef));
    LLVMAttributeRef *out = unit->attributes;

    *out++ = enum_attribute(unit, "nounwind", 0);
    *out++ = enum_attribute(unit, "noredzone", 0);
    *out++ = text_attribute(unit, "frame-pointer", "all");
    *out++ = text_attribute(unit, "probe-stack", "inline-asm");
    *out++ = text_attribute(unit, "disable-tail-calls", "true");
    unit->attribute_count = (uint32_t)(out - unit->attributes);
}

void unit_set_attributes(const struct unit *unit, LLVMValueRef function)
{
    for (uint32_t i = 0; i < unit->attribute_count; i++) {
        LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                unit->attributes[i]);
    }
}

/* One domain, one scope a kind of storage; an access belongs to its own and is declared
 * apart from all others. */
static void make_scopes(struct unit *unit)
{
    static const char *const names[SCOPE_COUNT] = {"memory", "table", "global", "runtime"};
    LLVMContextRef context = unit->context;
    LLVMMetadataRef domain = LLVMMDStringInContext2(context, "wasm", 4);
    LLVMMetadataRef scopes[SCOPE_COUNT];

    domain = LLVMMDNodeInContext2(context, &domain, 1);
    for (int i = 0; i < SCOPE_COUNT; i++) {
        LLVMMetadataRef parts[2] = {LLVMMDStringInContext2(context, names[i], strlen(names[i])),
                                    domain};
        scopes[i] = LLVMMDNodeInContext2(context, parts, 2);
        LLVMMetadataRef own = LLVMMDNodeInContext2(context, &scopes[i], 1);
        unit->scope_own[i] = LLVMMetadataAsValue(context, own);
    }
    for (int i = 0; i < SCOPE_COUNT; i++) {
        LLVMMetadataRef others[SCOPE_COUNT];
        size_t count = 0;
        for (int j = 0; j < SCOPE_COUNT; j++) {
            if (j != i) {
                others[count++] = scopes[j];
            }
        }
        unit->scope_others[i] =
            LLVMMetadataAsValue(context, LLVMMDNodeInContext2(context, others, count));
    }
    LLVMMetadataRef weights[3] = {
        LLVMMDStringInContext2(context, "branch_weights", 14),
        LLVMValueAsMetadata(unit_i32(unit, 1)),
        LLVMValueAsMetadata(unit_i32(unit, 1u << 20)),
    };
    unit->weight_kind = LLVMGetMDKindIDInContext(context, "prof", 4);
    unit->weight_unlikely =
        LLVMMetadataAsValue(context, LLVMMDNodeInContext2(context, weights, 3));
    unit->scope_kind = LLVMGetMDKindIDInContext(context, "alias.scope", 11);
    unit->noalias_kind = LLVMGetMDKindIDInContext(context, "noalias", 7);
}

void unit_tag_access(const struct unit *unit, LLVMValueRef access, enum alias_scope scope)
{
    if (unit->gen->has_scopes) {
        LLVMSetMetadata(access, unit->scope_kind, unit->scope_own[scope]);
        LLVMSetMetadata(access, unit->noalias_kind, unit->scope_others[scope]);
    }
}

void unit_init(struct unit *unit, const struct codegen *gen, const struct target *target,
               uint32_t index)
{
    const struct module *module = gen->module;

    *unit = (struct unit){
        .gen = gen, .module = gen->module, .target = target, .index = index};
    unit->context = LLVMContextCreate();
    LLVMContextSetDiscardValueNames(unit->context, 1);
    unit->llvm = LLVMModuleCreateWithNameInContext("wasm", unit->context);
    LLVMSetTarget(unit->llvm, TARGET_TRIPLE);
    LLVMSetDataLayout(unit->llvm, target->layout_text);
    unit->builder = LLVMCreateBuilderInContext(unit->context);
    make_types(unit);
    make_attributes(unit);
    make_scopes(unit);
    unit->signatures = unit_alloc(module->type_count, sizeof(*unit->signatures));
    unit->functions = unit_alloc(module->function_count, sizeof(LLVMValueRef));
    unit->import_wrappers = unit_alloc(module->function_count, sizeof(LLVMValueRef));
    unit->function_refs = unit_alloc(module->function_count, sizeof(LLVMValueRef));
    unit->type_symbols = unit_alloc(module->type_count, sizeof(LLVMValueRef));
    unit->globals = unit_alloc(module->global_count, sizeof(LLVMValueRef));
    unit->global_constants = unit_alloc(module->global_count, sizeof(LLVMValueRef));
    unit->tables = unit_alloc(module->table_count, sizeof(LLVMValueRef));
    unit->memories = unit_alloc(module->memory_count, sizeof(LLVMValueRef));
    unit->tags = unit_alloc(module->tag_count, sizeof(LLVMValueRef));
    unit->data_sizes = unit_alloc(module->data_count, sizeof(LLVMValueRef));
    unit->element_sizes = unit_alloc(module->element_count, sizeof(LLVMValueRef));
    unit->element_items = unit_alloc(module->element_count, sizeof(LLVMValueRef));
}

void unit_destroy(struct unit *unit)
{
    LLVMDisposeBuilder(unit->builder);
    LLVMDisposeModule(unit->llvm);
    LLVMContextDispose(unit->context);
    free(unit->signatures);
    free(unit->functions);
    free(unit->import_wrappers);
    free(unit->function_refs);
    free(unit->type_symbols);
    free(unit->globals);
    free(unit->global_constants);
    free(unit->tables);
    free(unit->memories);
    free(unit->tags);
    free(unit->data_sizes);
    free(unit->element_sizes);
    free(unit->element_items);
    free(unit->attributes);
    free(unit->loads);
}

LLVMTypeRef unit_value_type(const struct unit *unit, value_type type)
{
    switch (type_kind(type)) {
    case KIND_I32:
        return unit->i32;
    case KIND_I64:
        return unit->i64;
    case KIND_F32:
        return unit->f32;
    case KIND_F64:
        return unit->f64;
    case KIND_V128:
        return unit->v128;
    case KIND_REF:
    case KIND_REF_NULL:
    case KIND_BOTTOM:
    case KIND_I8:
    case KIND_I16:
        break;
    }
    return unit->ptr;
}

/* What x86-64 returns in registers: rax rdx rcx, xmm0 xmm1. */
#define RESULT_INTEGER_REGISTERS 3u
#define RESULT_FLOAT_REGISTERS 2u

static enum result_form result_form(const struct defined_type *type)
{
    uint32_t integers = 0;
    uint32_t floats = 0;

    for (uint32_t i = 0; i < type->result_count; i++) {
        enum value_kind kind = type_kind(type->results[i]);
        bool is_float = kind == KIND_F32 || kind == KIND_F64 || kind == KIND_V128;
        *(is_float ? &floats : &integers) += 1;
    }
    if (type->result_count <= 1) {
        return type->result_count == 0 ? RESULT_NONE : RESULT_VALUE;
    }
    return integers <= RESULT_INTEGER_REGISTERS && floats <= RESULT_FLOAT_REGISTERS
               ? RESULT_STRUCT
               : RESULT_MEMORY;
}

struct signature *unit_signature(struct unit *unit, uint32_t type)
{
    struct signature *out = &unit->signatures[type];
    const struct defined_type *defined = &unit->module->types[type];
    LLVMTypeRef params[MODULE_MAX_PARAMS + 1];
    LLVMTypeRef results[RESULT_INTEGER_REGISTERS + RESULT_FLOAT_REGISTERS];
    uint32_t count = defined->param_count;

    if (out->internal != NULL) {
        return out;
    }
    for (uint32_t i = 0; i < count; i++) {
        params[i] = unit_value_type(unit, defined->params[i]);
    }
    params[count] = unit->ptr;
    out->form = result_form(defined);
    out->result = unit->void_type;
    if (out->form == RESULT_VALUE) {
        out->result = unit_value_type(unit, defined->results[0]);
    } else if (out->form == RESULT_STRUCT) {
        for (uint32_t i = 0; i < defined->result_count; i++) {
            results[i] = unit_value_type(unit, defined->results[i]);
        }
        out->result = LLVMStructTypeInContext(unit->context, results, defined->result_count, 0);
    }
    out->internal =
        LLVMFunctionType(out->result, params, count + (out->form == RESULT_MEMORY), 0);
    out->boundary = out->internal;
    if (defined->result_count > 1) {
        out->boundary = LLVMFunctionType(unit->void_type, params, count + 1, 0);
    }
    return out;
}

LLVMValueRef unit_function(struct unit *unit, uint32_t index)
{
    const struct function *function = &unit->module->functions[index];
    LLVMValueRef out = unit->functions[index];

    if (out != NULL) {
        return out;
    }
    const struct signature *signature = unit_signature(unit, function->type);
    if (function->import != NULL) {
        char *symbol = layout_import_symbol(unit->module, function->import,
                                            unit->gen->options->symbol_prefix);
        /* One field may be imported several times; it is one symbol then. */
        out = LLVMGetNamedFunction(unit->llvm, symbol);
        if (out == NULL) {
            out = LLVMAddFunction(unit->llvm, symbol, signature->boundary);
            LLVMAddAttributeAtIndex(out, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                    enum_attribute(unit, "nounwind", 0));
        }
        free(symbol);
    } else {
        char *symbol = layout_function_symbol(unit->module, index);
        out = LLVMAddFunction(unit->llvm, symbol, signature->internal);
        free(symbol);
        unit_set_attributes(unit, out);
        LLVMSetFunctionCallConv(out, unit_internal_convention(unit));
        if (unit_is_split(unit)) {
            LLVMSetVisibility(out, LLVMHiddenVisibility);
        } else {
            LLVMSetLinkage(out, LLVMInternalLinkage);
        }
    }
    unit->functions[index] = out;
    return out;
}

LLVMValueRef unit_type_symbol(struct unit *unit, uint32_t type)
{
    uint32_t canonical = unit->module->types[type].canonical;
    LLVMValueRef out = unit->type_symbols[canonical];

    if (out == NULL) {
        char *symbol = layout_type_symbol(unit->module, canonical);
        out = LLVMAddGlobal(unit->llvm, unit->i8, symbol);
        free(symbol);
        LLVMSetInitializer(out, LLVMConstInt(unit->i8, 0, 0));
        LLVMSetGlobalConstant(out, 1);
        LLVMSetLinkage(out, LLVMWeakAnyLinkage);
        LLVMSetVisibility(out, LLVMHiddenVisibility);
        out = LLVMConstPtrToInt(out, unit->i64);
        unit->type_symbols[canonical] = out;
    }
    return out;
}

LLVMValueRef unit_function_ref(struct unit *unit, uint32_t index)
{
    LLVMValueRef out = unit->function_refs[index];

    if (out == NULL) {
        LLVMValueRef parts[2] = {unit_function_code(unit, index),
                                 unit_type_symbol(unit, unit->module->functions[index].type)};
        char name[32];
        snprintf(name, sizeof(name), "wasm_ref.%u", index);
        out = LLVMAddGlobal(unit->llvm, unit->function_pair, name);
        LLVMSetInitializer(out, LLVMConstStructInContext(unit->context, parts, 2, 0));
        LLVMSetGlobalConstant(out, 1);
        LLVMSetLinkage(out, LLVMInternalLinkage);
        unit->function_refs[index] = out;
    }
    return out;
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
    char *symbol =
        layout_import_symbol(unit->module, import, unit->gen->options->symbol_prefix);
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
    char *name = unit_alloc((uint32_t)length + 8, 1);

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
        unit->global_constants[index] =
            unit_expression(unit, unit->module->globals[index].init);
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
        unit->memory_zero =
            LLVMAddGlobal(unit->llvm, LLVMArrayType2(unit->i8, 0), "wasm_memory");
        LLVMSetVisibility(unit->memory_zero, LLVMHiddenVisibility);
        LLVMSetAlignment(unit->memory_zero, 1);
    }
    return unit->memory_zero;
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
    LLVMValueRef *items = unit_alloc(size, sizeof(LLVMValueRef));
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
        /* Instantiation zeroes the size of an active segment once it is copied. */
        uint64_t size = element->mode == SEGMENT_DECLARATIVE ? 0 : element->item_count;
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
        LLVMValueRef *items = unit_alloc(element->item_count, sizeof(LLVMValueRef));
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

LLVMValueRef unit_runtime(struct unit *unit, const char *name, LLVMTypeRef type)
{
    LLVMValueRef out = LLVMGetNamedFunction(unit->llvm, name);

    if (out == NULL) {
        out = LLVMAddFunction(unit->llvm, name, type);
        LLVMAddAttributeAtIndex(out, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                enum_attribute(unit, "nounwind", 0));
    }
    return out;
}

LLVMValueRef unit_call_intrinsic(struct unit *unit, const char *name, LLVMTypeRef *overloads,
                                 unsigned overload_count, LLVMValueRef *arguments,
                                 unsigned argument_count)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef function =
        LLVMGetIntrinsicDeclaration(unit->llvm, id, overloads, overload_count);
    LLVMTypeRef type = LLVMIntrinsicGetType(unit->context, id, overloads, overload_count);

    return LLVMBuildCall2(unit->builder, type, function, arguments, argument_count, "");
}

LLVMValueRef unit_opaque_i64(struct unit *unit, uint64_t value)
{
    LLVMTypeRef type = LLVMFunctionType(unit->i64, &unit->i64, 1, 0);
    char text[] = "";
    char constraints[] = "=r,0";
    LLVMValueRef code =
        LLVMGetInlineAsm(type, text, 0, constraints, 4, 0, 0, LLVMInlineAsmDialectATT, 0);
    LLVMValueRef argument = unit_i64(unit, value);

    return LLVMBuildCall2(unit->builder, type, code, &argument, 1, "");
}
