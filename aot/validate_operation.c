#include "aot/validate.h"

#include <string.h>

/* Instructions that only move values, Wasm core §3.4.1 to §3.4.11. */

static struct memory *used_memory(struct validator *v, uint32_t index)
{
    struct module *module = v->module;
    if (index >= module->memory_count) {
        validator_fail(v, "unknown memory %u", index);
    }
    if (index != 0) {
        module->features |= 1u << FEATURE_MULTI_MEMORY;
    }
    module->memories[index].is_used = true;
    return &module->memories[index];
}

value_type memory_address_type(struct validator *v, uint32_t memory)
{
    return used_memory(v, memory)->limits.is_64 ? TYPE_I64 : TYPE_I32;
}

static struct table *used_table(struct validator *v, uint32_t index)
{
    if (index >= v->module->table_count) {
        validator_fail(v, "unknown table %u", index);
    }
    return &v->module->tables[index];
}

value_type table_address_type(struct validator *v, uint32_t table)
{
    return used_table(v, table)->limits.is_64 ? TYPE_I64 : TYPE_I32;
}

static value_type letter_type(char letter, value_type address)
{
    switch (letter) {
    case 'i':
        return TYPE_I32;
    case 'I':
        return TYPE_I64;
    case 'f':
        return TYPE_F32;
    case 'F':
        return TYPE_F64;
    case 'V':
        return TYPE_V128;
    default:
        return address;
    }
}

/* "ii:i": operands, popped from the last one, then results. */
static void apply_signature(struct validator *v, const char *signature, value_type address)
{
    size_t operand_count = strcspn(signature, ":");
    for (size_t i = operand_count; i > 0; i--) {
        validator_pop(v, letter_type(signature[i - 1], address));
    }
    for (const char *result = signature + operand_count + 1; *result != 0; result++) {
        validator_push(v, letter_type(*result, address));
    }
}

static void check_alignment(struct validator *v, const struct instruction *instruction,
                            const struct opcode_info *info)
{
    if (instruction->align_log2 > info->log2_bytes) {
        validator_fail(v, "alignment must not be larger than natural: 2^%u of %s",
                       instruction->align_log2, info->text);
    }
    if (info->feature == FEATURE_THREADS && instruction->align_log2 != info->log2_bytes) {
        validator_fail(v, "atomic alignment must be natural: 2^%u of %s", instruction->align_log2,
                       info->text);
    }
}

static void check_lane(struct validator *v, uint32_t lane, uint32_t count)
{
    if (lane >= count) {
        validator_fail(v, "invalid lane index %u", lane);
    }
}

static void check_shuffle(struct validator *v, const struct instruction *instruction)
{
    for (uint32_t i = 0; i < sizeof(instruction->bytes); i++) {
        check_lane(v, instruction->bytes[i], 32);
    }
}

static void check_data_index(struct validator *v, uint32_t index)
{
    if (!v->module->has_data_count) {
        validator_fail(v, "data count section required");
    }
    if (index >= v->module->data_count) {
        validator_fail(v, "unknown data segment %u", index);
    }
}

static struct element_segment *used_element(struct validator *v, uint32_t index)
{
    if (index >= v->module->element_count) {
        validator_fail(v, "unknown elem segment %u", index);
    }
    return &v->module->elements[index];
}

/* Instructions whose types are fixed but for the address: checks of their immediates. */
static value_type check_immediates(struct validator *v, const struct instruction *instruction,
                                   const struct opcode_info *info)
{
    switch ((int)info->immediate) {
    case IMM_MEMARG:
        check_alignment(v, instruction, info);
        return memory_address_type(v, instruction->memory);
    case IMM_MEMARG_LANE:
        check_alignment(v, instruction, info);
        check_lane(v, instruction->lane, 16u >> info->log2_bytes);
        return memory_address_type(v, instruction->memory);
    case IMM_MEMORY:
        if (instruction->opcode == OP_MEMORY_GROW) {
            used_memory(v, instruction->memory)->is_grown = true;
            v->function->flags |= FUNCTION_GROWS_MEMORY_BIT;
        }
        return memory_address_type(v, instruction->memory);
    case IMM_MEMORY_INIT:
        check_data_index(v, instruction->index);
        v->module->datas[instruction->index].is_used = true;
        return memory_address_type(v, instruction->memory);
    case IMM_DATA:
        check_data_index(v, instruction->index);
        v->module->datas[instruction->index].is_dropped = true;
        break;
    case IMM_ELEMENT:
        used_element(v, instruction->index)->is_dropped = true;
        break;
    case IMM_LANE:
        check_lane(v, instruction->lane, 16u >> info->log2_bytes);
        break;
    case IMM_SHUFFLE:
        check_shuffle(v, instruction);
        break;
    default:
        break;
    }
    return TYPE_BOTTOM;
}

