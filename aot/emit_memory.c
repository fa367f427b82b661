/*
 * Loads, stores and bulk operations on linear memory (Wasm core §4.4.7).
 *
 * Memory 0 with 32-bit indices needs no check: it starts at the symbol wasm_memory, and
 * every address that index and offset can form lies in the reserved window, where the
 * MMU traps. Accesses to it are spelled as element addresses of that symbol, the form
 * from which LLVM proves most (docs/performance.md). Other memories check.
 */
#include "aot/codegen.h"

static bool is_guarded(const struct fn *fn, uint32_t memory)
{
    return memory == 0 && !fn->module->memories[0].limits.is_64;
}

static LLVMValueRef memory_field(struct fn *fn, uint32_t memory, unsigned field)
{
    LLVMValueRef where = unit_memory(fn->unit, memory);
    LLVMValueRef index = unit_i64(fn->unit, field);
    LLVMTypeRef type = field == 0 ? fn->unit->ptr : fn->unit->i64;
    LLVMValueRef address = LLVMBuildGEP2(fn->builder, fn->unit->i64, where, &index, 1, "");
    LLVMValueRef load = LLVMBuildLoad2(fn->builder, type, address, "");

    unit_tag_access(fn->unit, load, SCOPE_RUNTIME);
    return load;
}

/* The fields of struct wasm_memory used here, counted in eight bytes. */
#define MEMORY_FIELD_BASE       0u
#define MEMORY_FIELD_SIZE_BYTES 1u

static LLVMValueRef byte_address(struct fn *fn, LLVMValueRef base, LLVMValueRef offset)
{
    return LLVMBuildGEP2(fn->builder, fn->unit->i8, base, &offset, 1, "");
}

/* At -O0 the address of memory 0 is a value, loaded once: see target_create. */
static LLVMValueRef quick_base(struct fn *fn)
{
    if (fn->memory_base == NULL) {
        LLVMBasicBlockRef here = LLVMGetInsertBlock(fn->builder);
        LLVMMetadataRef location = LLVMGetCurrentDebugLocation2(fn->builder);

        LLVMPositionBuilderBefore(fn->builder, fn->entry_end);
        fn->memory_base =
            LLVMBuildLoad2(fn->builder, fn->unit->ptr, unit_memory_zero_address(fn->unit), "");
        LLVMPositionBuilderAtEnd(fn->builder, here);
        LLVMSetCurrentDebugLocation2(fn->builder, location);
    }
    return fn->memory_base;
}

LLVMValueRef emit_memory_pointer(struct fn *fn, uint32_t memory, LLVMValueRef start)
{
    LLVMValueRef base;

    if (memory != 0) {
        base = memory_field(fn, memory, MEMORY_FIELD_BASE);
    } else if (fn->unit->gen->options->optimization == 0) {
        base = quick_base(fn);
    } else {
        base = unit_memory_zero(fn->unit);
    }
    return byte_address(fn, base, start);
}

static LLVMValueRef widen(struct fn *fn, LLVMValueRef value)
{
    return LLVMBuildZExt(fn->builder, value, fn->unit->i64, "");
}

/* offset + start as 64 bits, without a displacement that the linker could not place. */
static LLVMValueRef guarded_offset(struct fn *fn, LLVMValueRef index, uint64_t offset)
{
    if (LLVMIsAConstantInt(index)) {
        uint64_t sum = LLVMConstIntGetZExtValue(index) + offset;
        return sum < ADDRESS_DIRECT_BYTES ? unit_i64(fn->unit, sum)
                                          : unit_opaque_i64(fn->unit, sum);
    }
    LLVMValueRef start = widen(fn, index);
    if (offset == 0) {
        return start;
    }
    LLVMValueRef addend = offset < ADDRESS_DIRECT_BYTES ? unit_i64(fn->unit, offset)
                                                        : unit_opaque_i64(fn->unit, offset);
    return offset < ADDRESS_DIRECT_BYTES ? LLVMBuildNUWAdd(fn->builder, start, addend, "")
                                         : LLVMBuildAdd(fn->builder, start, addend, "");
}

/* index + offset + bytes must neither wrap nor pass the end. */
static LLVMValueRef checked_offset(struct fn *fn, uint32_t memory, LLVMValueRef index,
                                   uint64_t offset, uint32_t bytes)
{
    LLVMBuilderRef builder = fn->builder;
    LLVMValueRef start = widen(fn, index);
    LLVMValueRef size = memory_field(fn, memory, MEMORY_FIELD_SIZE_BYTES);
    uint64_t end;

    if (__builtin_add_overflow(offset, bytes, &end)) {
        fn_trap_if(fn, LLVMConstInt(fn->unit->i1, 1, 0), WASM_TRAP_MEMORY_BOUNDS);
        end = UINT64_MAX;
    }
    LLVMValueRef room = LLVMBuildSub(builder, size, unit_i64(fn->unit, end), "");
    LLVMValueRef small = LLVMBuildICmp(builder, LLVMIntULT, size, unit_i64(fn->unit, end), "");
    LLVMValueRef past = LLVMBuildICmp(builder, LLVMIntUGT, start, room, "");
    fn_trap_if(fn, LLVMBuildOr(builder, small, past, ""), WASM_TRAP_MEMORY_BOUNDS);
    return LLVMBuildAdd(builder, start, unit_i64(fn->unit, offset), "");
}

