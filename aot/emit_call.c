/*
 * Calls (Wasm core §4.4.10): direct, through tables, through references, and their tail
 * forms.
 */
#include "aot/codegen.h"

/* Memory for results that do not fit in registers; one buffer a function serves all its
 * calls, because results are read right behind each. */
static LLVMValueRef result_slots(struct fn *fn, uint32_t count)
{
    if (fn->result_slot_count < count) {
        fn->result_slots = fn_alloca(fn, LLVMArrayType2(fn->unit->value_slot, count));
        LLVMSetAlignment(fn->result_slots, 16);
        fn->result_slot_count = count;
    }
    return fn->result_slots;
}

static void push_results(struct fn *fn, const struct defined_type *type, LLVMValueRef call,
                         LLVMValueRef slots)
{
    for (uint32_t i = 0; i < type->result_count; i++) {
        LLVMTypeRef result = unit_value_type(fn->unit, type->results[i]);
        LLVMValueRef value = call;
        if (slots != NULL) {
            LLVMValueRef at = unit_i64(fn->unit, i);
            LLVMValueRef slot = LLVMBuildGEP2(fn->builder, fn->unit->value_slot, slots, &at, 1, "");
            value = LLVMBuildLoad2(fn->builder, result, slot, "");
            LLVMSetAlignment(value, 8);
        } else if (type->result_count > 1) {
            value = LLVMBuildExtractValue(fn->builder, call, i, "");
        }
        fn_push(fn, value);
    }
}

static uint32_t pop_arguments(struct fn *fn, const struct defined_type *type,
                              LLVMValueRef *arguments)
{
    fn->stack_count -= type->param_count;
    for (uint32_t i = 0; i < type->param_count; i++) {
        arguments[i] = fn_canonical(fn, fn->stack[fn->stack_count + i]);
    }
    return type->param_count;
}

void emit_call_code(struct fn *fn, LLVMValueRef code, uint32_t type, bool is_boundary,
                    bool may_throw)
{
    const struct defined_type *defined = &fn->module->types[type];
    const struct signature *signature = unit_signature(fn->unit, type);
    LLVMValueRef arguments[MODULE_MAX_PARAMS + 1];
    uint32_t count = pop_arguments(fn, defined, arguments);
    LLVMValueRef slots = NULL;

    if (signature->form == RESULT_MEMORY || (is_boundary && defined->result_count > 1)) {
        slots = result_slots(fn, defined->result_count);
        arguments[count++] = slots;
    }
    LLVMValueRef call =
        LLVMBuildCall2(fn->builder, is_boundary ? signature->boundary : signature->internal, code,
                       arguments, count, "");
    if (!is_boundary) {
        LLVMSetInstructionCallConv(call, unit_internal_convention(fn->unit));
    }
    if (may_throw) {
        emit_exception_check(fn);
    }
    push_results(fn, defined, call, slots);
}

static bool callee_may_throw(const struct fn *fn, uint32_t index)
{
    return fn->unit->gen->may_throw != NULL && fn->unit->gen->may_throw[index];
}

/* Through a reference, anything that the module can name may be behind it. */
static bool reference_may_throw(const struct fn *fn)
{
    return fn->unit->gen->may_throw != NULL;
}

static void emit_direct_call(struct fn *fn)
{
    const struct function *callee = &fn->module->functions[fn->in.index];

    emit_call_code(fn, unit_function(fn->unit, fn->in.index), callee->type, callee->import != NULL,
                   callee_may_throw(fn, fn->in.index));
}

static LLVMValueRef pair_field(struct fn *fn, LLVMValueRef pair, unsigned field, LLVMTypeRef type)
{
    LLVMValueRef address =
        LLVMBuildStructGEP2(fn->builder, fn->unit->function_pair, pair, field, "");
    LLVMValueRef load = LLVMBuildLoad2(fn->builder, type, address, "");

    unit_tag_access(fn->unit, load, SCOPE_TABLE);
    return load;
}

/* In a constant table null stands as a pair of zeros. */
static LLVMValueRef code_in_constant_table(struct fn *fn, LLVMValueRef index)
{
    struct unit *unit = fn->unit;
    LLVMValueRef table = unit_table(unit, fn->in.index2);
    LLVMValueRef pair = LLVMBuildGEP2(fn->builder, unit->function_pair, table, &index, 1, "");
    LLVMValueRef type = pair_field(fn, pair, 1, unit->i64);
    LLVMValueRef match =
        LLVMBuildICmp(fn->builder, LLVMIntEQ, type, unit_type_symbol(unit, fn->in.index), "");
    LLVMBasicBlockRef wrong = fn_block(fn);
    LLVMBasicBlockRef right = fn_block(fn);

    LLVMBuildCondBr(fn->builder, match, right, wrong);
    fn_position(fn, wrong);
    LLVMValueRef is_null = LLVMBuildICmp(fn->builder, LLVMIntEQ, type, unit_i64(unit, 0), "");
    LLVMBuildCondBr(fn->builder, is_null, fn_trap_block(fn, WASM_TRAP_UNINITIALIZED_ELEMENT),
                    fn_trap_block(fn, WASM_TRAP_INDIRECT_CALL_TYPE));
    fn_position(fn, right);
    return pair_field(fn, pair, 0, unit->ptr);
}

