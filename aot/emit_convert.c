/* Conversions between value types (Wasm core §4.3.4). */
#include "aot/codegen.h"

/*
 * The open interval of floats whose truncation fits. A bound that the float type cannot
 * hold exactly is replaced by one that admits the same values of that type.
 */
struct truncation_range {
    double above;          /* smallest value refused below */
    double below;          /* smallest value refused above */
    bool above_is_allowed; /* `above` itself truncates to a fitting value */
};

static struct truncation_range truncation_range(bool from_f32, unsigned bits, bool is_signed)
{
    struct truncation_range range;

    if (!is_signed) {
        range.above = -1.0;
        range.above_is_allowed = false;
        range.below = 2.0 * (double)(1ull << (bits - 1));
        return range;
    }
    range.below = (double)(1ull << (bits - 1));
    range.above = -range.below;
    range.above_is_allowed = true;
    if (!from_f32 && bits == 32) {
        /* -2147483648.9 truncates to the smallest i32. */
        range.above -= 1.0;
        range.above_is_allowed = false;
    }
    return range;
}

static void push_truncate(struct fn *fn, LLVMTypeRef to, bool is_signed)
{
    LLVMBuilderRef builder = fn->builder;
    LLVMValueRef value = fn_pop(fn);
    LLVMTypeRef from = LLVMTypeOf(value);
    struct truncation_range range =
        truncation_range(from == fn->unit->f32, LLVMGetIntTypeWidth(to), is_signed);
    LLVMValueRef nan = LLVMBuildFCmp(builder, LLVMRealUNO, value, value, "");

    fn_trap_if(fn, nan, WASM_TRAP_INVALID_CONVERSION);
    LLVMValueRef low = LLVMBuildFCmp(builder, range.above_is_allowed ? LLVMRealOLT : LLVMRealOLE,
                                     value, LLVMConstReal(from, range.above), "");
    LLVMValueRef high =
        LLVMBuildFCmp(builder, LLVMRealOGE, value, LLVMConstReal(from, range.below), "");
    fn_trap_if(fn, LLVMBuildOr(builder, low, high, ""), WASM_TRAP_INTEGER_OVERFLOW);
    fn_push(fn, is_signed ? LLVMBuildFPToSI(builder, value, to, "")
                          : LLVMBuildFPToUI(builder, value, to, ""));
}

static void push_saturate(struct fn *fn, LLVMTypeRef to, bool is_signed)
{
    LLVMValueRef value = fn_pop(fn);
    LLVMTypeRef types[2] = {to, LLVMTypeOf(value)};
    const char *name = is_signed ? "llvm.fptosi.sat" : "llvm.fptoui.sat";

    fn_push(fn, unit_call_intrinsic(fn->unit, name, types, 2, &value, 1));
}

static void push_cast(struct fn *fn, LLVMOpcode opcode, LLVMTypeRef to)
{
    fn_push(fn, LLVMBuildCast(fn->builder, opcode, fn_pop(fn), to, ""));
}

/* Promotion and demotion quiet a NaN, so LLVM must not cancel one against the other. */
static void push_float_cast(struct fn *fn, LLVMOpcode opcode, LLVMOpcode inverse, LLVMTypeRef to)
{
    LLVMValueRef value = fn_pop(fn);

    if (LLVMIsAInstruction(value) && LLVMGetInstructionOpcode(value) == inverse) {
        value = unit_fence_float(fn->unit, value);
    }
    fn_push(fn, LLVMBuildCast(fn->builder, opcode, value, to, ""));
}

static void push_extend(struct fn *fn, LLVMTypeRef narrow)
{
    LLVMValueRef value = fn_pop(fn);
    LLVMTypeRef type = LLVMTypeOf(value);

    value = LLVMBuildTrunc(fn->builder, value, narrow, "");
    fn_push(fn, LLVMBuildSExt(fn->builder, value, type, ""));
}

