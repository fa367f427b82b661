/* Control instructions (Wasm core §4.4.8) but calls and exceptions. */
#include <stdio.h>
#include <stdlib.h>

#include "aot/codegen.h"

static uint32_t reserve_phis(struct fn *fn, uint32_t count)
{
    uint32_t base = fn->phi_count;

    if (fn->phi_capacity - base < count) {
        uint32_t capacity = 2 * (fn->phi_capacity + count) + 64;
        LLVMValueRef *grown = realloc(fn->phis, capacity * sizeof(*grown));
        if (grown == NULL) {
            fputs("waferc: out of memory\n", stderr);
            exit(1);
        }
        fn->phis = grown;
        fn->phi_capacity = capacity;
    }
    fn->phi_count += count;
    return base;
}

struct control *control_push(struct fn *fn, enum control_kind kind)
{
    struct control *control = &fn->controls[fn->control_count++];

    *control =
        (struct control){.kind = kind, .stack_base = fn->stack_count, .phi_base = fn->phi_count};
    return control;
}

struct control *control_at(struct fn *fn, uint32_t depth)
{
    return &fn->controls[fn->control_count - 1 - depth];
}

void control_set_type(struct fn *fn, struct control *control, const struct block_type *block)
{
    if (block->form == BLOCK_VALUE) {
        control->lone_result = block->value;
        control->results = &control->lone_result;
        control->result_count = 1;
    } else if (block->form == BLOCK_TYPE) {
        const struct defined_type *type = &fn->module->types[block->type];
        control->params = type->params;
        control->param_count = type->param_count;
        control->results = type->results;
        control->result_count = type->result_count;
    }
    control->stack_base = fn->stack_count - control->param_count;
}

void control_make_phis(struct fn *fn, struct control *control, const value_type *types,
                       uint32_t count)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(fn->builder);

    control->phi_base = reserve_phis(fn, count);
    LLVMPositionBuilderAtEnd(fn->builder, control->label);
    for (uint32_t i = 0; i < count; i++) {
        fn->phis[control->phi_base + i] =
            LLVMBuildPhi(fn->builder, unit_value_type(fn->unit, types[i]), "");
    }
    LLVMPositionBuilderAtEnd(fn->builder, here);
}

void control_make_label(struct fn *fn, struct control *control)
{
    control->label = fn_block(fn);
    if (control->kind == CONTROL_LOOP) {
        control_make_phis(fn, control, control->params, control->param_count);
    } else {
        control_make_phis(fn, control, control->results, control->result_count);
    }
}

static uint32_t label_arity(const struct control *control)
{
    return control->kind == CONTROL_LOOP ? control->param_count : control->result_count;
}

/* Before a branch is built, so that the new form is there on both sides of it. */
static void make_canonical(struct fn *fn, uint32_t count)
{
    LLVMValueRef *values = &fn->stack[fn->stack_count - count];

    for (uint32_t i = 0; i < count; i++) {
        values[i] = fn_canonical(fn, values[i]);
    }
}

void control_feed(struct fn *fn, struct control *control)
{
    uint32_t count = label_arity(control);
    LLVMValueRef *values = &fn->stack[fn->stack_count - count];

    make_canonical(fn, count);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(fn->builder);
    for (uint32_t i = 0; i < count; i++) {
        LLVMAddIncoming(fn->phis[control->phi_base + i], &values[i], &here, 1);
    }
    control->is_reached = true;
}

void emit_return(struct fn *fn)
{
    uint32_t count = fn->controls[0].result_count;
    LLVMValueRef *values = &fn->stack[fn->stack_count - count];

    make_canonical(fn, count);
    if (fn->signature->form == RESULT_NONE) {
        LLVMBuildRetVoid(fn->builder);
    } else if (fn->signature->form == RESULT_VALUE) {
        LLVMBuildRet(fn->builder, values[0]);
    } else if (fn->signature->form == RESULT_STRUCT) {
        LLVMBuildAggregateRet(fn->builder, values, count);
    } else {
        LLVMValueRef slots =
            LLVMGetParam(fn->llvm, fn->module->types[fn->function->type].param_count);
        for (uint32_t i = 0; i < count; i++) {
            LLVMValueRef at = unit_i64(fn->unit, i);
            LLVMValueRef slot = LLVMBuildGEP2(fn->builder, fn->unit->value_slot, slots, &at, 1, "");
            LLVMSetAlignment(LLVMBuildStore(fn->builder, values[i], slot), 8);
        }
        LLVMBuildRetVoid(fn->builder);
    }
}

static void become_unreachable(struct fn *fn)
{
    fn->is_unreachable = true;
    fn->skipped_depth = 0;
}

void emit_branch(struct fn *fn, uint32_t depth)
{
    struct control *control = control_at(fn, depth);

    if (control->kind == CONTROL_FUNCTION) {
        emit_return(fn);
    } else {
        control_feed(fn, control);
        LLVMBuildBr(fn->builder, control->label);
    }
}

