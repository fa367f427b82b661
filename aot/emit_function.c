/*
 * One function body (Wasm core §4.4): locals become allocas that mem2reg promotes, the
 * operand stack exists only while compiling, blocks meet in phis.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/DebugInfo.h>

#include "aot/codegen.h"

static void *fn_alloc(uint32_t count, size_t bytes)
{
    void *memory = malloc(((size_t)count + 1) * bytes);

    if (memory == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

LLVMBasicBlockRef fn_block(struct fn *fn)
{
    return LLVMAppendBasicBlockInContext(fn->unit->context, fn->llvm, "");
}

/* Blocks are laid out in the order in which code is put into them. */
void fn_position(struct fn *fn, LLVMBasicBlockRef block)
{
    LLVMMoveBasicBlockAfter(block, LLVMGetInsertBlock(fn->builder));
    LLVMPositionBuilderAtEnd(fn->builder, block);
}

LLVMValueRef fn_alloca(struct fn *fn, LLVMTypeRef type)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(fn->builder);
    /* Going in front of an instruction takes over its source location. */
    LLVMMetadataRef location = LLVMGetCurrentDebugLocation2(fn->builder);

    LLVMPositionBuilderBefore(fn->builder, fn->entry_end);
    LLVMValueRef out = LLVMBuildAlloca(fn->builder, type, "");
    LLVMPositionBuilderAtEnd(fn->builder, here);
    LLVMSetCurrentDebugLocation2(fn->builder, location);
    return out;
}

LLVMBasicBlockRef fn_trap_block(struct fn *fn, enum wasm_trap kind)
{
    LLVMBasicBlockRef out = fn->traps[kind];

    if (out == NULL) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(fn->builder);
        LLVMValueRef number = LLVMConstInt(fn->unit->i8, (unsigned)kind, 0);
        out = fn_block(fn);
        LLVMPositionBuilderAtEnd(fn->builder, out);
        LLVMValueRef trap = unit_call_intrinsic(fn->unit, "llvm.ubsantrap", NULL, 0, &number, 1);
        LLVMBuildUnreachable(fn->builder);
        LLVMPositionBuilderAtEnd(fn->builder, here);
        /* With line information every trap keeps a place of its own. */
        if (fn->has_lines) {
            LLVMAddCallSiteAttribute(trap, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                     fn->unit->attribute_nomerge);
        } else {
            fn->traps[kind] = out;
        }
    }
    return out;
}

void fn_trap_if(struct fn *fn, LLVMValueRef condition, enum wasm_trap kind)
{
    if (LLVMIsAConstantInt(condition) && LLVMConstIntGetZExtValue(condition) == 0) {
        return;
    }
    LLVMBasicBlockRef trap = fn_trap_block(fn, kind);
    LLVMBasicBlockRef next = fn_block(fn);
    LLVMBuildCondBr(fn->builder, condition, trap, next);
    fn_position(fn, next);
}

void fn_begin(struct fn *fn, struct unit *unit, LLVMValueRef llvm, const struct function *function)
{
    *fn = (struct fn){.unit = unit,
                      .module = unit->module,
                      .function = function,
                      .builder = unit->builder,
                      .llvm = llvm};
    fn->outer_location = LLVMGetCurrentDebugLocation2(fn->builder);
    LLVMSetCurrentDebugLocation2(fn->builder, NULL);
    debug_begin_function(fn);
    fn->entry = LLVMAppendBasicBlockInContext(unit->context, llvm, "");
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(unit->context, llvm, "");
    LLVMPositionBuilderAtEnd(fn->builder, fn->entry);
    fn->entry_end = LLVMBuildBr(fn->builder, body);
    LLVMPositionBuilderAtEnd(fn->builder, body);
}

void fn_end(struct fn *fn)
{
    LLVMSetCurrentDebugLocation2(fn->builder, fn->outer_location);
    debug_end_function(fn);
    free(fn->locals);
    free(fn->local_types);
    free(fn->stack);
    free(fn->controls);
    free(fn->phis);
}

