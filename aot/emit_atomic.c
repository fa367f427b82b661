/*
 * Atomic instructions (threads proposal), sequentially consistent. There is one agent:
 * nobody else can notify, so a wait whose value matches has timed out when it begins.
 */
#include "aot/codegen.h"

#define WAIT_NOT_EQUAL 1u
#define WAIT_TIMED_OUT 2u

/* The address of an access of `bytes`, which traps unless it is a multiple of them. */
static LLVMValueRef aligned_address(struct fn *fn, LLVMValueRef index, uint32_t bytes)
{
    LLVMBuilderRef builder = fn->builder;
    LLVMTypeRef type = LLVMTypeOf(index);

    if (bytes > 1) {
        LLVMValueRef sum = LLVMBuildAdd(builder, index, LLVMConstInt(type, fn->in.offset, 0), "");
        LLVMValueRef low = LLVMBuildAnd(builder, sum, LLVMConstInt(type, bytes - 1, 0), "");
        LLVMValueRef odd = LLVMBuildICmp(builder, LLVMIntNE, low, LLVMConstNull(type), "");
        fn_trap_if(fn, odd, WASM_TRAP_UNALIGNED_ATOMIC);
    }
    return emit_address(fn, &fn->in, index, bytes);
}

static uint32_t access_bytes(const struct fn *fn)
{
    return 1u << opcode_infos[fn->in.opcode].log2_bytes;
}

static LLVMTypeRef access_type(const struct fn *fn)
{
    return LLVMIntTypeInContext(fn->unit->context, 8 * access_bytes(fn));
}

/* The type of the value on the operand stack, which the instruction's name starts with. */
static LLVMTypeRef value_type_of(const struct fn *fn)
{
    bool is_i64 = opcode_infos[fn->in.opcode].text[1] == '6';

    return is_i64 ? fn->unit->i64 : fn->unit->i32;
}

static LLVMValueRef narrow(struct fn *fn, LLVMValueRef value)
{
    return LLVMBuildTrunc(fn->builder, value, access_type(fn), "");
}

static void push_wide(struct fn *fn, LLVMValueRef value)
{
    fn_push(fn, LLVMBuildZExt(fn->builder, value, value_type_of(fn), ""));
}

static LLVMValueRef load_ordered(struct fn *fn, LLVMValueRef address)
{
    LLVMValueRef load = LLVMBuildLoad2(fn->builder, access_type(fn), address, "");

    LLVMSetAlignment(load, access_bytes(fn));
    LLVMSetOrdering(load, LLVMAtomicOrderingSequentiallyConsistent);
    LLVMSetVolatile(load, 1);
    return load;
}

static void emit_atomic_store(struct fn *fn)
{
    LLVMValueRef value = narrow(fn, fn_pop(fn));
    LLVMValueRef address = aligned_address(fn, fn_pop(fn), access_bytes(fn));
    LLVMValueRef store = LLVMBuildStore(fn->builder, value, address);

    LLVMSetAlignment(store, access_bytes(fn));
    LLVMSetOrdering(store, LLVMAtomicOrderingSequentiallyConsistent);
}

static void emit_read_modify_write(struct fn *fn, LLVMAtomicRMWBinOp operation)
{
    LLVMValueRef value = narrow(fn, fn_pop(fn));
    LLVMValueRef address = aligned_address(fn, fn_pop(fn), access_bytes(fn));
    LLVMValueRef old = LLVMBuildAtomicRMW(fn->builder, operation, address, value,
                                          LLVMAtomicOrderingSequentiallyConsistent, 0);

    LLVMSetVolatile(old, 1);
    push_wide(fn, old);
}

/* Expected value and replacement are both wrapped to the width of the access. */
static void emit_compare_exchange(struct fn *fn)
{
    LLVMValueRef replacement = narrow(fn, fn_pop(fn));
    LLVMValueRef expected = narrow(fn, fn_pop(fn));
    LLVMValueRef address = aligned_address(fn, fn_pop(fn), access_bytes(fn));
    LLVMValueRef pair = LLVMBuildAtomicCmpXchg(fn->builder, address, expected, replacement,
                                               LLVMAtomicOrderingSequentiallyConsistent,
                                               LLVMAtomicOrderingSequentiallyConsistent, 0);

    LLVMSetVolatile(pair, 1);
    push_wide(fn, LLVMBuildExtractValue(fn->builder, pair, 0, ""));
}