/* The outermost control that a branch leaves: going back to a loop does not leave it. */
static uint32_t exit_depth(struct fn *fn, uint32_t depth)
{
    return depth > 0 && control_at(fn, depth)->kind == CONTROL_LOOP ? depth - 1 : depth;
}

/* A conditional branch of the instruction being read, with what a hint says of it. */
static void build_hinted(struct fn *fn, LLVMValueRef condition, LLVMBasicBlockRef taken,
                         LLVMBasicBlockRef other)
{
    LLVMValueRef branch = LLVMBuildCondBr(fn->builder, condition, taken, other);
    enum likelihood hint = module_branch_hint(fn->module, fn->in.start);

    if (hint != LIKELIHOOD_UNKNOWN) {
        LLVMSetMetadata(branch, fn->unit->weight_kind,
                        hint == LIKELIHOOD_LOW ? fn->unit->weight_hint_low
                                               : fn->unit->weight_hint_high);
    }
}

void emit_branch_if(struct fn *fn, LLVMValueRef condition, uint32_t depth)
{
    struct control *control = control_at(fn, depth);
    LLVMBasicBlockRef next = fn_block(fn);

    if (control->kind == CONTROL_FUNCTION || emit_handler_exits_needed(fn, depth)) {
        LLVMBasicBlockRef leave = fn_block(fn);
        make_canonical(fn, label_arity(control));
        build_hinted(fn, condition, leave, next);
        fn_position(fn, leave);
        emit_handler_exits(fn, exit_depth(fn, depth));
        emit_branch(fn, depth);
    } else {
        control_feed(fn, control);
        build_hinted(fn, condition, control->label, next);
    }
    fn_position(fn, next);
}

static LLVMValueRef pop_condition(struct fn *fn)
{
    LLVMValueRef value = fn_pop(fn);

    return LLVMBuildICmp(fn->builder, LLVMIntNE, value, unit_i32(fn->unit, 0), "");
}

/*
 * Where an entry of a br_table goes. A label that takes values, or that leaves handlers,
 * gets one block of its own a table: phis would else need an entry for every edge. Labels
 * without either are reached directly, and the function's end through `leave`.
 */
static LLVMBasicBlockRef table_target(struct fn *fn, uint32_t depth, LLVMBasicBlockRef *leave)
{
    struct control *control = control_at(fn, depth);

    if (control->kind == CONTROL_FUNCTION) {
        if (*leave == NULL) {
            *leave = fn_block(fn);
        }
        return *leave;
    }
    if (label_arity(control) == 0 && !emit_handler_exits_needed(fn, depth)) {
        control->is_reached = true;
        return control->label;
    }
    if (control->table_number != fn->table_count) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(fn->builder);
        control->table_number = fn->table_count;
        control->table_block = fn_block(fn);
        LLVMPositionBuilderAtEnd(fn->builder, control->table_block);
        emit_handler_exits(fn, exit_depth(fn, depth));
        control_feed(fn, control);
        LLVMBuildBr(fn->builder, control->label);
        LLVMPositionBuilderAtEnd(fn->builder, here);
    }
    return control->table_block;
}

static void emit_br_table(struct fn *fn)
{
    LLVMValueRef selector = fn_pop(fn);
    const uint8_t *list = fn->in.list;
    LLVMBasicBlockRef leave = NULL;

    fn->table_count++;
    make_canonical(fn, label_arity(control_at(fn, fn->in.index)));
    LLVMBasicBlockRef fallback = table_target(fn, fn->in.index, &leave);
    LLVMValueRef chosen = LLVMBuildSwitch(fn->builder, selector, fallback, fn->in.list_count);
    for (uint32_t i = 0; i < fn->in.list_count; i++) {
        uint32_t depth = list_next_label(&list);
        if (depth != fn->in.index) {
            LLVMAddCase(chosen, unit_i32(fn->unit, i), table_target(fn, depth, &leave));
        }
    }
    if (leave != NULL) {
        fn_position(fn, leave);
        emit_handler_exits(fn, fn->control_count);
        emit_return(fn);
    }
}

static void begin_if(struct fn *fn)
{
    LLVMValueRef condition = pop_condition(fn);
    struct control *control = control_push(fn, CONTROL_IF);

    control_set_type(fn, control, &fn->in.block);
    control->param_base = reserve_phis(fn, control->param_count);
    for (uint32_t i = 0; i < control->param_count; i++) {
        LLVMValueRef *value = &fn->stack[control->stack_base + i];
        *value = fn_canonical(fn, *value);
        fn->phis[control->param_base + i] = *value;
    }
    control_make_label(fn, control);
    LLVMBasicBlockRef then_block = fn_block(fn);
    control->else_block = fn_block(fn);
    build_hinted(fn, condition, then_block, control->else_block);
    fn_position(fn, then_block);
}

