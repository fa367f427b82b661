#include "aot/validate.h"

/* Control instructions, Wasm core §3.4.12 and the legacy exception proposal. */

static struct control *label_control(struct validator *v, uint32_t label)
{
    if (label >= v->control_count) {
        validator_fail(v, "unknown label %u", label);
    }
    return &v->controls[v->control_count - 1 - label];
}

/* What a branch to the block carries: a loop is entered anew, others are left. */
static struct type_span label_types(struct validator *v, const struct control *control)
{
    return control->opcode == OP_LOOP ? block_params(v->module, &control->block)
                                      : block_results(v->module, &control->block);
}

static void check_spans(struct validator *v, struct type_span found, struct type_span expected)
{
    if (found.count != expected.count) {
        validator_fail(v, "type mismatch: %u values where %u are expected", found.count,
                       expected.count);
    }
    for (uint32_t i = 0; i < found.count; i++) {
        if (!type_is_subtype(v->module, found.types[i], expected.types[i])) {
            validator_type_error(v, expected.types[i], found.types[i]);
        }
    }
}

static void open_block(struct validator *v, const struct instruction *instruction)
{
    if (instruction->block.form == BLOCK_TYPE) {
        const struct defined_type *type = &v->module->types[instruction->block.type];
        if (type->composite != COMPOSITE_FUNC) {
            validator_fail(v, "type mismatch: a block type must be a function type");
        }
        v->module->features |= 1u << FEATURE_MULTI_VALUE;
    }
    validator_pop_span(v, block_params(v->module, &instruction->block));
    validator_push_control(v, instruction->opcode, instruction->block);
}

static void check_tag(struct validator *v, uint32_t tag)
{
    if (tag >= v->module->tag_count) {
        validator_fail(v, "unknown tag %u", tag);
    }
}

static struct type_span tag_types(struct validator *v, uint32_t tag)
{
    check_tag(v, tag);
    const struct defined_type *type = &v->module->types[v->module->tags[tag].type];
    return (struct type_span){type->params, type->param_count};
}

/* try_table: each clause must fit its label, seen from outside of the block. */
static void check_catches(struct validator *v, const struct instruction *instruction)
{
    const uint8_t *list = instruction->list;
    for (uint32_t i = 0; i < instruction->list_count; i++) {
        struct catch_clause clause = list_next_catch(&list);
        struct type_span expected = label_types(v, label_control(v, clause.label));
        struct type_span found = {NULL, 0};
        if (clause.kind == CATCH || clause.kind == CATCH_REF) {
            found = tag_types(v, clause.tag);
        }
        if (clause.kind == CATCH_REF || clause.kind == CATCH_ALL_REF) {
            value_type exception = REF_TYPE(KIND_REF, HEAP_EXN);
            if (expected.count == 0) {
                validator_fail(v, "type mismatch: the label takes no exception reference");
            }
            expected.count--;
            if (!type_is_subtype(v->module, exception, expected.types[expected.count])) {
                validator_type_error(v, expected.types[expected.count], exception);
            }
        }
        check_spans(v, found, expected);
    }
}

static void validate_else(struct validator *v)
{
    struct control control = validator_pop_control(v);
    if (control.opcode != OP_IF) {
        validator_fail(v, "else without if: END opcode expected");
    }
    validator_push_control(v, OP_ELSE, control.block);
}

static void validate_end(struct validator *v)
{
    if (v->controls[v->control_count - 1].opcode == OP_IF) {
        /* A missing else branch hands the parameters through. */
        validate_else(v);
    }
    struct control control = validator_pop_control(v);
    validator_push_span(v, block_results(v->module, &control.block));
}

/* Legacy exceptions: try ... (catch tag ...)* (catch_all ...)? end, or try ... delegate. */
static void validate_catch(struct validator *v, const struct instruction *instruction)
{
    struct control control = validator_pop_control(v);
    if (control.opcode != OP_TRY && control.opcode != OP_CATCH) {
        validator_fail(v, "%s outside of a try block", opcode_infos[instruction->opcode].text);
    }
    struct block_type block = control.block;
    struct type_span values = {NULL, 0};
    if (instruction->opcode == OP_CATCH) {
        values = tag_types(v, instruction->index);
    }
    /* The parameters of the try block are not there any more: push what was caught. */
    validator_push_control(v, instruction->opcode, block);
    v->stack_count = v->controls[v->control_count - 1].height;
    validator_push_span(v, values);
}

