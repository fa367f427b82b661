/*
 * The parts of the object that are not function bodies: struct wasm_module, storage,
 * instantiation (Wasm core §4.5.4).
 */
#include <stdio.h>
#include <string.h>

#include "aot/codegen.h"

/* Everything that other units may name must stand here, used or not. */
static void define_storage(struct unit *unit)
{
    const struct module *module = unit->module;

    for (uint32_t i = 0; i < module->global_count; i++) {
        if (module->globals[i].import == NULL && !unit->gen->global_is_constant[i]) {
            unit_global_symbol(unit, i);
        }
    }
    for (uint32_t i = 0; i < module->memory_count; i++) {
        unit_memory(unit, i);
    }
    if (!unit_is_split(unit)) {
        return;
    }
    for (uint32_t i = 0; i < module->table_count; i++) {
        unit_table(unit, i);
    }
    for (uint32_t i = 0; i < module->tag_count; i++) {
        unit_tag_symbol(unit, i);
    }
    for (uint32_t i = 0; i < module->data_count; i++) {
        if (module->datas[i].is_used) {
            unit_data_size(unit, i);
        }
    }
    for (uint32_t i = 0; i < module->element_count; i++) {
        if (module->elements[i].is_used) {
            unit_element_size(unit, i);
            unit_element_items(unit, i);
        }
    }
}

static void initialize_globals(struct fn *fn)
{
    const struct module *module = fn->module;
    struct unit *unit = fn->unit;

    for (uint32_t i = module->imported_global_count; i < module->global_count; i++) {
        if (unit->gen->global_is_constant[i]) {
            continue;
        }
        LLVMValueRef value = unit_expression(unit, module->globals[i].init);
        if (LLVMIsConstant(value)) {
            LLVMSetInitializer(unit_global_symbol(unit, i), value);
        } else {
            LLVMSetAlignment(LLVMBuildStore(fn->builder, value, unit_global(unit, i)), 8);
        }
    }
}

static void initialize_tables(struct fn *fn)
{
    const struct module *module = fn->module;
    struct unit *unit = fn->unit;
    LLVMTypeRef params[2] = {unit->ptr, unit->i64};
    LLVMTypeRef type = LLVMFunctionType(unit->i64, params, 2, 0);

    for (uint32_t i = module->imported_table_count; i < module->table_count; i++) {
        const struct table *table = &module->tables[i];
        if (unit->gen->table_forms[i] == TABLE_CONSTANT || table->limits.minimum == 0) {
            continue;
        }
        LLVMValueRef count = unit_i64(unit, table->limits.minimum);
        LLVMValueRef arguments[2] = {unit_table(unit, i), count};
        LLVMValueRef old = LLVMBuildCall2(
            fn->builder, type, unit_runtime(unit, "wasm_rt_table_grow", type), arguments, 2, "");
        LLVMValueRef failed =
            LLVMBuildICmp(fn->builder, LLVMIntEQ, old, unit_i64(unit, UINT64_MAX), "");
        fn_trap_if(fn, failed, WASM_TRAP_TABLE_BOUNDS);
        if (table->has_init) {
            emit_table_fill_range(fn, i, unit_i64(unit, 0), count,
                                  unit_expression(unit, table->init));
        }
    }
}

static LLVMValueRef add_helper(struct unit *unit, const char *name, LLVMTypeRef type)
{
    LLVMValueRef out = LLVMAddFunction(unit->llvm, name, type);

    unit_set_attributes(unit, out);
    LLVMSetLinkage(out, LLVMInternalLinkage);
    return out;
}

static LLVMValueRef emit_instantiate(struct unit *unit)
{
    struct fn fn;
    LLVMTypeRef type = LLVMFunctionType(unit->void_type, NULL, 0, 0);
    LLVMValueRef out = add_helper(unit, "wasm_instantiate", type);

    fn_begin(&fn, unit, out, NULL);
    initialize_globals(&fn);
    initialize_tables(&fn);
    emit_element_initialization(&fn);
    emit_data_initialization(&fn);
    if (unit->module->has_start) {
        uint32_t start = unit->module->start_function;
        LLVMValueRef call =
            LLVMBuildCall2(fn.builder, type, unit_function(unit, start), NULL, 0, "");
        LLVMSetInstructionCallConv(call, LLVMGetFunctionCallConv(unit_function(unit, start)));
        emit_uncaught_check(&fn);
    }
    LLVMBuildRetVoid(fn.builder);
    fn_end(&fn);
    return out;
}

