/*
 * Numeric instructions on scalars (Wasm core §4.3): constants, comparisons, arithmetic.
 *
 * LLVM's defaults differ from Wasm's in three places, handled here: shift counts are taken
 * modulo the width, divisions trap, and an operation on floats always quiets a
 * signalling NaN, so that identities such as x * 1 = x must not be applied.
 */
#include "aot/codegen.h"

LLVMValueRef unit_constant(struct unit *unit, const struct instruction *in)
{
    switch ((unsigned)in->opcode) {
    case OP_I32_CONST:
        return unit_i32(unit, (uint32_t)in->value);
    case OP_I64_CONST:
        return unit_i64(unit, in->value);
    case OP_F32_CONST:
        /* Through the bits: a C float could lose a NaN's payload. */
        return LLVMConstBitCast(unit_i32(unit, (uint32_t)in->value), unit->f32);
    case OP_F64_CONST:
        return LLVMConstBitCast(unit_i64(unit, in->value), unit->f64);
    case OP_V128_CONST: {
        LLVMValueRef lanes[16];
        for (int i = 0; i < 16; i++) {
            lanes[i] = LLVMConstInt(unit->i8, in->bytes[i], 0);
        }
        return LLVMConstBitCast(LLVMConstVector(lanes, 16), unit->v128);
    }
    default:
        return NULL;
    }
}

static LLVMValueRef float_operand(struct fn *fn, LLVMValueRef value)
{
    return unit_is_telling(value) ? unit_fence_float(fn->unit, value) : value;
}

static void push_integer_compare(struct fn *fn, LLVMIntPredicate predicate)
{
    LLVMValueRef b = fn_pop(fn);
    LLVMValueRef a = fn_pop(fn);
    LLVMValueRef bit = LLVMBuildICmp(fn->builder, predicate, a, b, "");

    fn_push(fn, LLVMBuildZExt(fn->builder, bit, fn->unit->i32, ""));
}

static void push_float_compare(struct fn *fn, LLVMRealPredicate predicate)
{
    LLVMValueRef b = fn_pop(fn);
    LLVMValueRef a = fn_pop(fn);
    LLVMValueRef bit = LLVMBuildFCmp(fn->builder, predicate, a, b, "");

    fn_push(fn, LLVMBuildZExt(fn->builder, bit, fn->unit->i32, ""));
}

static void push_eqz(struct fn *fn)
{
    LLVMValueRef a = fn_pop(fn);
    LLVMValueRef bit = LLVMBuildICmp(fn->builder, LLVMIntEQ, a, LLVMConstNull(LLVMTypeOf(a)), "");

    fn_push(fn, LLVMBuildZExt(fn->builder, bit, fn->unit->i32, ""));
}

static void push_binary(struct fn *fn, LLVMOpcode opcode)
{
    LLVMValueRef b = fn_pop(fn);
    LLVMValueRef a = fn_pop(fn);

    fn_push(fn, LLVMBuildBinOp(fn->builder, opcode, a, b, ""));
}

static void push_float_binary(struct fn *fn, LLVMOpcode opcode)
{
    LLVMValueRef b = float_operand(fn, fn_pop(fn));
    LLVMValueRef a = float_operand(fn, fn_pop(fn));

    fn_push(fn, LLVMBuildBinOp(fn->builder, opcode, a, b, ""));
}

static void push_shift(struct fn *fn, LLVMOpcode opcode)
{
    LLVMValueRef count = fn_pop(fn);
    LLVMTypeRef type = LLVMTypeOf(count);
    LLVMValueRef mask = LLVMConstInt(type, LLVMGetIntTypeWidth(type) - 1, 0);

    count = LLVMBuildAnd(fn->builder, count, mask, "");
    LLVMValueRef value = fn_pop(fn);
    fn_push(fn, LLVMBuildBinOp(fn->builder, opcode, value, count, ""));
}

static void push_rotate(struct fn *fn, const char *funnel)
{
    LLVMValueRef count = fn_pop(fn);
    LLVMValueRef value = fn_pop(fn);
    LLVMTypeRef type = LLVMTypeOf(value);
    LLVMValueRef arguments[3] = {value, value, count};

    fn_push(fn, unit_call_intrinsic(fn->unit, funnel, &type, 1, arguments, 3));
}

