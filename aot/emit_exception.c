/*
 * Exceptions (Wasm core §4.4.8, and the legacy encoding of the proposal's first phase).
 *
 * There is no unwinder. A function that an exception leaves returns, with any result,
 * after storing the exception in wasm_exception_pending; its caller tests that word and goes
 * to its innermost handler or returns likewise. Only calls to functions that may throw
 * are followed by the test, so that modules without exceptions pay nothing.
 *
 * Who gives a pool slot back: a handler that receives no exnref has consumed the
 * exception. It may free the slot when no exnref of it can exist: always so unless
 * the slot was marked kept, which happens when exnrefs can be stored beyond a frame
 * (gen->exceptions_travel), or when throw_ref is caught in the very function that still
 * holds the reference; the runtime collects those (kernel/base/exception_pool.h). A legacy
 * handler keeps the slot while it runs if it contains a rethrow, and frees it on the way out.
 */
#include "aot/codegen.h"

static LLVMValueRef exception_word(struct fn *fn, LLVMValueRef exception, uint32_t word)
{
    LLVMValueRef at = unit_i64(fn->unit, word);

    return LLVMBuildGEP2(fn->builder, fn->unit->i64, exception, &at, 1, "");
}

static void set_pending(struct fn *fn, LLVMValueRef exception)
{
    LLVMBuildStore(fn->builder, exception, unit_exception_pending(fn->unit));
}

static LLVMValueRef take_pending(struct fn *fn)
{
    LLVMValueRef where = unit_exception_pending(fn->unit);
    LLVMValueRef exception = LLVMBuildLoad2(fn->builder, fn->unit->ptr, where, "");

    LLVMBuildStore(fn->builder, LLVMConstNull(fn->unit->ptr), where);
    return exception;
}

static void keep(struct fn *fn, LLVMValueRef exception)
{
    LLVMBuildStore(fn->builder, unit_i64(fn->unit, WASM_EXCEPTION_KEPT), exception);
}

/* state = state == KEPT ? KEPT : FREE */
static void release(struct fn *fn, LLVMValueRef exception)
{
    LLVMBuilderRef builder = fn->builder;
    LLVMValueRef kept = unit_i64(fn->unit, WASM_EXCEPTION_KEPT);
    LLVMValueRef state = LLVMBuildLoad2(builder, fn->unit->i64, exception, "");
    LLVMValueRef is_kept = LLVMBuildICmp(builder, LLVMIntEQ, state, kept, "");

    LLVMBuildStore(
        builder,
        LLVMBuildSelect(builder, is_kept, kept, unit_i64(fn->unit, WASM_EXCEPTION_FREE), ""),
        exception);
}

static bool catches(const struct control *control)
{
    /* A legacy handler that must free its exception sees what leaves it, too. */
    return control->kind == CONTROL_TRY_TABLE || control->kind == CONTROL_TRY ||
           (control->kind == CONTROL_CATCH && control->frees_on_exit);
}

/* Where an exception goes that arises inside the control `depth` levels out. */
static LLVMBasicBlockRef unwind_target(struct fn *fn, uint32_t depth)
{
    for (; depth < fn->control_count; depth++) {
        struct control *control = control_at(fn, depth);
        if (catches(control)) {
            if (control->landing == NULL) {
                control->landing = fn_block(fn);
            }
            return control->landing;
        }
    }
    if (fn->unwind == NULL) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(fn->builder);
        LLVMTypeRef result = LLVMGetReturnType(LLVMGlobalGetValueType(fn->llvm));
        fn->unwind = fn_block(fn);
        LLVMPositionBuilderAtEnd(fn->builder, fn->unwind);
        if (LLVMGetTypeKind(result) == LLVMVoidTypeKind) {
            LLVMBuildRetVoid(fn->builder);
        } else {
            LLVMBuildRet(fn->builder, LLVMConstNull(result));
        }
        LLVMPositionBuilderAtEnd(fn->builder, here);
    }
    return fn->unwind;
}

static LLVMValueRef is_pending(struct fn *fn)
{
    LLVMValueRef exception =
        LLVMBuildLoad2(fn->builder, fn->unit->ptr, unit_exception_pending(fn->unit), "");

    return LLVMBuildIsNotNull(fn->builder, exception, "");
}

