#include "aot/validate.h"

#include <string.h>

#include "aot/decode.h"

/* Function bodies and constant expressions, Wasm core §3.4.13 and §3.4.14. */

/* Reads the local declarations into runs; parameters are runs of one. */
static void load_locals(struct validator *v, const struct defined_type *type)
{
    struct reader *reader = &v->reader;
    uint32_t declared = reader_leb_u32(reader);
    uint32_t needed = type->param_count + declared + 1;
    if (needed > v->run_capacity) {
        v->run_capacity = needed * 2;
        v->runs = arena_array(v->module->arena, struct local_run, v->run_capacity);
    }
    uint32_t end = 0;
    v->run_count = 0;
    for (uint32_t i = 0; i < type->param_count; i++) {
        v->runs[v->run_count++] = (struct local_run){++end, type->params[i]};
    }
    for (uint32_t i = 0; i < declared; i++) {
        end += reader_leb_u32(reader);
        v->runs[v->run_count++] = (struct local_run){end, read_value_type(v->module, reader)};
    }
    uint32_t local = 0;
    for (uint32_t i = 0; i < v->run_count; i++) {
        for (; local < v->runs[i].end && local < LOCAL_CACHE_COUNT; local++) {
            v->local_cache[local] = v->runs[i].type;
        }
    }
}

static void note_features(struct validator *v, const struct instruction *instruction)
{
    enum feature feature = (enum feature)opcode_infos[instruction->opcode].feature;
    v->module->features |= 1u << feature;
    if (feature == FEATURE_SIMD || feature == FEATURE_RELAXED_SIMD) {
        v->function->flags |= FUNCTION_USES_SIMD_BIT;
    }
}

void validate_function(struct validator *v, uint32_t index)
{
    struct module *module = v->module;
    struct function *function = &module->functions[index];
    struct instruction instruction;

    module->diag->function = index;
    v->function = function;
    v->reader = module_reader(module, function->body_start, function->body_end);
    v->reader.end_message = "unexpected end of section or function: END opcode expected";
    v->stack_count = 0;
    v->control_count = 0;
    v->set_count = 0;
    load_locals(v, &module->types[function->type]);

    /* The body is a block that takes nothing from the stack and leaves the results. */
    validator_push_control(v, OP_BLOCK, (struct block_type){.form = BLOCK_EMPTY});
    v->controls[0].block = (struct block_type){.form = BLOCK_TYPE, .type = function->type};
    while (v->control_count != 0) {
        v->offset = reader_offset(&v->reader);
        instruction_read(module, &v->reader, &instruction);
        note_features(v, &instruction);
        if (!validate_control(v, &instruction)) {
            validate_operation(v, &instruction);
        }
    }
    v->offset = reader_offset(&v->reader);
    if (reader_left(&v->reader) != 0) {
        validator_fail(v, "section size mismatch: code after the end of the function, "
                          "END opcode expected");
    }
    module->diag->function = DIAG_NO_FUNCTION;
}

static bool is_constant_opcode(const struct validator *v, enum opcode opcode)
{
    switch ((int)opcode) {
    case OP_I32_CONST:
    case OP_I64_CONST:
    case OP_F32_CONST:
    case OP_F64_CONST:
    case OP_V128_CONST:
    case OP_REF_NULL:
    case OP_REF_FUNC:
    case OP_GLOBAL_GET:
    case OP_END:
        return true;
    case OP_I32_ADD:
    case OP_I32_SUB:
    case OP_I32_MUL:
    case OP_I64_ADD:
    case OP_I64_SUB:
    case OP_I64_MUL:
        v->module->features |= 1u << FEATURE_EXTENDED_CONST;
        return (v->module->enabled & 1u << FEATURE_EXTENDED_CONST) != 0;
    default:
        return false;
    }
}

/* Before the garbage-collection proposal only imported globals could be named. */
static void check_constant_global(struct validator *v, uint32_t index)
{
    bool only_imported = (v->module->enabled & 1u << FEATURE_FUNCTION_REFERENCES) == 0;
    if (index >= v->visible_globals ||
        (only_imported && index >= v->module->imported_global_count)) {
        validator_fail(v, "unknown global %u", index);
    }
    if (v->module->globals[index].is_mutable) {
        validator_fail(v, "constant expression required: global %u is mutable", index);
    }
}

void validate_expression(struct validator *v, const struct expression *expression,
                         value_type expected, uint32_t visible_globals)
{
    struct instruction instruction;
    v->function = NULL;
    v->reader = module_reader(v->module, expression->start, expression->end);
    v->stack_count = 0;
    v->control_count = 0;
    v->set_count = 0;
    v->visible_globals = visible_globals;
    validator_push_control(v, OP_BLOCK,
                           (struct block_type){.form = BLOCK_VALUE, .value = expected});
    while (v->control_count != 0) {
        v->offset = reader_offset(&v->reader);
        instruction_read(v->module, &v->reader, &instruction);
        if (!is_constant_opcode(v, instruction.opcode)) {
            validator_fail(v, "constant expression required: %s is not constant",
                           opcode_infos[instruction.opcode].text);
        }
        if (instruction.opcode == OP_GLOBAL_GET) {
            check_constant_global(v, instruction.index);
        }
        if (instruction.opcode == OP_END) {
            validator_pop_control(v);
        } else {
            validate_operation(v, &instruction);
        }
    }
}