/* llvm.ctlz and llvm.cttz with a defined result at zero. */
static void push_count_zeros(struct fn *fn, const char *name)
{
    LLVMValueRef value = fn_pop(fn);
    LLVMTypeRef type = LLVMTypeOf(value);
    LLVMValueRef arguments[2] = {value, LLVMConstInt(fn->unit->i1, 0, 0)};

    fn_push(fn, unit_call_intrinsic(fn->unit, name, &type, 1, arguments, 2));
}

/* The smallest value of the type: the one whose division by -1 overflows. */
static LLVMValueRef smallest(LLVMTypeRef type)
{
    return LLVMConstInt(type, 1ull << (LLVMGetIntTypeWidth(type) - 1), 0);
}

static void push_divide(struct fn *fn, LLVMOpcode opcode)
{
    LLVMValueRef b = fn_pop(fn);
    LLVMValueRef a = fn_pop(fn);
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef zero = LLVMBuildICmp(fn->builder, LLVMIntEQ, b, LLVMConstNull(type), "");

    fn_trap_if(fn, zero, WASM_TRAP_DIVIDE_BY_ZERO);
    if (opcode == LLVMSDiv) {
        LLVMValueRef minus_one =
            LLVMBuildICmp(fn->builder, LLVMIntEQ, b, LLVMConstAllOnes(type), "");
        LLVMValueRef lowest = LLVMBuildICmp(fn->builder, LLVMIntEQ, a, smallest(type), "");
        LLVMValueRef both = LLVMBuildAnd(fn->builder, minus_one, lowest, "");
        fn_trap_if(fn, both, WASM_TRAP_INTEGER_OVERFLOW);
    }
    if (opcode == LLVMSRem) {
        /* x rem -1 is 0 for every x, as is x rem 1, which cannot overflow. */
        LLVMValueRef minus_one =
            LLVMBuildICmp(fn->builder, LLVMIntEQ, b, LLVMConstAllOnes(type), "");
        b = LLVMBuildSelect(fn->builder, minus_one, LLVMConstInt(type, 1, 0), b, "");
    }
    fn_push(fn, LLVMBuildBinOp(fn->builder, opcode, a, b, ""));
}

static LLVMTypeRef integer_like(struct fn *fn, LLVMTypeRef type)
{
    if (type == fn->unit->f32) {
        return fn->unit->i32;
    }
    if (type == fn->unit->f64) {
        return fn->unit->i64;
    }
    return type == fn->unit->f32x4 ? fn->unit->i32x4 : fn->unit->i64x2;
}

/*
 * Both orders of "a less than b ? a : b" agree except for zeros of both signs, whose
 * bits are joined, and for NaNs, where adding yields the quiet NaN wanted. Each line is
 * one or two SSE instructions (Wasm core §4.3.3, fmin and fmax).
 */
static LLVMValueRef emit_extremum(struct fn *fn, LLVMValueRef a, LLVMValueRef b,
                                  LLVMRealPredicate predicate, LLVMOpcode join)
{
    LLVMBuilderRef builder = fn->builder;
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMTypeRef bits = integer_like(fn, type);
    LLVMValueRef first =
        LLVMBuildSelect(builder, LLVMBuildFCmp(builder, predicate, a, b, ""), a, b, "");
    LLVMValueRef second =
        LLVMBuildSelect(builder, LLVMBuildFCmp(builder, predicate, b, a, ""), b, a, "");
    LLVMValueRef joined = LLVMBuildBinOp(builder, join, LLVMBuildBitCast(builder, first, bits, ""),
                                         LLVMBuildBitCast(builder, second, bits, ""), "");
    LLVMValueRef unordered = LLVMBuildFCmp(builder, LLVMRealUNO, a, b, "");
    LLVMValueRef sum = LLVMBuildFAdd(builder, a, b, "");

    return LLVMBuildSelect(builder, unordered, sum, LLVMBuildBitCast(builder, joined, type, ""),
                           "");
}