static bool emit_truncation(struct fn *fn)
{
    LLVMTypeRef i32 = fn->unit->i32;
    LLVMTypeRef i64 = fn->unit->i64;

    switch ((unsigned)fn->in.opcode) {
    case OP_I32_TRUNC_F32_S:
    case OP_I32_TRUNC_F64_S:
        push_truncate(fn, i32, true);
        break;
    case OP_I32_TRUNC_F32_U:
    case OP_I32_TRUNC_F64_U:
        push_truncate(fn, i32, false);
        break;
    case OP_I64_TRUNC_F32_S:
    case OP_I64_TRUNC_F64_S:
        push_truncate(fn, i64, true);
        break;
    case OP_I64_TRUNC_F32_U:
    case OP_I64_TRUNC_F64_U:
        push_truncate(fn, i64, false);
        break;
    case OP_I32_TRUNC_SAT_F32_S:
    case OP_I32_TRUNC_SAT_F64_S:
        push_saturate(fn, i32, true);
        break;
    case OP_I32_TRUNC_SAT_F32_U:
    case OP_I32_TRUNC_SAT_F64_U:
        push_saturate(fn, i32, false);
        break;
    case OP_I64_TRUNC_SAT_F32_S:
    case OP_I64_TRUNC_SAT_F64_S:
        push_saturate(fn, i64, true);
        break;
    case OP_I64_TRUNC_SAT_F32_U:
    case OP_I64_TRUNC_SAT_F64_U:
        push_saturate(fn, i64, false);
        break;
    default:
        return false;
    }
    return true;
}

bool emit_convert(struct fn *fn)
{
    const struct unit *unit = fn->unit;

    if (emit_truncation(fn)) {
        return true;
    }
    switch ((unsigned)fn->in.opcode) {
    case OP_I32_WRAP_I64:
        push_cast(fn, LLVMTrunc, unit->i32);
        break;
    case OP_I64_EXTEND_I32_S:
        push_cast(fn, LLVMSExt, unit->i64);
        break;
    case OP_I64_EXTEND_I32_U:
        push_cast(fn, LLVMZExt, unit->i64);
        break;
    case OP_F32_CONVERT_I32_S:
    case OP_F32_CONVERT_I64_S:
        push_cast(fn, LLVMSIToFP, unit->f32);
        break;
    case OP_F32_CONVERT_I32_U:
    case OP_F32_CONVERT_I64_U:
        push_cast(fn, LLVMUIToFP, unit->f32);
        break;
    case OP_F64_CONVERT_I32_S:
    case OP_F64_CONVERT_I64_S:
        push_cast(fn, LLVMSIToFP, unit->f64);
        break;
    case OP_F64_CONVERT_I32_U:
    case OP_F64_CONVERT_I64_U:
        push_cast(fn, LLVMUIToFP, unit->f64);
        break;
    case OP_F32_DEMOTE_F64:
        push_float_cast(fn, LLVMFPTrunc, LLVMFPExt, unit->f32);
        break;
    case OP_F64_PROMOTE_F32:
        push_float_cast(fn, LLVMFPExt, LLVMFPTrunc, unit->f64);
        break;
    case OP_I32_REINTERPRET_F32:
        push_cast(fn, LLVMBitCast, unit->i32);
        break;
    case OP_I64_REINTERPRET_F64:
        push_cast(fn, LLVMBitCast, unit->i64);
        break;
    case OP_F32_REINTERPRET_I32:
        push_cast(fn, LLVMBitCast, unit->f32);
        break;
    case OP_F64_REINTERPRET_I64:
        push_cast(fn, LLVMBitCast, unit->f64);
        break;
    case OP_I32_EXTEND8_S:
    case OP_I64_EXTEND8_S:
        push_extend(fn, unit->i8);
        break;
    case OP_I32_EXTEND16_S:
    case OP_I64_EXTEND16_S:
        push_extend(fn, unit->i16);
        break;
    case OP_I64_EXTEND32_S:
        push_extend(fn, unit->i32);
        break;
    default:
        return false;
    }
    return true;
}