static void validate_delegate(struct validator *v, const struct instruction *instruction)
{
    struct control control = validator_pop_control(v);
    if (control.opcode != OP_TRY) {
        validator_fail(v, "delegate outside of a try block");
    }
    label_control(v, instruction->index);
    validator_push_span(v, block_results(v->module, &control.block));
}

static void validate_rethrow(struct validator *v, const struct instruction *instruction)
{
    const struct control *control = label_control(v, instruction->index);
    if (control->opcode != OP_CATCH && control->opcode != OP_CATCH_ALL) {
        validator_fail(v, "invalid rethrow label %u: not a catch block", instruction->index);
    }
    validator_set_unreachable(v);
}

/* The values a branch would carry, checked without popping them. */
static void check_branch_values(struct validator *v, struct type_span span)
{
    const struct control *control = &v->controls[v->control_count - 1];
    uint32_t have = v->stack_count - control->height;
    for (uint32_t i = 0; i < span.count; i++) {
        value_type expected = span.types[span.count - 1 - i];
        if (i >= have) {
            if (control->is_unreachable) {
                return;
            }
            validator_fail(v, "type mismatch: the branch needs %u values, the stack has %u",
                           span.count, have);
        }
        value_type found = v->stack[v->stack_count - 1 - i];
        if (!type_is_subtype(v->module, found, expected)) {
            validator_type_error(v, expected, found);
        }
    }
}

static void validate_br_table(struct validator *v, const struct instruction *instruction)
{
    validator_pop(v, TYPE_I32);
    struct type_span last = label_types(v, label_control(v, instruction->index));
    check_branch_values(v, last);
    const value_type *checked = last.types;
    const uint8_t *list = instruction->list;
    for (uint32_t i = 0; i < instruction->list_count; i++) {
        uint32_t label = list_next_label(&list);
        struct type_span span = label_types(v, label_control(v, label));
        if (span.count != last.count) {
            validator_fail(v, "type mismatch: label %u carries %u values, the default %u", label,
                           span.count, last.count);
        }
        /* Many labels share few types: check each once. */
        if (span.count != 0 && span.types != checked) {
            check_branch_values(v, span);
            checked = span.types;
        }
    }
    validator_set_unreachable(v);
}

static void validate_br_if(struct validator *v, const struct instruction *instruction)
{
    validator_pop(v, TYPE_I32);
    struct type_span span = label_types(v, label_control(v, instruction->index));
    validator_pop_span(v, span);
    validator_push_span(v, span);
}

static value_type non_null(value_type type)
{
    return REF_TYPE(KIND_REF, type_heap(type));
}

static void validate_br_on_null(struct validator *v, const struct instruction *instruction)
{
    value_type reference = validator_pop_ref(v);
    struct type_span span = label_types(v, label_control(v, instruction->index));
    validator_pop_span(v, span);
    validator_push_span(v, span);
    validator_push(v, non_null(reference));
}

static void validate_br_on_non_null(struct validator *v, const struct instruction *instruction)
{
    struct type_span span = label_types(v, label_control(v, instruction->index));
    if (span.count == 0 || !type_is_ref(span.types[span.count - 1])) {
        validator_fail(v, "type mismatch: label %u does not carry a reference", instruction->index);
    }
    value_type reference = non_null(validator_pop_ref(v));
    value_type expected = span.types[span.count - 1];
    if (!type_is_subtype(v->module, reference, expected)) {
        validator_type_error(v, expected, reference);
    }
    span.count--;
    validator_pop_span(v, span);
    validator_push_span(v, span);
}

static struct type_span function_results(struct validator *v)
{
    const struct defined_type *type = &v->module->types[v->function->type];
    return (struct type_span){type->results, type->result_count};
}

/* A call of a function of this type; a tail call's results must be the caller's. */
static void validate_call_type(struct validator *v, const struct defined_type *type,
                               bool is_tail_call)
{
    struct type_span results = {type->results, type->result_count};
    v->function->flags |= FUNCTION_CALLS_BIT;
    validator_pop_span(v, (struct type_span){type->params, type->param_count});
    if (is_tail_call) {
        v->function->flags |= FUNCTION_TAIL_CALLS_BIT;
        check_spans(v, results, function_results(v));
        validator_set_unreachable(v);
    } else {
        validator_push_span(v, results);
    }
}

static const struct defined_type *called_type(struct validator *v, uint32_t index)
{
    if (index >= v->module->type_count) {
        validator_fail(v, "unknown type %u", index);
    }
    const struct defined_type *type = &v->module->types[index];
    if (type->composite != COMPOSITE_FUNC) {
        validator_fail(v, "type mismatch: type %u is not a function type", index);
    }
    return type;
}