LLVMValueRef emit_address(struct fn *fn, const struct instruction *in, LLVMValueRef index,
                          uint32_t bytes)
{
    LLVMValueRef offset = is_guarded(fn, in->memory)
                              ? guarded_offset(fn, index, in->offset)
                              : checked_offset(fn, in->memory, index, in->offset, bytes);

    return emit_memory_pointer(fn, in->memory, offset);
}

static LLVMValueRef build_load(struct fn *fn, LLVMTypeRef type)
{
    uint32_t bytes = 1u << opcode_infos[fn->in.opcode].log2_bytes;
    LLVMValueRef address = emit_address(fn, &fn->in, fn_pop(fn), bytes);
    LLVMValueRef load = LLVMBuildLoad2(fn->builder, type, address, "");

    /* The alignment in the instruction is a hint that programs may break. */
    LLVMSetAlignment(load, 1);
    unit_tag_access(fn->unit, load, SCOPE_MEMORY);
    return load;
}

static void push_load(struct fn *fn, LLVMTypeRef type)
{
    fn_push(fn, build_load(fn, type));
}

static void push_load_signed(struct fn *fn, LLVMTypeRef narrow, LLVMTypeRef type)
{
    fn_push(fn, LLVMBuildSExt(fn->builder, build_load(fn, narrow), type, ""));
}

static void push_load_unsigned(struct fn *fn, LLVMTypeRef narrow, LLVMTypeRef type)
{
    fn_push(fn, LLVMBuildZExt(fn->builder, build_load(fn, narrow), type, ""));
}

static void emit_store(struct fn *fn, LLVMTypeRef narrow)
{
    uint32_t bytes = 1u << opcode_infos[fn->in.opcode].log2_bytes;
    LLVMValueRef value = fn_pop(fn);

    if (narrow != NULL) {
        value = LLVMBuildTrunc(fn->builder, value, narrow, "");
    }
    LLVMValueRef address = emit_address(fn, &fn->in, fn_pop(fn), bytes);
    LLVMValueRef store = LLVMBuildStore(fn->builder, value, address);
    LLVMSetAlignment(store, 1);
    unit_tag_access(fn->unit, store, SCOPE_MEMORY);
}

void emit_memory_bounds(struct fn *fn, uint32_t memory, LLVMValueRef start, LLVMValueRef count)
{
    LLVMBuilderRef builder = fn->builder;
    LLVMValueRef size = memory_field(fn, memory, MEMORY_FIELD_SIZE_BYTES);
    LLVMValueRef room = LLVMBuildSub(builder, size, count, "");
    LLVMValueRef large = LLVMBuildICmp(builder, LLVMIntUGT, count, size, "");
    LLVMValueRef past = LLVMBuildICmp(builder, LLVMIntUGT, start, room, "");

    fn_trap_if(fn, LLVMBuildOr(builder, large, past, ""), WASM_TRAP_MEMORY_BOUNDS);
}

static void emit_memory_size(struct fn *fn)
{
    LLVMValueRef bytes = memory_field(fn, fn->in.memory, MEMORY_FIELD_SIZE_BYTES);
    LLVMValueRef pages = LLVMBuildLShr(fn->builder, bytes, unit_i64(fn->unit, 16), "");

    if (!fn->module->memories[fn->in.memory].limits.is_64) {
        pages = LLVMBuildTrunc(fn->builder, pages, fn->unit->i32, "");
    }
    fn_push(fn, pages);
}

static void emit_memory_grow(struct fn *fn)
{
    struct unit *unit = fn->unit;
    LLVMTypeRef params[2] = {unit->ptr, unit->i64};
    LLVMTypeRef type = LLVMFunctionType(unit->i64, params, 2, 0);
    LLVMValueRef function = unit_runtime(unit, "wasm_rt_memory_grow", type);
    LLVMValueRef arguments[2] = {unit_memory(unit, fn->in.memory), widen(fn, fn_pop(fn))};
    LLVMValueRef old = LLVMBuildCall2(fn->builder, type, function, arguments, 2, "");

    if (!fn->module->memories[fn->in.memory].limits.is_64) {
        old = LLVMBuildTrunc(fn->builder, old, unit->i32, "");
    }
    fn_push(fn, old);
}

static void emit_memory_fill(struct fn *fn)
{
    LLVMValueRef count = widen(fn, fn_pop(fn));
    LLVMValueRef byte = LLVMBuildTrunc(fn->builder, fn_pop(fn), fn->unit->i8, "");
    LLVMValueRef start = widen(fn, fn_pop(fn));

    emit_memory_bounds(fn, fn->in.memory, start, count);
    LLVMValueRef fill =
        LLVMBuildMemSet(fn->builder, emit_memory_pointer(fn, fn->in.memory, start), byte, count, 1);
    unit_tag_access(fn->unit, fill, SCOPE_MEMORY);
}