LLVMValueRef emit_minimum(struct fn *fn, LLVMValueRef a, LLVMValueRef b)
{
    return emit_extremum(fn, a, b, LLVMRealOLT, LLVMOr);
}

LLVMValueRef emit_maximum(struct fn *fn, LLVMValueRef a, LLVMValueRef b)
{
    return emit_extremum(fn, a, b, LLVMRealOGT, LLVMAnd);
}

static void push_extremum(struct fn *fn, bool is_minimum)
{
    LLVMValueRef b = float_operand(fn, fn_pop(fn));
    LLVMValueRef a = float_operand(fn, fn_pop(fn));

    fn_push(fn, is_minimum ? emit_minimum(fn, a, b) : emit_maximum(fn, a, b));
}

static void push_unary(struct fn *fn, const char *intrinsic)
{
    fn_push(fn, fn_intrinsic1(fn, intrinsic, fn_pop(fn)));
}

static bool emit_compare(struct fn *fn)
{
    switch ((unsigned)fn->in.opcode) {
    case OP_I32_EQZ:
    case OP_I64_EQZ:
        push_eqz(fn);
        break;
    case OP_I32_EQ:
    case OP_I64_EQ:
        push_integer_compare(fn, LLVMIntEQ);
        break;
    case OP_I32_NE:
    case OP_I64_NE:
        push_integer_compare(fn, LLVMIntNE);
        break;
    case OP_I32_LT_S:
    case OP_I64_LT_S:
        push_integer_compare(fn, LLVMIntSLT);
        break;
    case OP_I32_LT_U:
    case OP_I64_LT_U:
        push_integer_compare(fn, LLVMIntULT);
        break;
    case OP_I32_GT_S:
    case OP_I64_GT_S:
        push_integer_compare(fn, LLVMIntSGT);
        break;
    case OP_I32_GT_U:
    case OP_I64_GT_U:
        push_integer_compare(fn, LLVMIntUGT);
        break;
    case OP_I32_LE_S:
    case OP_I64_LE_S:
        push_integer_compare(fn, LLVMIntSLE);
        break;
    case OP_I32_LE_U:
    case OP_I64_LE_U:
        push_integer_compare(fn, LLVMIntULE);
        break;
    case OP_I32_GE_S:
    case OP_I64_GE_S:
        push_integer_compare(fn, LLVMIntSGE);
        break;
    case OP_I32_GE_U:
    case OP_I64_GE_U:
        push_integer_compare(fn, LLVMIntUGE);
        break;
    case OP_F32_EQ:
    case OP_F64_EQ:
        push_float_compare(fn, LLVMRealOEQ);
        break;
    case OP_F32_NE:
    case OP_F64_NE:
        push_float_compare(fn, LLVMRealUNE);
        break;
    case OP_F32_LT:
    case OP_F64_LT:
        push_float_compare(fn, LLVMRealOLT);
        break;
    case OP_F32_GT:
    case OP_F64_GT:
        push_float_compare(fn, LLVMRealOGT);
        break;
    case OP_F32_LE:
    case OP_F64_LE:
        push_float_compare(fn, LLVMRealOLE);
        break;
    case OP_F32_GE:
    case OP_F64_GE:
        push_float_compare(fn, LLVMRealOGE);
        break;
    default:
        return false;
    }
    return true;
}