/* The code of an exported function of type v_v, wrapped so that an exception traps; NULL
 * when there is none of that name. */
static LLVMValueRef emit_entry(struct unit *unit, const char *name)
{
    const struct module *module = unit->module;
    LLVMTypeRef type = LLVMFunctionType(unit->void_type, NULL, 0, 0);

    for (uint32_t i = 0; i < module->export_count; i++) {
        const struct export *export = &module->exports[i];
        if (export->kind != EXTERNAL_FUNCTION || export->name.length != strlen(name) ||
            memcmp(export->name.bytes, name, strlen(name)) != 0) {
            continue;
        }
        const struct defined_type *defined = function_type(module, export->index);
        if (defined->param_count > 0 || defined->result_count > 0) {
            break;
        }
        struct fn fn;
        LLVMValueRef callee = unit_function(unit, export->index);
        char symbol[64];
        snprintf(symbol, sizeof(symbol), "wasm_entry.%s", name);
        LLVMValueRef out = add_helper(unit, symbol, type);
        fn_begin(&fn, unit, out, NULL);
        LLVMValueRef call = LLVMBuildCall2(fn.builder, type, callee, NULL, 0, "");
        LLVMSetInstructionCallConv(call, LLVMGetFunctionCallConv(callee));
        emit_uncaught_check(&fn);
        LLVMBuildRetVoid(fn.builder);
        fn_end(&fn);
        return out;
    }
    return LLVMConstNull(unit->ptr);
}

static LLVMValueRef memory_list(struct unit *unit)
{
    uint32_t count = unit->module->memory_count;
    LLVMValueRef items[MODULE_MAX_MEMORIES];

    for (uint32_t i = 0; i < count; i++) {
        items[i] = unit_memory(unit, i);
    }
    LLVMValueRef initial = LLVMConstArray2(unit->ptr, items, count);
    LLVMValueRef out = LLVMAddGlobal(unit->llvm, LLVMTypeOf(initial), "wasm_memories");
    LLVMSetInitializer(out, initial);
    LLVMSetGlobalConstant(out, 1);
    LLVMSetLinkage(out, LLVMInternalLinkage);
    return out;
}

static uint32_t module_flags(const struct module *module)
{
    uint32_t flags = 0;

    if (module->memory_count > 0) {
        flags |= WASM_MODULE_HAS_MEMORY_BIT;
        if (module->memories[0].import != NULL) {
            flags |= WASM_MODULE_IMPORTS_MEMORY_BIT;
        }
    }
    return flags;
}

void emit_module(struct unit *unit)
{
    const struct module *module = unit->module;
    const struct options *options = unit->gen->options;
    LLVMValueRef exports = LLVMConstNull(unit->ptr);
    uint32_t export_count = 0;
    char name[256];

    define_storage(unit);
    if (unit->gen->may_throw != NULL) {
        unit_define_exception_new(unit);
    }
    LLVMValueRef instantiate = emit_instantiate(unit);
    if (options->wants_exports) {
        emit_export_table(unit, &exports, &export_count);
    }
    LLVMValueRef fields[] = {
        unit_i32(unit, WASM_ABI_VERSION),
        unit_i32(unit, module_flags(module)),
        unit_i32(unit, unit->gen->cpu_level),
        unit_i32(unit, export_count),
        module->memory_count > 0 ? unit_memory(unit, 0) : LLVMConstNull(unit->ptr),
        memory_list(unit),
        unit_i64(unit, module->memory_count),
        instantiate,
        emit_entry(unit, "_start"),
        emit_entry(unit, "_initialize"),
        exports,
    };
    LLVMValueRef initial =
        LLVMConstStructInContext(unit->context, fields, sizeof(fields) / sizeof(fields[0]), 0);
    snprintf(name, sizeof(name), "%swasm_module", options->symbol_prefix);
    LLVMValueRef global = LLVMAddGlobal(unit->llvm, LLVMTypeOf(initial), name);
    LLVMSetInitializer(global, initial);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetAlignment(global, 16);
}