static void begin_else(struct fn *fn)
{
    struct control *control = control_at(fn, 0);

    if (!fn->is_unreachable) {
        control_feed(fn, control);
        LLVMBuildBr(fn->builder, control->label);
    }
    control->kind = CONTROL_ELSE;
    fn->is_unreachable = false;
    fn->stack_count = control->stack_base;
    fn_position(fn, control->else_block);
    for (uint32_t i = 0; i < control->param_count; i++) {
        fn_push(fn, fn->phis[control->param_base + i]);
    }
}

static void begin_loop(struct fn *fn)
{
    struct control *control = control_push(fn, CONTROL_LOOP);

    control_set_type(fn, control, &fn->in.block);
    control_make_label(fn, control);
    control_feed(fn, control);
    control->is_reached = false;
    LLVMBuildBr(fn->builder, control->label);
    fn_position(fn, control->label);
    fn->stack_count = control->stack_base;
    for (uint32_t i = 0; i < control->param_count; i++) {
        fn_push(fn, fn->phis[control->phi_base + i]);
    }
}

/* The end of a block: code behind it is reachable when anything arrives there. */
void control_leave_reachable(struct fn *fn)
{
    struct control *control = control_at(fn, 0);

    if (control->kind == CONTROL_LOOP) {
        /* The end of a loop is only reached by falling through. */
        if (!fn->is_unreachable) {
            LLVMValueRef *values = &fn->stack[fn->stack_count - control->result_count];
            for (uint32_t i = 0; i < control->result_count; i++) {
                fn->stack[control->stack_base + i] = values[i];
            }
            fn->stack_count = control->stack_base + control->result_count;
        }
    } else {
        if (!fn->is_unreachable) {
            control_feed(fn, control);
            LLVMBuildBr(fn->builder, control->label);
        }
        fn->stack_count = control->stack_base;
        if (control->is_reached) {
            fn_position(fn, control->label);
            for (uint32_t i = 0; i < control->result_count; i++) {
                fn_push(fn, fn->phis[control->phi_base + i]);
            }
            fn->is_unreachable = false;
        } else {
            LLVMDeleteBasicBlock(control->label);
            become_unreachable(fn);
        }
    }
    fn->phi_count = control->phi_base;
    fn->control_count--;
}

static void end_block(struct fn *fn)
{
    struct control *control = control_at(fn, 0);

    if (control->kind == CONTROL_FUNCTION) {
        if (!fn->is_unreachable) {
            emit_return(fn);
        }
        fn->control_count--;
        return;
    }
    uint32_t phi_floor = control->kind == CONTROL_IF || control->kind == CONTROL_ELSE
                             ? control->param_base
                             : control->phi_base;
    if (control->kind == CONTROL_IF) {
        /* Without an else the parameters are the results. */
        begin_else(fn);
    }
    control_leave_reachable(fn);
    fn->phi_count = phi_floor;
}

static void emit_select(struct fn *fn)
{
    LLVMValueRef condition = pop_condition(fn);
    LLVMValueRef otherwise = fn_canonical(fn, fn_pop(fn));
    LLVMValueRef chosen = fn_canonical(fn, fn_pop(fn));

    fn_push(fn, LLVMBuildSelect(fn->builder, condition, chosen, otherwise, ""));
}

bool emit_control(struct fn *fn)
{
    LLVMValueRef condition;
    struct control *control;

    switch ((unsigned)fn->in.opcode) {
    case OP_UNREACHABLE:
        LLVMBuildBr(fn->builder, fn_trap_block(fn, WASM_TRAP_UNREACHABLE));
        become_unreachable(fn);
        break;
    case OP_NOP:
        break;
    case OP_BLOCK:
        control = control_push(fn, CONTROL_BLOCK);
        control_set_type(fn, control, &fn->in.block);
        control_make_label(fn, control);
        break;
    case OP_LOOP:
        begin_loop(fn);
        break;
    case OP_IF:
        begin_if(fn);
        break;
    case OP_ELSE:
        begin_else(fn);
        break;
    case OP_END:
        if (fn->control_count > 0 && control_at(fn, 0)->kind >= CONTROL_TRY_TABLE) {
            return false;
        }
        end_block(fn);
        break;
    case OP_BR:
        emit_handler_exits(fn, exit_depth(fn, fn->in.index));
        emit_branch(fn, fn->in.index);
        become_unreachable(fn);
        break;
    case OP_BR_IF:
        condition = pop_condition(fn);
        emit_branch_if(fn, condition, fn->in.index);
        break;
    case OP_BR_TABLE:
        emit_br_table(fn);
        become_unreachable(fn);
        break;
    case OP_RETURN:
        emit_handler_exits(fn, fn->control_count);
        emit_return(fn);
        become_unreachable(fn);
        break;
    case OP_DROP:
        fn_pop(fn);
        break;
    case OP_SELECT:
    case OP_SELECT_TYPED:
        emit_select(fn);
        break;
    default:
        return false;
    }
    return true;
}