/* Only locals that code names get storage: a few bytes may declare very many. */
static void make_locals(struct fn *fn)
{
    uint32_t count = fn->function->local_count;

    fn->locals = calloc((size_t)count + 1, sizeof(*fn->locals));
    if (fn->locals == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    fn->local_types = fn_alloc(count, sizeof(*fn->local_types));
    function_local_types(fn->module, fn->function, fn->local_types);
}

LLVMValueRef fn_local(struct fn *fn, uint32_t index)
{
    if (fn->locals[index] == NULL) {
        const struct defined_type *type = &fn->module->types[fn->function->type];
        LLVMTypeRef local_type = unit_value_type(fn->unit, fn->local_types[index]);
        bool is_param = index < type->param_count;
        LLVMValueRef initial = is_param ? LLVMGetParam(fn->llvm, index) : LLVMConstNull(local_type);
        LLVMBasicBlockRef here = LLVMGetInsertBlock(fn->builder);
        LLVMMetadataRef location = LLVMGetCurrentDebugLocation2(fn->builder);

        LLVMPositionBuilderBefore(fn->builder, fn->entry_end);
        fn->locals[index] = LLVMBuildAlloca(fn->builder, local_type, "");
        LLVMBuildStore(fn->builder, initial, fn->locals[index]);
        LLVMPositionBuilderAtEnd(fn->builder, here);
        LLVMSetCurrentDebugLocation2(fn->builder, location);
    }
    return fn->locals[index];
}

/* Unreachable code is valid but produces nothing: read on to what ends it. */
static bool skip_instruction(struct fn *fn)
{
    switch ((unsigned)fn->in.opcode) {
    case OP_BLOCK:
    case OP_LOOP:
    case OP_IF:
    case OP_TRY:
    case OP_TRY_TABLE:
        fn->skipped_depth++;
        return true;
    case OP_END:
    case OP_DELEGATE:
        if (fn->skipped_depth == 0) {
            return false;
        }
        fn->skipped_depth--;
        return true;
    case OP_ELSE:
    case OP_CATCH:
    case OP_CATCH_ALL:
        return fn->skipped_depth > 0;
    default:
        return true;
    }
}

static void emit_instruction(struct fn *fn)
{
    if (emit_control(fn) || emit_variable(fn) || emit_memory(fn) || emit_numeric(fn) ||
        emit_call(fn) || emit_convert(fn) || emit_table(fn) || emit_reference(fn) ||
        emit_simd(fn) || emit_simd_memory(fn) || emit_atomic(fn) || emit_exception(fn)) {
        return;
    }
    diag_fail(fn->module->diag, fn->in.start, "code generation does not know the instruction %s",
              opcode_infos[fn->in.opcode].text);
}

void emit_function(struct unit *unit, uint32_t index)
{
    struct fn fn;
    const struct function *function = &unit->module->functions[index];

    fn_begin(&fn, unit, unit_function(unit, index), function);
    fn.index = index;
    fn.signature = unit_signature(unit, function->type);
    fn.stack = fn_alloc(function->max_stack, sizeof(*fn.stack));
    fn.controls = fn_alloc(function->max_block_depth + 2, sizeof(*fn.controls));
    make_locals(&fn);
    fn.reader = module_reader(fn.module, function->code_start, function->body_end);
    struct control *control = control_push(&fn, CONTROL_FUNCTION);
    control->results = unit->module->types[function->type].results;
    control->result_count = unit->module->types[function->type].result_count;
    while (fn.control_count > 0) {
        instruction_read(fn.module, &fn.reader, &fn.in);
        debug_instruction(&fn);
        if (!fn.is_unreachable || !skip_instruction(&fn)) {
            emit_instruction(&fn);
        }
    }
    fn_end(&fn);
}