void emit_exception_check(struct fn *fn)
{
    LLVMBasicBlockRef next = fn_block(fn);
    LLVMValueRef thrown = is_pending(fn);
    LLVMValueRef branch = LLVMBuildCondBr(fn->builder, thrown, unwind_target(fn, 0), next);

    LLVMSetMetadata(branch, fn->unit->weight_kind, fn->unit->weight_unlikely);
    fn_position(fn, next);
}

void emit_uncaught_check(struct fn *fn)
{
    if (fn->unit->gen->may_throw == NULL) {
        return;
    }
    LLVMValueRef exception = take_pending(fn);
    fn_trap_if(fn, LLVMBuildIsNotNull(fn->builder, exception, ""), WASM_TRAP_UNCAUGHT_EXCEPTION);
}

static void leave(struct fn *fn, LLVMBasicBlockRef target)
{
    LLVMBuildBr(fn->builder, target);
    fn->is_unreachable = true;
    fn->skipped_depth = 0;
}

static void emit_throw(struct fn *fn)
{
    const struct defined_type *type = &fn->module->types[fn->module->tags[fn->in.index].type];
    struct unit *unit = fn->unit;
    LLVMValueRef function = unit_exception_new(unit);
    LLVMValueRef tag = unit_tag(unit, fn->in.index);
    LLVMValueRef exception =
        LLVMBuildCall2(fn->builder, LLVMGlobalGetValueType(function), function, &tag, 1, "");

    for (uint32_t i = type->param_count; i-- > 0;) {
        LLVMValueRef word = exception_word(fn, exception, EXCEPTION_HEADER_WORDS + 2 * i);
        LLVMValueRef value = fn_canonical(fn, fn_pop(fn));
        LLVMSetAlignment(LLVMBuildStore(fn->builder, value, word), 8);
    }
    set_pending(fn, exception);
    leave(fn, unwind_target(fn, 0));
}

static void emit_throw_ref(struct fn *fn)
{
    LLVMValueRef exception = fn_pop(fn);
    LLVMBasicBlockRef target = unwind_target(fn, 0);

    fn_trap_if(fn, LLVMBuildIsNull(fn->builder, exception, ""), WASM_TRAP_NULL_REFERENCE);
    if (target != fn->unwind) {
        keep(fn, exception);
    }
    set_pending(fn, exception);
    leave(fn, target);
}

static void emit_rethrow(struct fn *fn)
{
    set_pending(fn, control_at(fn, fn->in.index)->exception);
    leave(fn, unwind_target(fn, 0));
}

static void push_payload(struct fn *fn, LLVMValueRef exception, uint32_t tag)
{
    const struct defined_type *type = &fn->module->types[fn->module->tags[tag].type];

    for (uint32_t i = 0; i < type->param_count; i++) {
        LLVMValueRef word = exception_word(fn, exception, EXCEPTION_HEADER_WORDS + 2 * i);
        LLVMTypeRef value_type = unit_value_type(fn->unit, type->params[i]);
        LLVMValueRef value = LLVMBuildLoad2(fn->builder, value_type, word, "");
        LLVMSetAlignment(value, 8);
        fn_push(fn, value);
    }
}

static LLVMValueRef has_tag(struct fn *fn, LLVMValueRef exception, uint32_t tag)
{
    LLVMValueRef actual =
        LLVMBuildLoad2(fn->builder, fn->unit->ptr, exception_word(fn, exception, 1), "");

    return LLVMBuildICmp(fn->builder, LLVMIntEQ, actual, unit_tag(fn->unit, tag), "");
}

/* Takes one clause of a try_table; depth 0 is still the try_table itself. */
static void emit_clause(struct fn *fn, const struct catch_clause *clause, LLVMValueRef exception)
{
    bool wants_reference = clause->kind == CATCH_REF || clause->kind == CATCH_ALL_REF;

    if (clause->kind == CATCH || clause->kind == CATCH_REF) {
        push_payload(fn, exception, clause->tag);
    }
    if (wants_reference) {
        if (fn->unit->gen->exceptions_travel) {
            keep(fn, exception);
        }
        fn_push(fn, exception);
    } else {
        release(fn, exception);
    }
    emit_branch(fn, clause->label + 1);
}

