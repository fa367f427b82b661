/*
 * Vector instructions that fit no pattern: bitwise ones, permutations, conversions
 * between lane types, and the irregular relaxed ones (Wasm core §4.4.4).
 */
#include "aot/codegen.h"

static LLVMValueRef all_lanes(LLVMTypeRef type, uint64_t value)
{
    LLVMValueRef lanes[16];
    unsigned count = LLVMGetVectorSize(type);

    for (unsigned i = 0; i < count; i++) {
        lanes[i] = LLVMConstInt(LLVMGetElementType(type), value, 0);
    }
    return LLVMConstVector(lanes, count);
}

/* Two vectors of `type`, lanes picked by number. */
static LLVMValueRef pick_lanes(struct fn *fn, LLVMValueRef a, LLVMValueRef b,
                               const uint8_t *numbers, unsigned count)
{
    LLVMValueRef lanes[16];

    for (unsigned i = 0; i < count; i++) {
        lanes[i] = unit_i32(fn->unit, numbers[i]);
    }
    return LLVMBuildShuffleVector(fn->builder, a, b, LLVMConstVector(lanes, count), "");
}

static LLVMValueRef call_x86(struct fn *fn, const char *name, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef arguments[2] = {a, b};

    return unit_call_intrinsic(fn->unit, name, NULL, 0, arguments, b == NULL ? 1 : 2);
}

static void push_bitwise(struct fn *fn, LLVMOpcode opcode, bool inverts_second)
{
    LLVMValueRef b = fn_pop_as(fn, fn->unit->i64x2);
    LLVMValueRef a = fn_pop_as(fn, fn->unit->i64x2);

    if (inverts_second) {
        b = LLVMBuildNot(fn->builder, b, "");
    }
    fn_push(fn, LLVMBuildBinOp(fn->builder, opcode, a, b, ""));
}

static void push_bit_select(struct fn *fn)
{
    LLVMBuilderRef builder = fn->builder;
    LLVMTypeRef type = fn->unit->i64x2;
    LLVMValueRef mask = fn_pop_as(fn, type);
    LLVMValueRef otherwise = fn_pop_as(fn, type);
    LLVMValueRef chosen = fn_pop_as(fn, type);
    LLVMValueRef left = LLVMBuildAnd(builder, chosen, mask, "");
    LLVMValueRef right = LLVMBuildAnd(builder, otherwise, LLVMBuildNot(builder, mask, ""), "");

    fn_push(fn, LLVMBuildOr(builder, left, right, ""));
}

static void push_any_true(struct fn *fn)
{
    LLVMTypeRef number = LLVMIntTypeInContext(fn->unit->context, 128);
    LLVMValueRef value = LLVMBuildBitCast(fn->builder, fn_pop(fn), number, "");
    LLVMValueRef any = LLVMBuildICmp(fn->builder, LLVMIntNE, value, LLVMConstNull(number), "");

    fn_push(fn, LLVMBuildZExt(fn->builder, any, fn->unit->i32, ""));
}

static void push_shuffle(struct fn *fn)
{
    LLVMValueRef b = fn_pop_as(fn, fn->unit->i8x16);
    LLVMValueRef a = fn_pop_as(fn, fn->unit->i8x16);

    fn_push(fn, pick_lanes(fn, a, b, fn->in.bytes, 16));
}

/* pshufb clears lanes whose index has bit 7 set and else takes the low four bits: a
 * saturating add of 0x70 sets that bit exactly for indices beyond 15. */
static void push_swizzle(struct fn *fn)
{
    LLVMTypeRef type = fn->unit->i8x16;
    LLVMValueRef index = fn_pop_as(fn, type);
    LLVMValueRef value = fn_pop_as(fn, type);

    index = fn_intrinsic2(fn, "llvm.uadd.sat", index, all_lanes(type, 0x70));
    fn_push(fn, call_x86(fn, "llvm.x86.ssse3.pshuf.b.128", value, index));
}

