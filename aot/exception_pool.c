/*
 * Exceptions live in a pool of the module: slots of one size, struct wasm_exception_pool of
 * kernel/base/wasm_abi.h. A slot is { state, tag, payload... }, eight bytes a word, two
 * words a value.
 *
 * A slot is given back by the handler that consumes the exception. One whose exnref
 * may still be held somewhere is marked kept (aot/emit_exception.c); the runtime finds
 * those that nothing holds any more, and makes the pool larger where that does not do.
 */
#include <stdio.h>
#include <stdlib.h>

#include "aot/codegen.h"

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

/* A constant array of `count` pointers. */
static LLVMValueRef add_list(struct unit *unit, LLVMValueRef *items, uint32_t count)
{
    LLVMValueRef initial = LLVMConstArray2(unit->ptr, items, count);
    LLVMValueRef out = LLVMAddGlobal(unit->llvm, LLVMTypeOf(initial), "wasm_exception_roots");

    LLVMSetInitializer(out, initial);
    LLVMSetGlobalConstant(out, 1);
    LLVMSetLinkage(out, LLVMInternalLinkage);
    return out;
}

/* Where exnrefs may be besides the stack: `out` receives the globals' list and its count,
 * then the tables'. Constant globals hold nothing but null. */
static void add_roots(struct unit *unit, LLVMValueRef out[4])
{
    const struct module *module = unit->module;
    uint32_t most =
        module->global_count > module->table_count ? module->global_count : module->table_count;
    LLVMValueRef *items = calloc((size_t)most + 1, sizeof(LLVMValueRef));
    uint32_t count = 0;

    if (items == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    for (uint32_t i = 0; i < module->global_count; i++) {
        if (type_is_exception(module->globals[i].type) && !unit->gen->global_is_constant[i]) {
            items[count++] = unit_global_symbol(unit, i);
        }
    }
    out[0] = add_list(unit, items, count);
    out[1] = unit_i64(unit, count);
    count = 0;
    for (uint32_t i = 0; i < module->table_count; i++) {
        if (type_is_exception(module->tables[i].element)) {
            items[count++] = unit_table(unit, i);
        }
    }
    out[2] = add_list(unit, items, count);
    out[3] = unit_i64(unit, count);
    free(items);
}

/* The words of struct wasm_exception_pool that are named here, and how many come first. */
#define POOL_CURSOR      0u
#define POOL_CHUNK_END   1u
#define POOL_FIELD_COUNT 10u

static LLVMValueRef add_pool(struct unit *unit)
{
    /* Modules of one link hold each other's exnrefs, which only one of them would look for. */
    bool is_shared = unit->gen->options->symbol_prefix[0] != '\0';
    LLVMTypeRef chunks =
        LLVMArrayType2(unit->i64, WASM_EXCEPTION_CHUNKS_MAX * sizeof(struct wasm_table) / 8);
    LLVMValueRef fields[POOL_FIELD_COUNT + 1] = {LLVMConstNull(unit->ptr), LLVMConstNull(unit->ptr),
                                                 unit_i64(unit, 8ull * slot_words(unit))};

    add_roots(unit, &fields[3]);
    fields[7] = unit_i64(unit, is_shared);
    fields[8] = unit_i64(unit, 0);
    fields[9] = unit_i64(unit, 0);
    fields[POOL_FIELD_COUNT] = LLVMConstNull(chunks);
    LLVMValueRef initial = LLVMConstStructInContext(unit->context, fields, POOL_FIELD_COUNT + 1, 0);
    LLVMValueRef out = LLVMAddGlobal(unit->llvm, LLVMTypeOf(initial), "wasm_exception_pool");
    LLVMSetInitializer(out, initial);
    LLVMSetLinkage(out, LLVMInternalLinkage);
    LLVMSetAlignment(out, 8);
    return out;
}

/*
 * Calls the runtime with every register on the stack, above an address that it gets: it
 * looks for exnrefs there. Not inlined, because that would spill them in the throwing function.
 */
static LLVMValueRef define_refill(struct unit *unit, LLVMValueRef pool)
{
    LLVMTypeRef params[2] = {unit->ptr, unit->ptr};
    LLVMTypeRef runtime_type = LLVMFunctionType(unit->i64, params, 2, 0);
    LLVMTypeRef type = LLVMFunctionType(unit->i64, NULL, 0, 0);
    LLVMValueRef out = LLVMAddFunction(unit->llvm, "wasm_exception_refill", type);
    unsigned noinline_kind = LLVMGetEnumAttributeKindForName("noinline", 8);
    struct fn fn;

    unit_set_attributes(unit, out);
    LLVMSetLinkage(out, LLVMInternalLinkage);
    LLVMAddAttributeAtIndex(out, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(unit->context, noinline_kind, 0));
    fn_begin(&fn, unit, out, NULL);
    unit_call_intrinsic(unit, "llvm.eh.unwind.init", NULL, 0, NULL, 0);
    LLVMValueRef arguments[2] = {pool, fn_alloca(&fn, unit->i64)};
    LLVMValueRef runtime = unit_runtime(unit, "wasm_rt_exception_refill", runtime_type);
    LLVMBuildRet(fn.builder, LLVMBuildCall2(fn.builder, runtime_type, runtime, arguments, 2, ""));
    fn_end(&fn);
    return out;
}

static LLVMValueRef pool_word(struct fn *fn, LLVMValueRef pool, unsigned word)
{
    LLVMValueRef at = unit_i64(fn->unit, word);

    return LLVMBuildGEP2(fn->builder, fn->unit->i64, pool, &at, 1, "");
}

/*
 * for (;;) {
 *     slot = cursor;
 *     if (slot == chunk_end) {
 *         if (!refill()) { trap }
 *         continue;
 *     }
 *     cursor = slot + slot_bytes;
 *     if (slot->state == FREE) { state = USED; tag = parameter; return slot; }
 * }
 */
void unit_define_exception_new(struct unit *unit)
{
    LLVMBuilderRef builder = unit->builder;
    LLVMValueRef pool = add_pool(unit);
    LLVMValueRef refill = define_refill(unit, pool);
    LLVMValueRef slot_bytes = unit_i64(unit, 8ull * slot_words(unit));
    LLVMValueRef one = unit_i64(unit, 1);
    struct fn fn;

    fn_begin(&fn, unit, unit_exception_new(unit), NULL);
    LLVMBasicBlockRef loop = fn_block(&fn);
    LLVMBasicBlockRef ended = fn_block(&fn);
    LLVMBasicBlockRef look = fn_block(&fn);
    LLVMBasicBlockRef found = fn_block(&fn);
    LLVMBuildBr(builder, loop);
    fn_position(&fn, loop);
    LLVMValueRef cursor = pool_word(&fn, pool, POOL_CURSOR);
    LLVMValueRef slot = LLVMBuildLoad2(builder, unit->ptr, cursor, "");
    LLVMValueRef end = LLVMBuildLoad2(builder, unit->ptr, pool_word(&fn, pool, POOL_CHUNK_END), "");
    LLVMBuildCondBr(builder, LLVMBuildICmp(builder, LLVMIntEQ, slot, end, ""), ended, look);
    fn_position(&fn, look);
    LLVMBuildStore(builder, LLVMBuildGEP2(builder, unit->i8, slot, &slot_bytes, 1, ""), cursor);
    LLVMValueRef state = LLVMBuildLoad2(builder, unit->i64, slot, "");
    LLVMValueRef is_free =
        LLVMBuildICmp(builder, LLVMIntEQ, state, unit_i64(unit, WASM_EXCEPTION_FREE), "");
    LLVMBuildCondBr(builder, is_free, found, loop);
    fn_position(&fn, found);
    LLVMBuildStore(builder, unit_i64(unit, WASM_EXCEPTION_USED), slot);
    LLVMValueRef tag = LLVMBuildGEP2(builder, unit->i64, slot, &one, 1, "");
    LLVMBuildStore(builder, LLVMGetParam(fn.llvm, 0), tag);
    LLVMBuildRet(builder, slot);
    fn_position(&fn, ended);
    LLVMValueRef more =
        LLVMBuildCall2(builder, LLVMGlobalGetValueType(refill), refill, NULL, 0, "");
    fn_trap_if(&fn, LLVMBuildICmp(builder, LLVMIntEQ, more, unit_i64(unit, 0), ""),
               WASM_TRAP_UNCAUGHT_EXCEPTION);
    LLVMBuildBr(builder, loop);
    fn_end(&fn);
}