static void emit_try_table_landing(struct fn *fn, const struct control *control)
{
    const uint8_t *list = control->clauses;

    fn_position(fn, control->landing);
    LLVMValueRef exception = take_pending(fn);
    for (uint32_t i = 0; i < control->clause_count; i++) {
        struct catch_clause clause = list_next_catch(&list);
        LLVMBasicBlockRef next = NULL;
        fn->stack_count = control->stack_base;
        if (clause.kind == CATCH || clause.kind == CATCH_REF) {
            LLVMBasicBlockRef taken = fn_block(fn);
            next = fn_block(fn);
            LLVMBuildCondBr(fn->builder, has_tag(fn, exception, clause.tag), taken, next);
            fn_position(fn, taken);
        }
        emit_clause(fn, &clause, exception);
        if (next == NULL) {
            return;
        }
        fn_position(fn, next);
    }
    set_pending(fn, exception);
    LLVMBuildBr(fn->builder, unwind_target(fn, 1));
}

static void end_try_table(struct fn *fn)
{
    struct control *control = control_at(fn, 0);

    if (control->landing != NULL) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(fn->builder);
        uint32_t count = fn->stack_count;
        LLVMValueRef saved[MODULE_MAX_PARAMS];
        for (uint32_t i = control->stack_base; i < count; i++) {
            saved[i - control->stack_base] = fn->stack[i];
        }
        emit_try_table_landing(fn, control);
        for (uint32_t i = control->stack_base; i < count; i++) {
            /* The same range as above, which cppcheck does not see. */
            fn->stack[i] = saved[i - control->stack_base]; /* cppcheck-suppress uninitvar */
        }
        fn->stack_count = count;
        LLVMPositionBuilderAtEnd(fn->builder, here);
    }
    control_leave_reachable(fn);
}

static void begin_try(struct fn *fn, enum control_kind kind)
{
    struct control *control = control_push(fn, kind);

    control_set_type(fn, control, &fn->in.block);
    control_make_label(fn, control);
    control->clauses = fn->in.list;
    control->clause_count = fn->in.list_count;
}

/* Looks ahead in a legacy handler: does it rethrow its own exception? */
static bool handler_rethrows(const struct fn *fn)
{
    struct reader reader = fn->reader;
    struct instruction in;
    uint32_t depth = 0;

    for (;;) {
        instruction_read(fn->module, &reader, &in);
        switch ((unsigned)in.opcode) {
        case OP_BLOCK:
        case OP_LOOP:
        case OP_IF:
        case OP_TRY:
        case OP_TRY_TABLE:
            depth++;
            break;
        case OP_END:
        case OP_DELEGATE:
            if (depth-- == 0) {
                return false;
            }
            break;
        case OP_CATCH:
        case OP_CATCH_ALL:
            if (depth == 0) {
                return false;
            }
            break;
        case OP_RETHROW:
            if (in.index == depth) {
                return true;
            }
            break;
        default:
            break;
        }
    }
}

/* What leaves a handler by an exception frees the one it had caught, unless that is the
 * one that leaves. */
static void emit_handler_cleanup(struct fn *fn, struct control *control)
{
    LLVMBuilderRef builder = fn->builder;

    if (control->landing == NULL) {
        return;
    }
    LLVMBasicBlockRef here = LLVMGetInsertBlock(builder);
    LLVMBasicBlockRef other = fn_block(fn);
    LLVMBasicBlockRef target = unwind_target(fn, 1);
    fn_position(fn, control->landing);
    LLVMValueRef leaving =
        LLVMBuildLoad2(builder, fn->unit->ptr, unit_exception_pending(fn->unit), "");
    LLVMValueRef same = LLVMBuildICmp(builder, LLVMIntEQ, leaving, control->exception, "");
    LLVMBuildCondBr(builder, same, target, other);
    fn_position(fn, other);
    release(fn, control->exception);
    LLVMBuildBr(builder, target);
    LLVMPositionBuilderAtEnd(builder, here);
    control->landing = NULL;
}

/* The end of a try body or of a handler, by falling through. */
static void finish_part(struct fn *fn, struct control *control)
{
    if (!fn->is_unreachable) {
        emit_handler_exits(fn, 0);
        control_feed(fn, control);
        LLVMBuildBr(fn->builder, control->label);
    }
    if (control->kind == CONTROL_CATCH) {
        emit_handler_cleanup(fn, control);
    }
}