/* pmulhrsw wraps for the one product that must saturate, -1 times -1. */
static void push_q15_multiply(struct fn *fn)
{
    LLVMTypeRef type = fn->unit->i16x8;
    LLVMValueRef b = fn_pop_as(fn, type);
    LLVMValueRef a = fn_pop_as(fn, type);
    LLVMValueRef product = call_x86(fn, "llvm.x86.ssse3.pmul.hr.sw.128", a, b);
    LLVMValueRef wrapped =
        LLVMBuildICmp(fn->builder, LLVMIntEQ, product, all_lanes(type, 0x8000), "");

    fn_push(fn,
            LLVMBuildXor(fn->builder, product, LLVMBuildSExt(fn->builder, wrapped, type, ""), ""));
}

/* cvttps2dq gives 0x80000000 for everything that does not fit: zero NaNs before, flip
 * the large ones behind. */
static void push_truncate_f32_signed(struct fn *fn)
{
    LLVMBuilderRef builder = fn->builder;
    LLVMTypeRef type = fn->unit->f32x4;
    LLVMValueRef value = fn_pop_as(fn, type);
    LLVMValueRef number = LLVMBuildFCmp(builder, LLVMRealORD, value, value, "");

    value = LLVMBuildSelect(builder, number, value, LLVMConstNull(type), "");
    LLVMValueRef limit[4];
    for (int i = 0; i < 4; i++) {
        limit[i] = LLVMConstReal(fn->unit->f32, 2147483648.0);
    }
    LLVMValueRef large = LLVMBuildFCmp(builder, LLVMRealOGE, value, LLVMConstVector(limit, 4), "");
    LLVMValueRef result = call_x86(fn, "llvm.x86.sse2.cvttps2dq", value, NULL);
    fn_push(fn,
            LLVMBuildXor(builder, result, LLVMBuildSExt(builder, large, fn->unit->i32x4, ""), ""));
}

static void push_truncate_f32_unsigned(struct fn *fn)
{
    LLVMTypeRef types[2] = {fn->unit->i32x4, fn->unit->f32x4};
    LLVMValueRef value = fn_pop_as(fn, fn->unit->f32x4);

    fn_push(fn, unit_call_intrinsic(fn->unit, "llvm.fptoui.sat", types, 2, &value, 1));
}

/* Two lanes in front of two zeros. */
static LLVMValueRef with_zeros(struct fn *fn, LLVMValueRef pair)
{
    static const uint8_t lanes[4] = {0, 1, 2, 3};

    return pick_lanes(fn, pair, LLVMConstNull(LLVMTypeOf(pair)), lanes, 4);
}

static void push_truncate_f64(struct fn *fn, const char *name)
{
    LLVMTypeRef types[2] = {LLVMVectorType(fn->unit->i32, 2), fn->unit->f64x2};
    LLVMValueRef value = fn_pop_as(fn, fn->unit->f64x2);

    fn_push(fn, with_zeros(fn, unit_call_intrinsic(fn->unit, name, types, 2, &value, 1)));
}

static LLVMValueRef pop_low_pair(struct fn *fn, LLVMTypeRef type)
{
    static const uint8_t lanes[2] = {0, 1};
    LLVMValueRef value = fn_pop_as(fn, type);

    return pick_lanes(fn, value, LLVMGetPoison(type), lanes, 2);
}

static void push_convert(struct fn *fn, LLVMOpcode opcode, LLVMTypeRef to)
{
    LLVMValueRef value =
        to == fn->unit->f64x2 ? pop_low_pair(fn, fn->unit->i32x4) : fn_pop_as(fn, fn->unit->i32x4);

    fn_push(fn, LLVMBuildCast(fn->builder, opcode, value, to, ""));
}

static void push_demote(struct fn *fn)
{
    LLVMTypeRef pair = LLVMVectorType(fn->unit->f32, 2);
    LLVMValueRef value = unit_fence_float(fn->unit, fn_pop_as(fn, fn->unit->f64x2));

    fn_push(fn, with_zeros(fn, LLVMBuildFPTrunc(fn->builder, value, pair, "")));
}

static void push_promote(struct fn *fn)
{
    LLVMValueRef value = unit_fence_float(fn->unit, fn_pop_as(fn, fn->unit->f32x4));

    fn_push(fn, value);
    value = pop_low_pair(fn, fn->unit->f32x4);
    fn_push(fn, LLVMBuildFPExt(fn->builder, value, fn->unit->f64x2, ""));
}