static value_type local_type(struct validator *v, uint32_t index)
{
    if (index >= v->function->local_count) {
        validator_fail(v, "unknown local %u", index);
    }
    if (index < LOCAL_CACHE_COUNT) {
        return v->local_cache[index];
    }
    uint32_t low = 0;
    uint32_t high = v->run_count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index < v->runs[middle].end) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return v->runs[low].type;
}

/* Only locals without a default need to be watched; parameters have their values. */
static bool local_needs_init(const struct validator *v, uint32_t index, value_type type)
{
    return !type_has_default(type) && index >= v->module->types[v->function->type].param_count;
}

static void validate_local(struct validator *v, const struct instruction *instruction)
{
    uint32_t index = instruction->index;
    value_type type = local_type(v, index);
    if (instruction->opcode == OP_LOCAL_GET) {
        if (local_needs_init(v, index, type) && v->local_is_set[index] == 0) {
            validator_fail(v, "uninitialized local %u", index);
        }
        validator_push(v, type);
        return;
    }
    validator_pop(v, type);
    if (local_needs_init(v, index, type) && v->local_is_set[index] == 0) {
        v->local_is_set[index] = 1;
        v->set_locals[v->set_count++] = index;
    }
    if (instruction->opcode == OP_LOCAL_TEE) {
        validator_push(v, type);
    }
}

static void validate_global(struct validator *v, const struct instruction *instruction)
{
    if (instruction->index >= v->module->global_count) {
        validator_fail(v, "unknown global %u", instruction->index);
    }
    struct global *global = &v->module->globals[instruction->index];
    if (instruction->opcode == OP_GLOBAL_GET) {
        validator_push(v, global->type);
        return;
    }
    if (!global->is_mutable) {
        validator_fail(v, "global is immutable: immutable global %u", instruction->index);
    }
    global->is_set = true;
    validator_pop(v, global->type);
}

static void validate_table_copy(struct validator *v, const struct instruction *instruction)
{
    struct table *destination = used_table(v, instruction->index);
    struct table *source = used_table(v, instruction->index2);
    if (!type_is_subtype(v->module, source->element, destination->element)) {
        validator_type_error(v, destination->element, source->element);
    }
    destination->is_mutated = true;
    /* What is copied out element by element cannot be a constant of the object either. */
    source->is_mutated = true;
    bool both_64 = destination->limits.is_64 && source->limits.is_64;
    validator_pop(v, both_64 ? TYPE_I64 : TYPE_I32);
    validator_pop(v, table_address_type(v, instruction->index2));
    validator_pop(v, table_address_type(v, instruction->index));
}

static void validate_table_init(struct validator *v, const struct instruction *instruction)
{
    struct table *table = used_table(v, instruction->index2);
    struct element_segment *segment = used_element(v, instruction->index);
    if (!type_is_subtype(v->module, segment->type, table->element)) {
        validator_type_error(v, table->element, segment->type);
    }
    segment->is_used = true;
    table->is_mutated = true;
    validator_pop(v, TYPE_I32);
    validator_pop(v, TYPE_I32);
    validator_pop(v, table_address_type(v, instruction->index2));
}