static void begin_catch(struct fn *fn, bool catches_all)
{
    struct control *control = control_at(fn, 0);

    finish_part(fn, control);
    fn->stack_count = control->stack_base;
    if (control->kind == CONTROL_TRY) {
        LLVMBasicBlockRef landing = control->landing;
        control->kind = CONTROL_CATCH;
        control->landing = NULL;
        if (landing != NULL) {
            fn_position(fn, landing);
            control->exception = take_pending(fn);
            control->else_block = fn_block(fn);
            LLVMBuildBr(fn->builder, control->else_block);
        }
    }
    if (control->else_block == NULL) {
        /* Nothing in the body throws: the handler is never entered. */
        fn->is_unreachable = true;
        fn->skipped_depth = 0;
        return;
    }
    fn->is_unreachable = false;
    fn_position(fn, control->else_block);
    control->else_block = NULL;
    if (!catches_all) {
        LLVMBasicBlockRef taken = fn_block(fn);
        control->else_block = fn_block(fn);
        LLVMBuildCondBr(fn->builder, has_tag(fn, control->exception, fn->in.index), taken,
                        control->else_block);
        fn_position(fn, taken);
        push_payload(fn, control->exception, fn->in.index);
    }
    control->frees_on_exit = handler_rethrows(fn);
    if (!control->frees_on_exit) {
        release(fn, control->exception);
    }
}

/* An exception that no handler of a legacy try took goes on. */
static void end_try(struct fn *fn)
{
    struct control *control = control_at(fn, 0);
    bool had_body = control->kind == CONTROL_TRY;

    if (had_body && control->landing != NULL) {
        control->exception = NULL;
        control->else_block = control->landing;
        control->landing = NULL;
    }
    LLVMBasicBlockRef here = LLVMGetInsertBlock(fn->builder);
    if (!fn->is_unreachable) {
        emit_handler_exits(fn, 0);
        here = LLVMGetInsertBlock(fn->builder);
    }
    if (control->kind == CONTROL_CATCH) {
        emit_handler_cleanup(fn, control);
    }
    control->frees_on_exit = false;
    if (control->else_block != NULL) {
        LLVMBasicBlockRef target = unwind_target(fn, 1);
        fn_position(fn, control->else_block);
        if (control->exception != NULL) {
            set_pending(fn, control->exception);
        }
        LLVMBuildBr(fn->builder, target);
        LLVMPositionBuilderAtEnd(fn->builder, here);
    }
    control_leave_reachable(fn);
}

/* The body's exceptions go to the try that the label names, or on from there. */
static void end_delegate(struct fn *fn)
{
    struct control *control = control_at(fn, 0);

    if (control->landing != NULL) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(fn->builder);
        LLVMBasicBlockRef target = unwind_target(fn, fn->in.index + 1);
        fn_position(fn, control->landing);
        LLVMBuildBr(fn->builder, target);
        LLVMPositionBuilderAtEnd(fn->builder, here);
        control->landing = NULL;
    }
    control_leave_reachable(fn);
}

void emit_handler_exits(struct fn *fn, uint32_t depth)
{
    for (uint32_t i = 0; i <= depth && i < fn->control_count; i++) {
        struct control *control = control_at(fn, i);
        if (control->kind == CONTROL_CATCH && control->frees_on_exit) {
            release(fn, control->exception);
        }
    }
}

bool emit_handler_exits_needed(struct fn *fn, uint32_t depth)
{
    for (uint32_t i = 0; i <= depth && i < fn->control_count; i++) {
        const struct control *control = control_at(fn, i);
        if (control->kind == CONTROL_CATCH && control->frees_on_exit) {
            return true;
        }
    }
    return false;
}

bool emit_exception(struct fn *fn)
{
    switch ((unsigned)fn->in.opcode) {
    case OP_THROW:
        emit_throw(fn);
        break;
    case OP_THROW_REF:
        emit_throw_ref(fn);
        break;
    case OP_RETHROW:
        emit_rethrow(fn);
        break;
    case OP_TRY:
        begin_try(fn, CONTROL_TRY);
        break;
    case OP_TRY_TABLE:
        begin_try(fn, CONTROL_TRY_TABLE);
        break;
    case OP_CATCH:
        begin_catch(fn, false);
        break;
    case OP_CATCH_ALL:
        begin_catch(fn, true);
        break;
    case OP_DELEGATE:
        end_delegate(fn);
        break;
    case OP_END:
        if (control_at(fn, 0)->kind == CONTROL_TRY_TABLE) {
            end_try_table(fn);
        } else {
            end_try(fn);
        }
        break;
    default:
        return false;
    }
    return true;
}
