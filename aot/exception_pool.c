/*
 * Exceptions in flight live in a pool of the object: slots of one size, taken round
 * robin. A slot is { state, tag, payload... }, eight bytes a word, two words a value.
 *
 * A slot is given back by the handler that consumes the exception. One whose exnref
 * may still be held somewhere is marked kept and stays; see aot/emit_exception.c. A
 * program that keeps more exceptions than the pool has slots traps.
 */
#include <stdio.h>

#include "aot/codegen.h"

#define SLOT_COUNT 4096u
#define STATE_FREE 0u
#define STATE_USED 1u

static uint32_t slot_words(const struct unit *unit)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < unit->module->tag_count; i++) {
        uint32_t count = unit->module->types[unit->module->tags[i].type].param_count;
        most = count > most ? count : most;
    }
    return EXCEPTION_HEADER_WORDS + 2 * most;
}

/* Shared by every module of a link, whoever throws and whoever catches. */
LLVMValueRef unit_exception_pending(struct unit *unit)
{
    if (unit->exception_pending == NULL) {
        unit->exception_pending = LLVMAddGlobal(unit->llvm, unit->ptr, "wasm_exception_pending");
        LLVMSetInitializer(unit->exception_pending, LLVMConstNull(unit->ptr));
        LLVMSetLinkage(unit->exception_pending, LLVMWeakAnyLinkage);
        LLVMSetVisibility(unit->exception_pending, LLVMHiddenVisibility);
    }
    return unit->exception_pending;
}

LLVMValueRef unit_exception_new(struct unit *unit)
{
    static const char name[] = "wasm_exception_new";
    LLVMValueRef out = LLVMGetNamedFunction(unit->llvm, name);

    if (out == NULL) {
        out = LLVMAddFunction(unit->llvm, name, LLVMFunctionType(unit->ptr, &unit->ptr, 1, 0));
        unit_set_attributes(unit, out);
        if (unit_is_split(unit)) {
            LLVMSetVisibility(out, LLVMHiddenVisibility);
        } else {
            LLVMSetLinkage(out, LLVMInternalLinkage);
        }
    }
    return out;
}

static LLVMValueRef add_storage(struct unit *unit, const char *name, LLVMTypeRef type)
{
    LLVMValueRef out = LLVMAddGlobal(unit->llvm, type, name);

    LLVMSetInitializer(out, LLVMConstNull(type));
    LLVMSetLinkage(out, LLVMInternalLinkage);
    LLVMSetAlignment(out, 16);
    return out;
}

/*
 * for (tries = 0; tries < SLOT_COUNT; tries++) {
 *     slot = &pool[cursor++ % SLOT_COUNT];
 *     if (slot->state == FREE) { state = USED; tag = parameter; return slot; }
 * }
 * trap
 */
void unit_define_exception_new(struct unit *unit)
{
    LLVMBuilderRef builder = unit->builder;
    uint32_t words = slot_words(unit);
    LLVMTypeRef slot_type = LLVMArrayType2(unit->i64, words);
    LLVMValueRef pool = add_storage(unit, "wasm_exceptions", LLVMArrayType2(slot_type, SLOT_COUNT));
    LLVMValueRef cursor = add_storage(unit, "wasm_exception_cursor", unit->i64);
    LLVMValueRef one = unit_i64(unit, 1);
    struct fn fn;

    fn_begin(&fn, unit, unit_exception_new(unit), NULL);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(builder);
    LLVMBasicBlockRef loop = fn_block(&fn);
    LLVMBasicBlockRef found = fn_block(&fn);
    LLVMBasicBlockRef again = fn_block(&fn);
    LLVMBuildBr(builder, loop);
    fn_position(&fn, loop);
    LLVMValueRef tries = LLVMBuildPhi(builder, unit->i64, "");
    LLVMValueRef at = LLVMBuildLoad2(builder, unit->i64, cursor, "");
    LLVMBuildStore(builder, LLVMBuildAdd(builder, at, one, ""), cursor);
    LLVMValueRef index = LLVMBuildAnd(builder, at, unit_i64(unit, SLOT_COUNT - 1), "");
    LLVMValueRef slot = LLVMBuildGEP2(builder, slot_type, pool, &index, 1, "");
    LLVMValueRef state = LLVMBuildLoad2(builder, unit->i64, slot, "");
    LLVMValueRef is_free = LLVMBuildICmp(builder, LLVMIntEQ, state, unit_i64(unit, STATE_FREE), "");
    LLVMBuildCondBr(builder, is_free, found, again);
    fn_position(&fn, found);
    LLVMBuildStore(builder, unit_i64(unit, STATE_USED), slot);
    LLVMValueRef tag = LLVMBuildGEP2(builder, unit->i64, slot, &one, 1, "");
    LLVMBuildStore(builder, LLVMGetParam(fn.llvm, 0), tag);
    LLVMBuildRet(builder, slot);
    fn_position(&fn, again);
    LLVMValueRef next = LLVMBuildAdd(builder, tries, one, "");
    LLVMValueRef values[2] = {unit_i64(unit, 0), next};
    LLVMBasicBlockRef blocks[2] = {before, again};
    LLVMAddIncoming(tries, values, blocks, 2);
    LLVMValueRef more = LLVMBuildICmp(builder, LLVMIntULT, next, unit_i64(unit, SLOT_COUNT), "");
    LLVMBuildCondBr(builder, more, loop, fn_trap_block(&fn, WASM_TRAP_UNCAUGHT_EXCEPTION));
    fn_end(&fn);
}