static void validate_table(struct validator *v, const struct instruction *instruction)
{
    struct table *table = used_table(v, instruction->index);
    value_type address = table_address_type(v, instruction->index);
    switch ((int)instruction->opcode) {
    case OP_TABLE_GET:
        validator_pop(v, address);
        validator_push(v, table->element);
        break;
    case OP_TABLE_SET:
        table->is_mutated = true;
        validator_pop(v, table->element);
        validator_pop(v, address);
        break;
    case OP_TABLE_SIZE:
        validator_push(v, address);
        break;
    case OP_TABLE_GROW:
        table->is_mutated = true;
        table->is_grown = true;
        validator_pop(v, address);
        validator_pop(v, table->element);
        validator_push(v, address);
        break;
    default: /* table.fill */
        table->is_mutated = true;
        validator_pop(v, address);
        validator_pop(v, table->element);
        validator_pop(v, address);
        break;
    }
}

static void validate_memory_copy(struct validator *v, const struct instruction *instruction)
{
    value_type destination = memory_address_type(v, instruction->memory);
    value_type source = memory_address_type(v, instruction->index2);
    bool both_64 = destination == TYPE_I64 && source == TYPE_I64;
    validator_pop(v, both_64 ? TYPE_I64 : TYPE_I32);
    validator_pop(v, source);
    validator_pop(v, destination);
}

static void validate_select(struct validator *v, const struct instruction *instruction)
{
    validator_pop(v, TYPE_I32);
    if (instruction->opcode == OP_SELECT_TYPED) {
        if (instruction->list_count != 1) {
            validator_fail(v, "invalid result arity: select names %u types",
                           instruction->list_count);
        }
        validator_pop(v, instruction->type);
        validator_pop(v, instruction->type);
        validator_push(v, instruction->type);
        return;
    }
    value_type first = validator_pop_any(v);
    value_type second = validator_pop_any(v);
    if (type_is_ref(first) || type_is_ref(second)) {
        validator_fail(v, "type mismatch: select of references must name their type");
    }
    if (first != second && first != TYPE_BOTTOM && second != TYPE_BOTTOM) {
        validator_type_error(v, second, first);
    }
    validator_push(v, first == TYPE_BOTTOM ? second : first);
}

static void validate_ref_func(struct validator *v, const struct instruction *instruction)
{
    struct module *module = v->module;
    if (instruction->index >= module->function_count) {
        validator_fail(v, "unknown function %u", instruction->index);
    }
    struct function *function = &module->functions[instruction->index];
    if (v->function != NULL && (function->flags & FUNCTION_REFERENCED_BIT) == 0) {
        validator_fail(v, "undeclared function reference to function %u", instruction->index);
    }
    function->flags |= FUNCTION_REFERENCED_BIT;
    validator_push(v, REF_TYPE(KIND_REF, function->type));
}

void validate_operation(struct validator *v, struct instruction *instruction)
{
    const struct opcode_info *info = &opcode_infos[instruction->opcode];
    if (info->signature != NULL) {
        apply_signature(v, info->signature, check_immediates(v, instruction, info));
        return;
    }
    switch ((int)instruction->opcode) {
    case OP_LOCAL_GET:
    case OP_LOCAL_SET:
    case OP_LOCAL_TEE:
        validate_local(v, instruction);
        break;
    case OP_GLOBAL_GET:
    case OP_GLOBAL_SET:
        validate_global(v, instruction);
        break;
    case OP_DROP:
        validator_pop_any(v);
        break;
    case OP_SELECT:
    case OP_SELECT_TYPED:
        validate_select(v, instruction);
        break;
    case OP_REF_NULL:
        validator_push(v, instruction->type);
        break;
    case OP_REF_IS_NULL:
        validator_pop_ref(v);
        validator_push(v, TYPE_I32);
        break;
    case OP_REF_AS_NON_NULL:
        validator_push(v, REF_TYPE(KIND_REF, type_heap(validator_pop_ref(v))));
        break;
    case OP_REF_FUNC:
        validate_ref_func(v, instruction);
        break;
    case OP_MEMORY_COPY:
        validate_memory_copy(v, instruction);
        break;
    case OP_TABLE_COPY:
        validate_table_copy(v, instruction);
        break;
    case OP_TABLE_INIT:
        validate_table_init(v, instruction);
        break;
    case OP_TABLE_GET:
    case OP_TABLE_SET:
    case OP_TABLE_SIZE:
    case OP_TABLE_GROW:
    case OP_TABLE_FILL:
        validate_table(v, instruction);
        break;
    default:
        validator_fail(v, "illegal opcode: %s here", info->text);
    }
}
