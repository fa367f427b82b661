/*
 * Functions seen from outside: wrappers where the convention across the border differs
 * from the internal one, and the table that waferc --exports adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/codegen.h"
#include "aot/layout.h"

static bool needs_wrapper(const struct unit *unit, uint32_t index)
{
    return unit->gen->has_tail_calls || function_type(unit->module, index)->result_count > 1;
}

/* Pushes what the wrapper's own parameters are and reserves room for results. */
static void begin_wrapper(struct fn *fn, struct unit *unit, LLVMValueRef llvm, uint32_t index)
{
    const struct defined_type *type = function_type(unit->module, index);

    fn_begin(fn, unit, llvm, NULL);
    fn->index = index;
    fn->function = &unit->module->functions[index];
    fn->signature = unit_signature(unit, fn->function->type);
    fn->stack = calloc(type->param_count + type->result_count + 1u, sizeof(*fn->stack));
    fn->controls = calloc(1, sizeof(*fn->controls));
    if (fn->stack == NULL || fn->controls == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
}

static LLVMValueRef slot_address(struct fn *fn, LLVMValueRef slots, uint32_t index)
{
    LLVMValueRef at = unit_i64(fn->unit, index);

    return LLVMBuildGEP2(fn->builder, fn->unit->value_slot, slots, &at, 1, "");
}

static void store_results(struct fn *fn, const struct defined_type *type, LLVMValueRef slots)
{
    for (uint32_t i = 0; i < type->result_count; i++) {
        LLVMValueRef value = fn->stack[fn->stack_count - type->result_count + i];
        LLVMSetAlignment(LLVMBuildStore(fn->builder, value, slot_address(fn, slots, i)), 8);
    }
}

/* An imported function behind a reference: called by the internal convention. */
static LLVMValueRef emit_import_wrapper(struct unit *unit, uint32_t index)
{
    const struct function *function = &unit->module->functions[index];
    const struct defined_type *type = function_type(unit->module, index);
    const struct signature *signature = unit_signature(unit, function->type);
    char *symbol = layout_function_symbol(unit->module, index);
    LLVMValueRef out = LLVMAddFunction(unit->llvm, symbol, signature->internal);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(unit->builder);
    struct fn fn;

    free(symbol);
    unit_set_attributes(unit, out);
    LLVMSetLinkage(out, LLVMInternalLinkage);
    LLVMSetFunctionCallConv(out, unit_internal_convention(unit));
    begin_wrapper(&fn, unit, out, index);
    struct control *control = control_push(&fn, CONTROL_FUNCTION);
    control->results = type->results;
    control->result_count = type->result_count;
    for (uint32_t i = 0; i < type->param_count; i++) {
        fn_push(&fn, LLVMGetParam(out, i));
    }
    emit_call_code(&fn, unit_function(unit, index), function->type, true, false);
    emit_return(&fn);
    fn_end(&fn);
    if (here != NULL) {
        LLVMPositionBuilderAtEnd(unit->builder, here);
    }
    return out;
}

LLVMValueRef unit_function_code(struct unit *unit, uint32_t index)
{
    const struct function *function = &unit->module->functions[index];

    if (function->import == NULL || !needs_wrapper(unit, index)) {
        return unit_function(unit, index);
    }
    if (unit->import_wrappers[index] == NULL) {
        unit->import_wrappers[index] = emit_import_wrapper(unit, index);
    }
    return unit->import_wrappers[index];
}

/* A function as other modules call it: C convention, many results in memory. */
static LLVMValueRef emit_boundary_code(struct unit *unit, uint32_t index)
{
    const struct function *function = &unit->module->functions[index];
    const struct defined_type *type = function_type(unit->module, index);
    const struct signature *signature = unit_signature(unit, function->type);
    char name[48];
    struct fn fn;

    if (function->import != NULL || !needs_wrapper(unit, index)) {
        return unit_function(unit, index);
    }
    snprintf(name, sizeof(name), "wasm_boundary.%u", index);
    LLVMValueRef out = LLVMGetNamedFunction(unit->llvm, name);
    if (out != NULL) {
        return out;
    }
    out = LLVMAddFunction(unit->llvm, name, signature->boundary);
    unit_set_attributes(unit, out);
    LLVMSetLinkage(out, LLVMInternalLinkage);
    begin_wrapper(&fn, unit, out, index);
    for (uint32_t i = 0; i < type->param_count; i++) {
        fn_push(&fn, LLVMGetParam(out, i));
    }
    emit_call_code(&fn, unit_function(unit, index), function->type, false, false);
    if (type->result_count == 1) {
        LLVMBuildRet(fn.builder, fn_canonical(&fn, fn_pop(&fn)));
    } else {
        if (type->result_count > 1) {
            store_results(&fn, type, LLVMGetParam(out, type->param_count));
        }
        LLVMBuildRetVoid(fn.builder);
    }
    fn_end(&fn);
    return out;
}

/* void invoke(const union wasm_value *arguments, union wasm_value *results) */
static LLVMValueRef emit_invoke(struct unit *unit, uint32_t index)
{
    const struct function *function = &unit->module->functions[index];
    const struct defined_type *type = function_type(unit->module, index);
    LLVMTypeRef params[2] = {unit->ptr, unit->ptr};
    char name[48];
    struct fn fn;

    snprintf(name, sizeof(name), "wasm_invoke.%u", index);
    LLVMValueRef out = LLVMGetNamedFunction(unit->llvm, name);
    if (out != NULL) {
        return out;
    }
    out = LLVMAddFunction(unit->llvm, name, LLVMFunctionType(unit->void_type, params, 2, 0));
    unit_set_attributes(unit, out);
    LLVMSetLinkage(out, LLVMInternalLinkage);
    begin_wrapper(&fn, unit, out, index);
    for (uint32_t i = 0; i < type->param_count; i++) {
        LLVMValueRef address = slot_address(&fn, LLVMGetParam(out, 0), i);
        LLVMValueRef value =
            LLVMBuildLoad2(fn.builder, unit_value_type(unit, type->params[i]), address, "");
        LLVMSetAlignment(value, 8);
        fn_push(&fn, value);
    }
    emit_call_code(&fn, unit_function(unit, index), function->type, function->import != NULL,
                   false);
    emit_uncaught_check(&fn);
    store_results(&fn, type, LLVMGetParam(out, 1));
    LLVMBuildRetVoid(fn.builder);
    fn_end(&fn);
    return out;
}

static LLVMValueRef text_constant(struct unit *unit, const char *text, size_t length)
{
    LLVMValueRef initial = LLVMConstStringInContext2(unit->context, text, length, 0);
    LLVMValueRef out = LLVMAddGlobal(unit->llvm, LLVMTypeOf(initial), "");

    LLVMSetInitializer(out, initial);
    LLVMSetGlobalConstant(out, 1);
    LLVMSetLinkage(out, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(out, LLVMGlobalUnnamedAddr);
    return out;
}

static char *export_type_text(struct unit *unit, const struct export *export)
{
    const struct module *module = unit->module;

    switch (export->kind) {
    case EXTERNAL_FUNCTION:
        return layout_signature(module, module->functions[export->index].type);
    case EXTERNAL_TAG:
        return layout_signature(module, module->tags[export->index].type);
    case EXTERNAL_TABLE:
        return layout_value_text(module, module->tables[export->index].element);
    case EXTERNAL_GLOBAL:
        return layout_global_text(module, export->index);
    case EXTERNAL_MEMORY:
        break;
    }
    return strdup("");
}

/* A global that code folds to its value still has storage when it is exported. */
static LLVMValueRef global_storage(struct unit *unit, uint32_t index)
{
    LLVMValueRef out = unit_global_symbol(unit, index);
    LLVMValueRef value = unit_global_constant(unit, index);

    if (value != NULL) {
        LLVMSetInitializer(out, value);
    }
    return out;
}

static LLVMValueRef export_address(struct unit *unit, const struct export *export)
{
    switch (export->kind) {
    case EXTERNAL_FUNCTION:
        return emit_boundary_code(unit, export->index);
    case EXTERNAL_TABLE:
        return unit_table(unit, export->index);
    case EXTERNAL_MEMORY:
        return unit_memory(unit, export->index);
    case EXTERNAL_GLOBAL:
        return global_storage(unit, export->index);
    case EXTERNAL_TAG:
        break;
    }
    return unit_tag_symbol(unit, export->index);
}

void emit_export_table(struct unit *unit, LLVMValueRef *table, uint32_t *count)
{
    const struct module *module = unit->module;
    LLVMTypeRef types[6] = {unit->ptr, unit->i32, unit->i32, unit->ptr, unit->ptr, unit->ptr};
    LLVMTypeRef row_type = LLVMStructTypeInContext(unit->context, types, 6, 0);
    LLVMValueRef *rows = calloc(module->export_count + 1u, sizeof(*rows));

    if (rows == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    for (uint32_t i = 0; i < module->export_count; i++) {
        const struct export *export = &module->exports[i];
        const union {
            const uint8_t *bytes;
            const char *text;
        } name = {.bytes = export->name.bytes};
        char *type = export_type_text(unit, export);
        if (type == NULL) {
            fputs("waferc: out of memory\n", stderr);
            exit(1);
        }
        LLVMValueRef fields[6] = {
            text_constant(unit, name.text, export->name.length),
            unit_i32(unit, export->name.length),
            unit_i32(unit, (uint32_t)export->kind),
            text_constant(unit, type, strlen(type)),
            export_address(unit, export),
            export->kind == EXTERNAL_FUNCTION ? emit_invoke(unit, export->index)
                                              : LLVMConstNull(unit->ptr),
        };
        free(type);
        rows[i] = LLVMConstStructInContext(unit->context, fields, 6, 0);
    }
    LLVMValueRef initial = LLVMConstArray2(row_type, rows, module->export_count);
    free(rows);
    *table = LLVMAddGlobal(unit->llvm, LLVMTypeOf(initial), "wasm_exports");
    LLVMSetInitializer(*table, initial);
    LLVMSetGlobalConstant(*table, 1);
    LLVMSetLinkage(*table, LLVMInternalLinkage);
    *count = module->export_count;
}