static LLVMValueRef code_in_dynamic_table(struct fn *fn, LLVMValueRef index)
{
    struct unit *unit = fn->unit;
    LLVMValueRef base = emit_table_base(fn, fn->in.index2);
    LLVMValueRef slot = LLVMBuildGEP2(fn->builder, unit->ptr, base, &index, 1, "");
    LLVMValueRef pair = LLVMBuildLoad2(fn->builder, unit->ptr, slot, "");

    unit_tag_access(unit, pair, SCOPE_TABLE);
    fn_trap_if(fn, LLVMBuildIsNull(fn->builder, pair, ""), WASM_TRAP_UNINITIALIZED_ELEMENT);
    LLVMValueRef type = pair_field(fn, pair, 1, unit->i64);
    LLVMValueRef differs =
        LLVMBuildICmp(fn->builder, LLVMIntNE, type, unit_type_symbol(unit, fn->in.index), "");
    fn_trap_if(fn, differs, WASM_TRAP_INDIRECT_CALL_TYPE);
    return pair_field(fn, pair, 0, unit->ptr);
}

/* The checked code address behind table element on top of the stack. */
static LLVMValueRef pop_indirect_code(struct fn *fn)
{
    struct unit *unit = fn->unit;
    LLVMValueRef index = LLVMBuildZExt(fn->builder, fn_pop(fn), unit->i64, "");
    LLVMValueRef size = emit_table_size(fn, fn->in.index2);
    LLVMValueRef past = LLVMBuildICmp(fn->builder, LLVMIntUGE, index, size, "");

    fn_trap_if(fn, past, WASM_TRAP_UNDEFINED_ELEMENT);
    return unit->gen->table_forms[fn->in.index2] == TABLE_CONSTANT
               ? code_in_constant_table(fn, index)
               : code_in_dynamic_table(fn, index);
}

static LLVMValueRef pop_reference_code(struct fn *fn)
{
    LLVMValueRef pair = fn_pop(fn);

    fn_trap_if(fn, LLVMBuildIsNull(fn->builder, pair, ""), WASM_TRAP_NULL_REFERENCE);
    return pair_field(fn, pair, 0, fn->unit->ptr);
}

/*
 * A tail call jumps: the callee's frame replaces this one (§4.4.10.4). Results in memory
 * go straight to where this function's caller wants them.
 */
static void emit_tail_call(struct fn *fn, LLVMValueRef code, uint32_t type)
{
    const struct defined_type *defined = &fn->module->types[type];
    const struct signature *signature = unit_signature(fn->unit, type);
    LLVMValueRef arguments[MODULE_MAX_PARAMS + 1];
    uint32_t count = pop_arguments(fn, defined, arguments);

    if (signature->form == RESULT_MEMORY) {
        arguments[count++] =
            LLVMGetParam(fn->llvm, fn->module->types[fn->function->type].param_count);
    }
    LLVMValueRef call =
        LLVMBuildCall2(fn->builder, signature->internal, code, arguments, count, "");
    LLVMSetInstructionCallConv(call, unit_internal_convention(fn->unit));
    LLVMSetTailCallKind(call, LLVMTailCallKindMustTail);
    if (signature->form == RESULT_NONE || signature->form == RESULT_MEMORY) {
        LLVMBuildRetVoid(fn->builder);
    } else {
        LLVMBuildRet(fn->builder, call);
    }
    fn->is_unreachable = true;
    fn->skipped_depth = 0;
}

bool emit_call(struct fn *fn)
{
    LLVMValueRef code;

    switch ((unsigned)fn->in.opcode) {
    case OP_CALL:
        emit_direct_call(fn);
        break;
    case OP_CALL_INDIRECT:
        code = pop_indirect_code(fn);
        emit_call_code(fn, code, fn->in.index, false, reference_may_throw(fn));
        break;
    case OP_CALL_REF:
        code = pop_reference_code(fn);
        emit_call_code(fn, code, fn->in.index, false, reference_may_throw(fn));
        break;
    case OP_RETURN_CALL:
        emit_tail_call(fn, unit_function_code(fn->unit, fn->in.index),
                       fn->module->functions[fn->in.index].type);
        break;
    case OP_RETURN_CALL_INDIRECT:
        code = pop_indirect_code(fn);
        emit_tail_call(fn, code, fn->in.index);
        break;
    case OP_RETURN_CALL_REF:
        code = pop_reference_code(fn);
        emit_tail_call(fn, code, fn->in.index);
        break;
    default:
        return false;
    }
    return true;
}
