#include "aot/validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The operand and control stacks, Wasm core appendix 7.3.1. */

void validator_fail(struct validator *v, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    diag_fail(v->module->diag, v->offset, "%s", text);
}

void validator_type_error(struct validator *v, value_type expected, value_type found)
{
    char left[32];
    char right[32];
    validator_fail(v, "type mismatch: expected %s, found %s", type_text(expected, left),
                   type_text(found, right));
}

static struct control *top_control(struct validator *v)
{
    return &v->controls[v->control_count - 1];
}

void validator_push(struct validator *v, value_type type)
{
    if (v->stack_count == v->stack_capacity) {
        uint32_t capacity = v->stack_capacity == 0 ? 256 : v->stack_capacity * 2;
        value_type *stack = arena_array(v->module->arena, value_type, capacity);
        if (v->stack_count != 0) {
            memcpy(stack, v->stack, v->stack_count * sizeof(*stack));
        }
        v->stack = stack;
        v->stack_capacity = capacity;
    }
    v->stack[v->stack_count++] = type;
    if (v->function != NULL && v->stack_count > v->function->max_stack) {
        v->function->max_stack = v->stack_count;
    }
}

value_type validator_pop_any(struct validator *v)
{
    const struct control *control = top_control(v);
    if (v->stack_count == control->height) {
        if (!control->is_unreachable) {
            validator_fail(v, "type mismatch: the operand stack is empty here");
        }
        return TYPE_BOTTOM;
    }
    return v->stack[--v->stack_count];
}

void validator_pop(struct validator *v, value_type expected)
{
    const struct control *control = top_control(v);
    if (v->stack_count == control->height && !control->is_unreachable) {
        char text[32];
        validator_fail(v, "type mismatch: expected %s, but the operand stack is empty here",
                       type_text(expected, text));
    }
    value_type found = validator_pop_any(v);
    if (found != expected && !type_is_subtype(v->module, found, expected)) {
        validator_type_error(v, expected, found);
    }
}

value_type validator_pop_ref(struct validator *v)
{
    value_type found = validator_pop_any(v);
    if (found == TYPE_BOTTOM) {
        return REF_TYPE(KIND_REF, HEAP_BOTTOM);
    }
    if (!type_is_ref(found)) {
        char text[32];
        validator_fail(v, "type mismatch: expected a reference, found %s", type_text(found, text));
    }
    return found;
}

void validator_push_span(struct validator *v, struct type_span span)
{
    for (uint32_t i = 0; i < span.count; i++) {
        validator_push(v, span.types[i]);
    }
}

void validator_pop_span(struct validator *v, struct type_span span)
{
    for (uint32_t i = span.count; i != 0; i--) {
        validator_pop(v, span.types[i - 1]);
    }
}

struct type_span block_params(const struct module *module, const struct block_type *block)
{
    if (block->form != BLOCK_TYPE) {
        return (struct type_span){NULL, 0};
    }
    const struct defined_type *type = &module->types[block->type];
    return (struct type_span){type->params, type->param_count};
}

struct type_span block_results(const struct module *module, const struct block_type *block)
{
    switch (block->form) {
    case BLOCK_VALUE:
        return (struct type_span){&block->value, 1};
    case BLOCK_TYPE:
        return (struct type_span){module->types[block->type].results,
                                  module->types[block->type].result_count};
    case BLOCK_EMPTY:
        break;
    }
    return (struct type_span){NULL, 0};
}

void validator_push_control(struct validator *v, enum opcode opcode, struct block_type block)
{
    if (v->control_count == v->control_capacity) {
        uint32_t capacity = v->control_capacity == 0 ? 64 : v->control_capacity * 2;
        struct control *controls = arena_array(v->module->arena, struct control, capacity);
        if (v->control_count != 0) {
            memcpy(controls, v->controls, v->control_count * sizeof(*controls));
        }
        v->controls = controls;
        v->control_capacity = capacity;
    }
    v->controls[v->control_count++] = (struct control){
        .opcode = opcode,
        .block = block,
        .height = v->stack_count,
        .init_height = v->set_count,
    };
    if (v->function != NULL && v->control_count > v->function->max_block_depth) {
        v->function->max_block_depth = v->control_count;
    }
    validator_push_span(v, block_params(v->module, &block));
}

struct control validator_pop_control(struct validator *v)
{
    struct control control = *top_control(v);
    validator_pop_span(v, block_results(v->module, &control.block));
    if (v->stack_count != control.height) {
        validator_fail(v, "type mismatch: values remaining on stack at end of block: %u too many",
                       v->stack_count - control.height);
    }
    /* What a block initialised is not initialised behind it (Wasm core §3.4.13). */
    while (v->set_count > control.init_height) {
        v->local_is_set[v->set_locals[--v->set_count]] = 0;
    }
    v->control_count--;
    return control;
}

void validator_set_unreachable(struct validator *v)
{
    struct control *control = top_control(v);
    v->stack_count = control->height;
    control->is_unreachable = true;
}
