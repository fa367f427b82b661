/*
 * Which value a variable has. The module's producer says: between these offsets of code it
 * is what this local holds, or computed from it. Each time a local gets a value, and each time
 * such a range starts or ends, LLVM is told. No code is added: where the value of a local is
 * not at hand when a range starts, behind a join of control flow say, the next instruction
 * that reads the local tells.
 */
#include <stdlib.h>

#include "aot/debug.h"

enum operation {
    OPERATION_DEREF = 0x06,
    OPERATION_CONSTU = 0x10,
    OPERATION_AND = 0x1a,
    OPERATION_SHL = 0x24,
    OPERATION_SHRA = 0x26,
    OPERATION_STACK_VALUE = 0x9f,
    OPERATION_LLVM_FRAGMENT = 0x1000,
};

struct expression_words {
    uint64_t words[PLACE_MAX_OPERATIONS + 12];
    size_t count;
};

static void add_word(struct expression_words *out, uint64_t word)
{
    out->words[out->count++] = word;
}

/* A register's upper half, or what lies behind a spilled value, does not count. */
static void add_width(struct expression_words *out, bool is_signed)
{
    add_word(out, OPERATION_CONSTU);
    if (!is_signed) {
        add_word(out, UINT32_MAX);
        add_word(out, OPERATION_AND);
        return;
    }
    add_word(out, 32);
    add_word(out, OPERATION_SHL);
    add_word(out, OPERATION_CONSTU);
    add_word(out, 32);
    add_word(out, OPERATION_SHRA);
}

static void add_operations(struct expression_words *out, const struct debug_place *place,
                           bool is_narrow, bool is_declared)
{
    bool is_plain = !place->is_memory && place->operation_count == 0;
    if (is_plain) {
        return;
    }
    if (is_narrow) {
        add_width(out, place->is_signed);
    }
    for (uint32_t i = 0; i < place->operation_count; i++) {
        add_word(out, place->operations[i]);
    }
    if (!is_declared) {
        add_word(out, place->is_memory ? OPERATION_DEREF : OPERATION_STACK_VALUE);
    }
}

/* False when LLVM would refuse the piece. */
static bool add_piece(struct expression_words *out, const struct debug_place *place,
                      uint64_t variable_bits)
{
    if (place->piece_bits == 0 ||
        (place->piece_offset_bits == 0 && place->piece_bits == variable_bits)) {
        return true;
    }
    if ((uint64_t)place->piece_offset_bits + place->piece_bits > variable_bits) {
        return false;
    }
    add_word(out, OPERATION_LLVM_FRAGMENT);
    add_word(out, place->piece_offset_bits);
    add_word(out, place->piece_bits);
    return true;
}

/* What LLVM is to be told; false when that cannot be said. */
static bool make_words(struct fn *fn, const struct debug_range *range, LLVMTypeRef type,
                       bool is_declared, struct expression_words *out)
{
    const struct unit *unit = fn->unit;
    bool is_plain = !range->place.is_memory && range->place.operation_count == 0;

    out->count = 0;
    if (type != NULL && !is_plain && type != unit->i32 && type != unit->i64) {
        return false;
    }
    if (type != NULL) {
        add_operations(out, &range->place, type == unit->i32, is_declared);
    }
    return add_piece(out, &range->place, fn->debug->variable_bits[range->variable]);
}

/* `value` NULL: nobody knows any more. */
static void tell(struct fn *fn, uint32_t index, LLVMValueRef value)
{
    struct unit *unit = fn->unit;
    struct debug_fn *debug = fn->debug;
    const struct debug_range *range = &debug->info->ranges[index];
    LLVMMetadataRef variable = debug->variables[range->variable];
    struct expression_words words;
    /* The two ways to say that a value leads to memory differ for a value that is spilled: LLVM
     * gets the one right where it selects instructions quickly, the other where it does not. */
    bool is_declared =
        value != NULL && range->place.is_memory && unit->gen->options->optimization == 0;

    if (variable == NULL || (value == NULL && !debug->ranges[index].is_shown) ||
        !make_words(fn, range, value == NULL ? NULL : LLVMTypeOf(value), is_declared, &words)) {
        return;
    }
    debug->ranges[index].is_shown = true;
    const struct debug_fn_scope *scope =
        &debug->scopes[debug->info->variables[range->variable].scope];
    LLVMMetadataRef location =
        LLVMDIBuilderCreateDebugLocation(unit->context, 0, 0, scope->scope, scope->inlined_at);
    LLVMMetadataRef expression =
        LLVMDIBuilderCreateExpression(unit->debug_builder, words.words, words.count);
    LLVMBasicBlockRef block = LLVMGetInsertBlock(fn->builder);
    if (is_declared) {
        LLVMDIBuilderInsertDeclareRecordAtEnd(unit->debug_builder, value, variable, expression,
                                              location, block);
    } else {
        LLVMDIBuilderInsertDbgValueRecordAtEnd(unit->debug_builder,
                                               value == NULL ? LLVMGetPoison(unit->i32) : value,
                                               variable, expression, location, block);
    }
}

/* ---- Locals ---------------------------------------------------------------------------------- */