/* The second operand has seven significant bits, so taking it as unsigned is allowed. */
static LLVMValueRef relaxed_dot(struct fn *fn)
{
    LLVMValueRef b = fn_pop_as(fn, fn->unit->i8x16);
    LLVMValueRef a = fn_pop_as(fn, fn->unit->i8x16);

    return call_x86(fn, "llvm.x86.ssse3.pmadd.ub.sw.128", b, a);
}

static void push_relaxed_dot_add(struct fn *fn)
{
    LLVMValueRef addend = fn_pop_as(fn, fn->unit->i32x4);
    LLVMValueRef words = relaxed_dot(fn);
    LLVMValueRef sums =
        call_x86(fn, "llvm.x86.sse2.pmadd.wd", words, all_lanes(fn->unit->i16x8, 1));

    fn_push(fn, LLVMBuildAdd(fn->builder, sums, addend, ""));
}

bool emit_simd_convert(struct fn *fn)
{
    const struct unit *unit = fn->unit;

    switch ((unsigned)fn->in.opcode) {
    case OP_V128_NOT:
        fn_push(fn, LLVMBuildNot(fn->builder, fn_pop_as(fn, unit->i64x2), ""));
        break;
    case OP_V128_AND:
        push_bitwise(fn, LLVMAnd, false);
        break;
    case OP_V128_ANDNOT:
        push_bitwise(fn, LLVMAnd, true);
        break;
    case OP_V128_OR:
        push_bitwise(fn, LLVMOr, false);
        break;
    case OP_V128_XOR:
        push_bitwise(fn, LLVMXor, false);
        break;
    case OP_V128_BITSELECT:
    case OP_I8X16_RELAXED_LANESELECT:
    case OP_I16X8_RELAXED_LANESELECT:
    case OP_I32X4_RELAXED_LANESELECT:
    case OP_I64X2_RELAXED_LANESELECT:
        push_bit_select(fn);
        break;
    case OP_V128_ANY_TRUE:
        push_any_true(fn);
        break;
    case OP_I8X16_SHUFFLE:
        push_shuffle(fn);
        break;
    case OP_I8X16_SWIZZLE:
        push_swizzle(fn);
        break;
    case OP_I16X8_Q15MULR_SAT_S:
        push_q15_multiply(fn);
        break;
    case OP_I32X4_TRUNC_SAT_F32X4_S:
    case OP_I32X4_RELAXED_TRUNC_F32X4_S:
        push_truncate_f32_signed(fn);
        break;
    case OP_I32X4_TRUNC_SAT_F32X4_U:
    case OP_I32X4_RELAXED_TRUNC_F32X4_U:
        push_truncate_f32_unsigned(fn);
        break;
    case OP_I32X4_TRUNC_SAT_F64X2_S_ZERO:
    case OP_I32X4_RELAXED_TRUNC_F64X2_S_ZERO:
        push_truncate_f64(fn, "llvm.fptosi.sat");
        break;
    case OP_I32X4_TRUNC_SAT_F64X2_U_ZERO:
    case OP_I32X4_RELAXED_TRUNC_F64X2_U_ZERO:
        push_truncate_f64(fn, "llvm.fptoui.sat");
        break;
    case OP_F32X4_CONVERT_I32X4_S:
        push_convert(fn, LLVMSIToFP, unit->f32x4);
        break;
    case OP_F32X4_CONVERT_I32X4_U:
        push_convert(fn, LLVMUIToFP, unit->f32x4);
        break;
    case OP_F64X2_CONVERT_LOW_I32X4_S:
        push_convert(fn, LLVMSIToFP, unit->f64x2);
        break;
    case OP_F64X2_CONVERT_LOW_I32X4_U:
        push_convert(fn, LLVMUIToFP, unit->f64x2);
        break;
    case OP_F32X4_DEMOTE_F64X2_ZERO:
        push_demote(fn);
        break;
    case OP_F64X2_PROMOTE_LOW_F32X4:
        push_promote(fn);
        break;
    case OP_I16X8_RELAXED_DOT_I8X16_I7X16_S:
        fn_push(fn, relaxed_dot(fn));
        break;
    case OP_I32X4_RELAXED_DOT_I8X16_I7X16_ADD_S:
        push_relaxed_dot_add(fn);
        break;
    default:
        return false;
    }
    return true;
}
