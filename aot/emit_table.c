/*
 * Tables and references (Wasm core §4.4.3, §4.4.6).
 *
 * Instructions that read or write elements one by one exist only for dynamic tables,
 * whose elements are references of eight bytes; table.get and table.size know
 * constant tables, too.
 */
#include "aot/codegen.h"

#define TABLE_FIELD_BASE 0u
#define TABLE_FIELD_SIZE 1u

static LLVMValueRef table_field(struct fn *fn, uint32_t table, unsigned field, LLVMTypeRef type)
{
    LLVMValueRef index = unit_i64(fn->unit, field);
    LLVMValueRef address =
        LLVMBuildGEP2(fn->builder, fn->unit->i64, unit_table(fn->unit, table), &index, 1, "");
    LLVMValueRef load = LLVMBuildLoad2(fn->builder, type, address, "");

    unit_tag_access(fn->unit, load, SCOPE_RUNTIME);
    return load;
}

static bool is_constant_table(const struct fn *fn, uint32_t table)
{
    return fn->unit->gen->table_forms[table] == TABLE_CONSTANT;
}

LLVMValueRef emit_table_base(struct fn *fn, uint32_t table)
{
    return table_field(fn, table, TABLE_FIELD_BASE, fn->unit->ptr);
}

LLVMValueRef emit_table_size(struct fn *fn, uint32_t table)
{
    if (is_constant_table(fn, table)) {
        return unit_i64(fn->unit, fn->module->tables[table].limits.minimum);
    }
    return table_field(fn, table, TABLE_FIELD_SIZE, fn->unit->i64);
}

static LLVMValueRef element_address(struct fn *fn, LLVMValueRef base, LLVMValueRef index)
{
    return LLVMBuildGEP2(fn->builder, fn->unit->ptr, base, &index, 1, "");
}

static LLVMValueRef pop_wide(struct fn *fn)
{
    return LLVMBuildZExt(fn->builder, fn_pop(fn), fn->unit->i64, "");
}

void emit_table_bounds(struct fn *fn, LLVMValueRef size, LLVMValueRef start, LLVMValueRef count)
{
    LLVMBuilderRef builder = fn->builder;
    LLVMValueRef room = LLVMBuildSub(builder, size, count, "");
    LLVMValueRef large = LLVMBuildICmp(builder, LLVMIntUGT, count, size, "");
    LLVMValueRef past = LLVMBuildICmp(builder, LLVMIntUGT, start, room, "");

    fn_trap_if(fn, LLVMBuildOr(builder, large, past, ""), WASM_TRAP_TABLE_BOUNDS);
}

/* In a constant table a reference is the address of its pair, null a pair of zeros. */
static LLVMValueRef constant_element(struct fn *fn, LLVMValueRef index)
{
    struct unit *unit = fn->unit;
    LLVMValueRef table = unit_table(unit, fn->in.index);
    LLVMValueRef pair = LLVMBuildGEP2(fn->builder, unit->function_pair, table, &index, 1, "");
    LLVMValueRef code = LLVMBuildLoad2(fn->builder, unit->ptr, pair, "");

    return LLVMBuildSelect(fn->builder, LLVMBuildIsNull(fn->builder, code, ""),
                           LLVMConstNull(unit->ptr), pair, "");
}

static void emit_table_get(struct fn *fn)
{
    LLVMValueRef index = pop_wide(fn);
    LLVMValueRef size = emit_table_size(fn, fn->in.index);

    fn_trap_if(fn, LLVMBuildICmp(fn->builder, LLVMIntUGE, index, size, ""), WASM_TRAP_TABLE_BOUNDS);
    if (is_constant_table(fn, fn->in.index)) {
        fn_push(fn, constant_element(fn, index));
        return;
    }
    LLVMValueRef slot = element_address(fn, emit_table_base(fn, fn->in.index), index);
    LLVMValueRef load = LLVMBuildLoad2(fn->builder, fn->unit->ptr, slot, "");
    unit_tag_access(fn->unit, load, SCOPE_TABLE);
    fn_push(fn, load);
}