static void validate_call(struct validator *v, const struct instruction *instruction)
{
    struct module *module = v->module;
    if (instruction->index >= module->function_count) {
        validator_fail(v, "unknown function %u", instruction->index);
    }
    module->functions[instruction->index].flags |= FUNCTION_CALLED_BIT;
    validate_call_type(v, function_type(module, instruction->index),
                       instruction->opcode == OP_RETURN_CALL);
}

static void validate_call_indirect(struct validator *v, const struct instruction *instruction)
{
    struct module *module = v->module;
    if (instruction->index2 >= module->table_count) {
        validator_fail(v, "unknown table %u", instruction->index2);
    }
    value_type element = module->tables[instruction->index2].element;
    if (!type_is_subtype(module, element, TYPE_FUNCREF)) {
        validator_type_error(v, TYPE_FUNCREF, element);
    }
    const struct defined_type *type = called_type(v, instruction->index);
    validator_pop(v, table_address_type(v, instruction->index2));
    validate_call_type(v, type, instruction->opcode == OP_RETURN_CALL_INDIRECT);
}

static void validate_call_ref(struct validator *v, const struct instruction *instruction)
{
    const struct defined_type *type = called_type(v, instruction->index);
    validator_pop(v, REF_TYPE(KIND_REF_NULL, instruction->index));
    validate_call_type(v, type, instruction->opcode == OP_RETURN_CALL_REF);
}

static void validate_throw(struct validator *v, const struct instruction *instruction)
{
    v->function->flags |= FUNCTION_THROWS_BIT;
    validator_pop_span(v, tag_types(v, instruction->index));
    validator_set_unreachable(v);
}

bool validate_control(struct validator *v, struct instruction *instruction)
{
    switch ((int)instruction->opcode) {
    case OP_UNREACHABLE:
        validator_set_unreachable(v);
        return true;
    case OP_TRY_TABLE:
        check_catches(v, instruction);
        v->function->flags |= FUNCTION_CATCHES_BIT;
        open_block(v, instruction);
        return true;
    case OP_TRY:
        v->function->flags |= FUNCTION_CATCHES_BIT;
        open_block(v, instruction);
        return true;
    case OP_LOOP:
        v->function->flags |= FUNCTION_LOOPS_BIT;
        open_block(v, instruction);
        return true;
    case OP_IF:
        validator_pop(v, TYPE_I32);
        open_block(v, instruction);
        return true;
    case OP_BLOCK:
        open_block(v, instruction);
        return true;
    case OP_ELSE:
        validate_else(v);
        return true;
    case OP_END:
        validate_end(v);
        return true;
    case OP_CATCH:
    case OP_CATCH_ALL:
        validate_catch(v, instruction);
        return true;
    case OP_DELEGATE:
        validate_delegate(v, instruction);
        return true;
    case OP_RETHROW:
        v->function->flags |= FUNCTION_THROWS_BIT;
        validate_rethrow(v, instruction);
        return true;
    case OP_THROW:
        validate_throw(v, instruction);
        return true;
    case OP_THROW_REF:
        v->function->flags |= FUNCTION_THROWS_BIT;
        validator_pop(v, TYPE_EXNREF);
        validator_set_unreachable(v);
        return true;
    case OP_BR:
        validator_pop_span(v, label_types(v, label_control(v, instruction->index)));
        validator_set_unreachable(v);
        return true;
    case OP_BR_IF:
        validate_br_if(v, instruction);
        return true;
    case OP_BR_TABLE:
        validate_br_table(v, instruction);
        return true;
    case OP_BR_ON_NULL:
        validate_br_on_null(v, instruction);
        return true;
    case OP_BR_ON_NON_NULL:
        validate_br_on_non_null(v, instruction);
        return true;
    case OP_RETURN:
        validator_pop_span(v, function_results(v));
        validator_set_unreachable(v);
        return true;
    case OP_CALL:
    case OP_RETURN_CALL:
        validate_call(v, instruction);
        return true;
    case OP_CALL_INDIRECT:
    case OP_RETURN_CALL_INDIRECT:
        validate_call_indirect(v, instruction);
        return true;
    case OP_CALL_REF:
    case OP_RETURN_CALL_REF:
        validate_call_ref(v, instruction);
        return true;
    default:
        return false;
    }
}