static void emit_memory_copy(struct fn *fn)
{
    uint32_t to = fn->in.memory;
    uint32_t from = fn->in.index2;
    LLVMValueRef count = widen(fn, fn_pop(fn));
    LLVMValueRef source = widen(fn, fn_pop(fn));
    LLVMValueRef destination = widen(fn, fn_pop(fn));

    emit_memory_bounds(fn, from, source, count);
    emit_memory_bounds(fn, to, destination, count);
    LLVMValueRef copy = LLVMBuildMemMove(fn->builder, emit_memory_pointer(fn, to, destination), 1,
                                         emit_memory_pointer(fn, from, source), 1, count);
    unit_tag_access(fn->unit, copy, SCOPE_MEMORY);
}

static void emit_memory_init(struct fn *fn)
{
    struct unit *unit = fn->unit;
    LLVMBuilderRef builder = fn->builder;
    LLVMValueRef count = widen(fn, fn_pop(fn));
    LLVMValueRef source = widen(fn, fn_pop(fn));
    LLVMValueRef destination = widen(fn, fn_pop(fn));
    LLVMValueRef size = LLVMBuildLoad2(builder, unit->i64, unit_data_size(unit, fn->in.index), "");

    /* Both numbers are zero-extended 32-bit values: the sum cannot wrap. */
    LLVMValueRef end = LLVMBuildAdd(builder, source, count, "");
    fn_trap_if(fn, LLVMBuildICmp(builder, LLVMIntUGT, end, size, ""), WASM_TRAP_MEMORY_BOUNDS);
    emit_memory_bounds(fn, fn->in.memory, destination, count);
    source =
        LLVMBuildAdd(builder, source, unit_i64(unit, unit->gen->data_offsets[fn->in.index]), "");
    LLVMBuildMemCpy(builder, emit_memory_pointer(fn, fn->in.memory, destination), 1,
                    byte_address(fn, unit_data_blob(unit), source), 1, count);
}

static bool emit_bulk(struct fn *fn)
{
    switch ((unsigned)fn->in.opcode) {
    case OP_MEMORY_SIZE:
        emit_memory_size(fn);
        break;
    case OP_MEMORY_GROW:
        emit_memory_grow(fn);
        break;
    case OP_MEMORY_FILL:
        emit_memory_fill(fn);
        break;
    case OP_MEMORY_COPY:
        emit_memory_copy(fn);
        break;
    case OP_MEMORY_INIT:
        emit_memory_init(fn);
        break;
    case OP_DATA_DROP:
        if (fn->module->datas[fn->in.index].is_used) {
            LLVMBuildStore(fn->builder, unit_i64(fn->unit, 0),
                           unit_data_size(fn->unit, fn->in.index));
        }
        break;
    default:
        return false;
    }
    return true;
}

bool emit_memory(struct fn *fn)
{
    const struct unit *unit = fn->unit;

    switch ((unsigned)fn->in.opcode) {
    case OP_I32_LOAD:
        push_load(fn, unit->i32);
        break;
    case OP_I64_LOAD:
        push_load(fn, unit->i64);
        break;
    case OP_F32_LOAD:
        push_load(fn, unit->f32);
        break;
    case OP_F64_LOAD:
        push_load(fn, unit->f64);
        break;
    case OP_I32_LOAD8_S:
        push_load_signed(fn, unit->i8, unit->i32);
        break;
    case OP_I32_LOAD8_U:
        push_load_unsigned(fn, unit->i8, unit->i32);
        break;
    case OP_I32_LOAD16_S:
        push_load_signed(fn, unit->i16, unit->i32);
        break;
    case OP_I32_LOAD16_U:
        push_load_unsigned(fn, unit->i16, unit->i32);
        break;
    case OP_I64_LOAD8_S:
        push_load_signed(fn, unit->i8, unit->i64);
        break;
    case OP_I64_LOAD8_U:
        push_load_unsigned(fn, unit->i8, unit->i64);
        break;
    case OP_I64_LOAD16_S:
        push_load_signed(fn, unit->i16, unit->i64);
        break;
    case OP_I64_LOAD16_U:
        push_load_unsigned(fn, unit->i16, unit->i64);
        break;
    case OP_I64_LOAD32_S:
        push_load_signed(fn, unit->i32, unit->i64);
        break;
    case OP_I64_LOAD32_U:
        push_load_unsigned(fn, unit->i32, unit->i64);
        break;
    case OP_I32_STORE:
    case OP_I64_STORE:
    case OP_F32_STORE:
    case OP_F64_STORE:
        emit_store(fn, NULL);
        break;
    case OP_I32_STORE8:
    case OP_I64_STORE8:
        emit_store(fn, unit->i8);
        break;
    case OP_I32_STORE16:
    case OP_I64_STORE16:
        emit_store(fn, unit->i16);
        break;
    case OP_I64_STORE32:
        emit_store(fn, unit->i32);
        break;
    default:
        return emit_bulk(fn);
    }
    return true;
}