static void emit_table_set(struct fn *fn)
{
    LLVMValueRef value = fn_pop(fn);
    LLVMValueRef index = pop_wide(fn);
    LLVMValueRef size = emit_table_size(fn, fn->in.index);

    fn_trap_if(fn, LLVMBuildICmp(fn->builder, LLVMIntUGE, index, size, ""), WASM_TRAP_TABLE_BOUNDS);
    LLVMValueRef slot = element_address(fn, emit_table_base(fn, fn->in.index), index);
    unit_tag_access(fn->unit, LLVMBuildStore(fn->builder, value, slot), SCOPE_TABLE);
}

/* for (i = 0; i < count; i++) base[start + i] = value */
static void fill_elements(struct fn *fn, LLVMValueRef base, LLVMValueRef start, LLVMValueRef count,
                          LLVMValueRef value)
{
    struct unit *unit = fn->unit;
    LLVMBuilderRef builder = fn->builder;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(builder);
    LLVMBasicBlockRef loop = fn_block(fn);
    LLVMBasicBlockRef done = fn_block(fn);
    LLVMValueRef none = LLVMBuildICmp(builder, LLVMIntEQ, count, unit_i64(unit, 0), "");
    LLVMValueRef first = element_address(fn, base, start);

    LLVMBuildCondBr(builder, none, done, loop);
    fn_position(fn, loop);
    LLVMValueRef i = LLVMBuildPhi(builder, unit->i64, "");
    unit_tag_access(unit, LLVMBuildStore(builder, value, element_address(fn, first, i)),
                    SCOPE_TABLE);
    LLVMValueRef next = LLVMBuildAdd(builder, i, unit_i64(unit, 1), "");
    LLVMValueRef more = LLVMBuildICmp(builder, LLVMIntULT, next, count, "");
    LLVMValueRef values[2] = {unit_i64(unit, 0), next};
    LLVMBasicBlockRef blocks[2] = {before, loop};
    LLVMAddIncoming(i, values, blocks, 2);
    LLVMBuildCondBr(builder, more, loop, done);
    fn_position(fn, done);
}

void emit_table_fill_range(struct fn *fn, uint32_t table, LLVMValueRef start, LLVMValueRef count,
                           LLVMValueRef value)
{
    fill_elements(fn, emit_table_base(fn, table), start, count, value);
}

static void emit_table_fill(struct fn *fn)
{
    LLVMValueRef count = pop_wide(fn);
    LLVMValueRef value = fn_pop(fn);
    LLVMValueRef start = pop_wide(fn);

    emit_table_bounds(fn, emit_table_size(fn, fn->in.index), start, count);
    fill_elements(fn, emit_table_base(fn, fn->in.index), start, count, value);
}

static void emit_table_grow(struct fn *fn)
{
    struct unit *unit = fn->unit;
    LLVMBuilderRef builder = fn->builder;
    LLVMValueRef delta = pop_wide(fn);
    LLVMValueRef value = fn_pop(fn);
    LLVMTypeRef params[2] = {unit->ptr, unit->i64};
    LLVMTypeRef type = LLVMFunctionType(unit->i64, params, 2, 0);
    LLVMValueRef function = unit_runtime(unit, "wasm_rt_table_grow", type);
    LLVMValueRef arguments[2] = {unit_table(unit, fn->in.index), delta};
    LLVMValueRef old = LLVMBuildCall2(builder, type, function, arguments, 2, "");
    LLVMValueRef failed = LLVMBuildICmp(builder, LLVMIntEQ, old, unit_i64(unit, UINT64_MAX), "");
    LLVMValueRef count = LLVMBuildSelect(builder, failed, unit_i64(unit, 0), delta, "");

    fill_elements(fn, emit_table_base(fn, fn->in.index), old, count, value);
    if (!fn->module->tables[fn->in.index].limits.is_64) {
        old = LLVMBuildTrunc(builder, old, unit->i32, "");
    }
    fn_push(fn, old);
}

static LLVMValueRef element_bytes(struct fn *fn, LLVMValueRef count)
{
    return LLVMBuildShl(fn->builder, count, unit_i64(fn->unit, 3), "");
}