static bool emit_integer(struct fn *fn)
{
    switch ((unsigned)fn->in.opcode) {
    case OP_I32_CLZ:
    case OP_I64_CLZ:
        push_count_zeros(fn, "llvm.ctlz");
        break;
    case OP_I32_CTZ:
    case OP_I64_CTZ:
        push_count_zeros(fn, "llvm.cttz");
        break;
    case OP_I32_POPCNT:
    case OP_I64_POPCNT:
        push_unary(fn, "llvm.ctpop");
        break;
    case OP_I32_ADD:
    case OP_I64_ADD:
        push_binary(fn, LLVMAdd);
        break;
    case OP_I32_SUB:
    case OP_I64_SUB:
        push_binary(fn, LLVMSub);
        break;
    case OP_I32_MUL:
    case OP_I64_MUL:
        push_binary(fn, LLVMMul);
        break;
    case OP_I32_DIV_S:
    case OP_I64_DIV_S:
        push_divide(fn, LLVMSDiv);
        break;
    case OP_I32_DIV_U:
    case OP_I64_DIV_U:
        push_divide(fn, LLVMUDiv);
        break;
    case OP_I32_REM_S:
    case OP_I64_REM_S:
        push_divide(fn, LLVMSRem);
        break;
    case OP_I32_REM_U:
    case OP_I64_REM_U:
        push_divide(fn, LLVMURem);
        break;
    case OP_I32_AND:
    case OP_I64_AND:
        push_binary(fn, LLVMAnd);
        break;
    case OP_I32_OR:
    case OP_I64_OR:
        push_binary(fn, LLVMOr);
        break;
    case OP_I32_XOR:
    case OP_I64_XOR:
        push_binary(fn, LLVMXor);
        break;
    case OP_I32_SHL:
    case OP_I64_SHL:
        push_shift(fn, LLVMShl);
        break;
    case OP_I32_SHR_S:
    case OP_I64_SHR_S:
        push_shift(fn, LLVMAShr);
        break;
    case OP_I32_SHR_U:
    case OP_I64_SHR_U:
        push_shift(fn, LLVMLShr);
        break;
    case OP_I32_ROTL:
    case OP_I64_ROTL:
        push_rotate(fn, "llvm.fshl");
        break;
    case OP_I32_ROTR:
    case OP_I64_ROTR:
        push_rotate(fn, "llvm.fshr");
        break;
    default:
        return false;
    }
    return true;
}

static bool emit_float(struct fn *fn)
{
    switch ((unsigned)fn->in.opcode) {
    case OP_F32_ABS:
    case OP_F64_ABS:
        push_unary(fn, "llvm.fabs");
        break;
    case OP_F32_NEG:
    case OP_F64_NEG:
        fn_push(fn, LLVMBuildFNeg(fn->builder, fn_pop(fn), ""));
        break;
    case OP_F32_CEIL:
    case OP_F64_CEIL:
        push_unary(fn, "llvm.ceil");
        break;
    case OP_F32_FLOOR:
    case OP_F64_FLOOR:
        push_unary(fn, "llvm.floor");
        break;
    case OP_F32_TRUNC:
    case OP_F64_TRUNC:
        push_unary(fn, "llvm.trunc");
        break;
    case OP_F32_NEAREST:
    case OP_F64_NEAREST:
        push_unary(fn, "llvm.roundeven");
        break;
    case OP_F32_SQRT:
    case OP_F64_SQRT:
        push_unary(fn, "llvm.sqrt");
        break;
    case OP_F32_ADD:
    case OP_F64_ADD:
        push_float_binary(fn, LLVMFAdd);
        break;
    case OP_F32_SUB:
    case OP_F64_SUB:
        push_float_binary(fn, LLVMFSub);
        break;
    case OP_F32_MUL:
    case OP_F64_MUL:
        push_float_binary(fn, LLVMFMul);
        break;
    case OP_F32_DIV:
    case OP_F64_DIV:
        push_float_binary(fn, LLVMFDiv);
        break;
    case OP_F32_MIN:
    case OP_F64_MIN:
        push_extremum(fn, true);
        break;
    case OP_F32_MAX:
    case OP_F64_MAX:
        push_extremum(fn, false);
        break;
    case OP_F32_COPYSIGN:
    case OP_F64_COPYSIGN: {
        LLVMValueRef sign = fn_pop(fn);
        LLVMValueRef size = fn_pop(fn);
        fn_push(fn, fn_intrinsic2(fn, "llvm.copysign", size, sign));
        break;
    }
    default:
        return false;
    }
    return true;
}

bool emit_numeric(struct fn *fn)
{
    LLVMValueRef constant = unit_constant(fn->unit, &fn->in);

    if (constant != NULL) {
        fn_push(fn, constant);
        return true;
    }
    return emit_integer(fn) || emit_compare(fn) || emit_float(fn);
}
