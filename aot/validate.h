/*
 * What the files of the validator share: the abstract stack machine of Wasm core
 * appendix 7.3. Not for the rest of the compiler.
 *
 * One struct validator serves all functions of a module, one after the other; its
 * arrays live in the module's arena and only grow.
 */
#pragma once

#include "aot/instruction.h"
#include "aot/module.h"
#include "aot/reader.h"

struct type_span {
    const value_type *types;
    uint32_t count;
};

/* One open block. */
struct control {
    enum opcode opcode; /* block, loop, if, else, try, catch, catch_all, try_table */
    bool is_unreachable;
    struct block_type block;
    uint32_t height;      /* of the operand stack below the block's own values */
    uint32_t init_height; /* of the list of initialised locals */
};

/* A run of locals of one type, in declaration order. */
struct local_run {
    uint32_t end; /* first local behind the run */
    value_type type;
};

#define LOCAL_CACHE_COUNT 128u

struct validator {
    struct module *module;
    struct reader reader;
    struct function *function; /* NULL in constant expressions */
    uint32_t offset;           /* of the instruction being checked */

    value_type *stack;
    uint32_t stack_count;
    uint32_t stack_capacity;
    struct control *controls;
    uint32_t control_count;
    uint32_t control_capacity;

    /* Functions may declare far more locals than they have code: only the first ones are
     * spelled out, the others are found by bisection. */
    value_type local_cache[LOCAL_CACHE_COUNT];
    struct local_run *runs;
    uint32_t run_count;
    uint32_t run_capacity;
    /* Locals without a default that have been set, as flags and as a list to undo. */
    uint8_t *local_is_set;
    uint32_t *set_locals;
    uint32_t set_count;

    /* Globals that a constant expression may name: [0, visible_globals). */
    uint32_t visible_globals;
};

_Noreturn void validator_fail(struct validator *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void validator_type_error(struct validator *v, value_type expected, value_type found);

void validator_push(struct validator *v, value_type type);
value_type validator_pop_any(struct validator *v);
void validator_pop(struct validator *v, value_type expected);
value_type validator_pop_ref(struct validator *v);
void validator_push_span(struct validator *v, struct type_span span);
void validator_pop_span(struct validator *v, struct type_span span);
void validator_push_control(struct validator *v, enum opcode opcode, struct block_type block);
/* Closes the innermost block: its results must be on the stack, and nothing else. */
struct control validator_pop_control(struct validator *v);
void validator_set_unreachable(struct validator *v);

struct type_span block_params(const struct module *module, const struct block_type *block);
struct type_span block_results(const struct module *module, const struct block_type *block);

value_type memory_address_type(struct validator *v, uint32_t memory);
value_type table_address_type(struct validator *v, uint32_t table);

/* Instructions that open, close and leave blocks; false: not one of them. */
bool validate_control(struct validator *v, struct instruction *instruction);
/* All others. */
void validate_operation(struct validator *v, struct instruction *instruction);

void validate_function(struct validator *v, uint32_t function);
void validate_expression(struct validator *v, const struct expression *expression,
                         value_type expected, uint32_t visible_globals);