/* NULL when it is not at hand. */
static LLVMValueRef local_value(struct fn *fn, uint32_t local)
{
    struct debug_fn *debug = fn->debug;
    if (debug->values[local] != NULL && debug->epochs[local] == debug->epoch) {
        return debug->values[local];
    }
    bool is_parameter = local < fn->module->types[fn->function->type].param_count;
    return is_parameter && debug->epoch == 0 && debug->values[local] == NULL
               ? LLVMGetParam(fn->llvm, local)
               : NULL;
}

static void tell_all(struct fn *fn, uint32_t local, LLVMValueRef value)
{
    struct debug_fn *debug = fn->debug;
    for (uint32_t at = debug->first_range[local]; at != 0; at = debug->ranges[at - 1].next) {
        tell(fn, at - 1, value);
    }
}

void debug_set_local(struct fn *fn, uint32_t local, LLVMValueRef value)
{
    struct debug_fn *debug = fn->debug;
    if (debug == NULL || debug->values == NULL) {
        return;
    }
    debug->values[local] = value;
    debug->epochs[local] = debug->epoch;
    tell_all(fn, local, value);
}

void debug_get_local(struct fn *fn, uint32_t local, LLVMValueRef value)
{
    struct debug_fn *debug = fn->debug;
    if (debug != NULL && debug->values != NULL && local_value(fn, local) == NULL) {
        debug_set_local(fn, local, value);
    }
}

/* ---- Ranges ---------------------------------------------------------------------------------- */

static void start_range(struct fn *fn, uint32_t index)
{
    struct debug_fn *debug = fn->debug;
    const struct debug_place *place = &debug->info->ranges[index].place;
    struct debug_fn_range *range = &debug->ranges[index];
    range->is_active = true;
    switch (place->kind) {
    case PLACE_LOCAL: {
        uint32_t *first = &debug->first_range[place->index];
        range->next = *first;
        if (*first != 0) {
            debug->ranges[*first - 1].previous = index + 1;
        }
        *first = index + 1;
        LLVMValueRef value = local_value(fn, (uint32_t)place->index);
        if (value != NULL) {
            tell(fn, index, value);
        }
        break;
    }
    case PLACE_STACK:
        if (place->index < fn->stack_count) {
            tell(fn, index, fn->stack[place->index]);
        }
        break;
    case PLACE_CONSTANT: {
        uint64_t bits = debug->variable_bits[debug->info->ranges[index].variable];
        if (place->operation_count == 0 && bits != 0 && bits <= 64) {
            tell(fn, index, unit_i64(fn->unit, place->index));
        }
        break;
    }
    case PLACE_ADDRESS:
        break;
    }
}

static void end_range(struct fn *fn, uint32_t index)
{
    struct debug_fn *debug = fn->debug;
    const struct debug_place *place = &debug->info->ranges[index].place;
    struct debug_fn_range *range = &debug->ranges[index];
    if (!range->is_active) {
        return;
    }
    range->is_active = false;
    if (place->kind == PLACE_LOCAL) {
        if (range->previous != 0) {
            debug->ranges[range->previous - 1].next = range->next;
        } else {
            debug->first_range[place->index] = range->next;
        }
        if (range->next != 0) {
            debug->ranges[range->next - 1].previous = range->previous;
        }
    }
    tell(fn, index, NULL);
}

/* Where control flow joins, what locals hold depends on where it comes from. */
static bool is_join(const struct fn *fn)
{
    switch ((unsigned)fn->in.opcode) {
    case OP_LOOP:
    case OP_ELSE:
    case OP_END:
    case OP_CATCH:
    case OP_CATCH_ALL:
    case OP_DELEGATE:
        return true;
    default:
        return false;
    }
}

void debug_update_values(struct fn *fn)
{
    struct debug_fn *debug = fn->debug;
    if (debug == NULL || debug->values == NULL) {
        return;
    }
    const struct debug_function *info = debug->info;
    if (!fn->is_unreachable) {
        uint32_t offset = fn->in.start;
        while (debug->next_end < info->range_count &&
               info->ranges[debug->ends[debug->next_end]].end <= offset) {
            end_range(fn, debug->ends[debug->next_end++]);
        }
        while (debug->next_start < info->range_count &&
               info->ranges[debug->next_start].start <= offset) {
            if (info->ranges[debug->next_start].end > offset) {
                start_range(fn, debug->next_start);
            }
            debug->next_start++;
        }
    }
    debug->epoch += is_join(fn);
}

struct end_key {
    uint32_t end;
    uint32_t index;
};

static int compare_ends(const void *left, const void *right)
{
    const struct end_key *a = left;
    const struct end_key *b = right;
    if (a->end != b->end) {
        return a->end < b->end ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

void debug_start_values(struct fn *fn)
{
    struct debug_fn *debug = fn->debug;
    const struct debug_function *info = debug->info;
    uint32_t count = info->range_count;
    uint32_t local_count = fn->function->local_count;
    struct end_key *keys = arena_array(&debug->arena, struct end_key, count);

    debug->ranges = arena_array(&debug->arena, struct debug_fn_range, count);
    debug->first_range = arena_array(&debug->arena, uint32_t, local_count);
    debug->epochs = arena_array(&debug->arena, uint32_t, local_count);
    debug->ends = arena_array(&debug->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = (struct end_key){info->ranges[i].end, i};
    }
    if (count != 0) {
        qsort(keys, count, sizeof(*keys), compare_ends);
    }
    for (uint32_t i = 0; i < count; i++) {
        debug->ends[i] = keys[i].index;
    }
    debug->values = arena_array(&debug->arena, LLVMValueRef, local_count);
}