static void emit_wait(struct fn *fn)
{
    fn_pop(fn); /* the time-out */
    LLVMValueRef expected = fn_pop(fn);
    LLVMValueRef address = aligned_address(fn, fn_pop(fn), access_bytes(fn));

    if (!fn->module->memories[fn->in.memory].limits.is_shared) {
        fn_trap_if(fn, LLVMConstInt(fn->unit->i1, 1, 0), WASM_TRAP_EXPECTED_SHARED_MEMORY);
    }
    LLVMValueRef value = load_ordered(fn, address);
    LLVMValueRef differs = LLVMBuildICmp(fn->builder, LLVMIntNE, value, expected, "");
    fn_push(fn, LLVMBuildSelect(fn->builder, differs, unit_i32(fn->unit, WAIT_NOT_EQUAL),
                                unit_i32(fn->unit, WAIT_TIMED_OUT), ""));
}

static void emit_notify(struct fn *fn)
{
    fn_pop(fn); /* how many to wake */
    load_ordered(fn, aligned_address(fn, fn_pop(fn), access_bytes(fn)));
    fn_push(fn, unit_i32(fn->unit, 0));
}

/* Read-modify-write instructions come in groups of seven, one an operation. */
static bool emit_group(struct fn *fn)
{
    static const struct {
        enum opcode first;
        LLVMAtomicRMWBinOp operation;
    } groups[] = {
        {OP_I32_ATOMIC_RMW_ADD, LLVMAtomicRMWBinOpAdd},
        {OP_I32_ATOMIC_RMW_SUB, LLVMAtomicRMWBinOpSub},
        {OP_I32_ATOMIC_RMW_AND, LLVMAtomicRMWBinOpAnd},
        {OP_I32_ATOMIC_RMW_OR, LLVMAtomicRMWBinOpOr},
        {OP_I32_ATOMIC_RMW_XOR, LLVMAtomicRMWBinOpXor},
        {OP_I32_ATOMIC_RMW_XCHG, LLVMAtomicRMWBinOpXchg},
    };

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (fn->in.opcode >= groups[i].first && fn->in.opcode < groups[i].first + 7) {
            emit_read_modify_write(fn, groups[i].operation);
            return true;
        }
    }
    if (fn->in.opcode >= OP_I32_ATOMIC_RMW_CMPXCHG &&
        fn->in.opcode <= OP_I64_ATOMIC_RMW32_CMPXCHG_U) {
        emit_compare_exchange(fn);
        return true;
    }
    return false;
}

bool emit_atomic(struct fn *fn)
{
    switch ((unsigned)fn->in.opcode) {
    case OP_MEMORY_ATOMIC_NOTIFY:
        emit_notify(fn);
        break;
    case OP_MEMORY_ATOMIC_WAIT32:
    case OP_MEMORY_ATOMIC_WAIT64:
        emit_wait(fn);
        break;
    case OP_ATOMIC_FENCE:
        LLVMBuildFence(fn->builder, LLVMAtomicOrderingSequentiallyConsistent, 0, "");
        break;
    case OP_I32_ATOMIC_LOAD:
    case OP_I64_ATOMIC_LOAD:
    case OP_I32_ATOMIC_LOAD8_U:
    case OP_I32_ATOMIC_LOAD16_U:
    case OP_I64_ATOMIC_LOAD8_U:
    case OP_I64_ATOMIC_LOAD16_U:
    case OP_I64_ATOMIC_LOAD32_U:
        push_wide(fn, load_ordered(fn, aligned_address(fn, fn_pop(fn), access_bytes(fn))));
        break;
    case OP_I32_ATOMIC_STORE:
    case OP_I64_ATOMIC_STORE:
    case OP_I32_ATOMIC_STORE8:
    case OP_I32_ATOMIC_STORE16:
    case OP_I64_ATOMIC_STORE8:
    case OP_I64_ATOMIC_STORE16:
    case OP_I64_ATOMIC_STORE32:
        emit_atomic_store(fn);
        break;
    default:
        return emit_group(fn);
    }
    return true;
}