static void emit_table_copy(struct fn *fn)
{
    uint32_t to = fn->in.index;
    uint32_t from = fn->in.index2;
    LLVMValueRef count = pop_wide(fn);
    LLVMValueRef source = pop_wide(fn);
    LLVMValueRef destination = pop_wide(fn);

    emit_table_bounds(fn, emit_table_size(fn, from), source, count);
    emit_table_bounds(fn, emit_table_size(fn, to), destination, count);
    LLVMBuildMemMove(fn->builder, element_address(fn, emit_table_base(fn, to), destination), 8,
                     element_address(fn, emit_table_base(fn, from), source), 8,
                     element_bytes(fn, count));
}

void emit_table_init(struct fn *fn, uint32_t segment, uint32_t table, LLVMValueRef destination,
                     LLVMValueRef source, LLVMValueRef count)
{
    struct unit *unit = fn->unit;
    LLVMValueRef size =
        LLVMBuildLoad2(fn->builder, unit->i64, unit_element_size(unit, segment), "");
    LLVMValueRef items = unit_element_items(unit, segment);

    emit_table_bounds(fn, size, source, count);
    emit_table_bounds(fn, emit_table_size(fn, table), destination, count);
    LLVMBuildMemCpy(fn->builder, element_address(fn, emit_table_base(fn, table), destination), 8,
                    element_address(fn, items, source), 8, element_bytes(fn, count));
}

static void push_table_size(struct fn *fn)
{
    LLVMValueRef size = emit_table_size(fn, fn->in.index);

    if (!fn->module->tables[fn->in.index].limits.is_64) {
        size = LLVMBuildTrunc(fn->builder, size, fn->unit->i32, "");
    }
    fn_push(fn, size);
}

bool emit_table(struct fn *fn)
{
    LLVMValueRef destination, source, count;

    switch ((unsigned)fn->in.opcode) {
    case OP_TABLE_GET:
        emit_table_get(fn);
        break;
    case OP_TABLE_SET:
        emit_table_set(fn);
        break;
    case OP_TABLE_SIZE:
        push_table_size(fn);
        break;
    case OP_TABLE_GROW:
        emit_table_grow(fn);
        break;
    case OP_TABLE_FILL:
        emit_table_fill(fn);
        break;
    case OP_TABLE_COPY:
        emit_table_copy(fn);
        break;
    case OP_TABLE_INIT:
        count = pop_wide(fn);
        source = pop_wide(fn);
        destination = pop_wide(fn);
        emit_table_init(fn, fn->in.index, fn->in.index2, destination, source, count);
        break;
    case OP_ELEM_DROP:
        if (fn->module->elements[fn->in.index].is_used) {
            LLVMBuildStore(fn->builder, unit_i64(fn->unit, 0),
                           unit_element_size(fn->unit, fn->in.index));
        }
        break;
    default:
        return false;
    }
    return true;
}

static void emit_branch_on(struct fn *fn, bool on_null)
{
    LLVMValueRef value = fn_pop(fn);
    LLVMValueRef is_null = LLVMBuildIsNull(fn->builder, value, "");

    if (on_null) {
        emit_branch_if(fn, is_null, fn->in.index);
        fn_push(fn, value);
    } else {
        fn_push(fn, value);
        emit_branch_if(fn, LLVMBuildNot(fn->builder, is_null, ""), fn->in.index);
        fn_pop(fn);
    }
}

bool emit_reference(struct fn *fn)
{
    LLVMValueRef value;

    switch ((unsigned)fn->in.opcode) {
    case OP_REF_NULL:
        fn_push(fn, LLVMConstNull(fn->unit->ptr));
        break;
    case OP_REF_IS_NULL:
        value = LLVMBuildIsNull(fn->builder, fn_pop(fn), "");
        fn_push(fn, LLVMBuildZExt(fn->builder, value, fn->unit->i32, ""));
        break;
    case OP_REF_FUNC:
        fn_push(fn, unit_function_ref(fn->unit, fn->in.index));
        break;
    case OP_REF_AS_NON_NULL:
        value = fn_pop(fn);
        fn_trap_if(fn, LLVMBuildIsNull(fn->builder, value, ""), WASM_TRAP_NULL_REFERENCE);
        fn_push(fn, value);
        break;
    case OP_BR_ON_NULL:
        emit_branch_on(fn, true);
        break;
    case OP_BR_ON_NON_NULL:
        emit_branch_on(fn, false);
        break;
    default:
        return false;
    }
    return true;
}
