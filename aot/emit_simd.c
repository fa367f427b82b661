/*
 * Vector instructions (Wasm core §4.4.4, §4.6.3). One table says what each does; the
 * values on the operand stack keep the lane type of the instruction that made them.
 *
 * Where SSE has the very operation but LLVM has no portable name for it (saturating
 * narrowing, byte permutation, multiply-add), the x86 intrinsic is used.
 */
#include "aot/codegen.h"

enum shape { I8X16, I16X8, I32X4, I64X2, F32X4, F64X2 };

enum action {
    NOTHING,
    COMPARE,       /* argument: LLVMIntPredicate */
    FLOAT_COMPARE, /* argument: LLVMRealPredicate */
    BINARY,        /* argument: LLVMOpcode */
    FLOAT_BINARY,
    SHIFT,
    UNARY_CALL, /* name: intrinsic over the lane type */
    BINARY_CALL,
    X86_CALL, /* name: intrinsic of two operands, no overloads */
    NEGATE,
    FLOAT_NEGATE,
    ABSOLUTE,
    AVERAGE,
    MINIMUM,
    MAXIMUM,
    PSEUDO_MINIMUM,
    PSEUDO_MAXIMUM,
    ALL_TRUE,
    BITMASK,
    SPLAT,
    EXTRACT, /* argument: LLVMOpcode that widens to i32, or 0 */
    REPLACE,
    EXTEND, /* shape: of the result; argument: enum half */
    EXTEND_MULTIPLY,
    EXTEND_ADD,
    MULTIPLY_ADD, /* argument: 1 negates the product */
};

/* Which half of the operand is widened, and how. */
enum half { LOW_S, HIGH_S, LOW_U, HIGH_U };

struct vector_op {
    uint8_t action;
    uint8_t shape;
    uint8_t argument;
    const char *name;
};

#define INTEGER_SHAPE(S)                                                                           \
    [OP_##S##_EQ] = {COMPARE, S, LLVMIntEQ, 0}, [OP_##S##_NE] = {COMPARE, S, LLVMIntNE, 0},        \
    [OP_##S##_LT_S] = {COMPARE, S, LLVMIntSLT, 0}, [OP_##S##_GT_S] = {COMPARE, S, LLVMIntSGT, 0},  \
    [OP_##S##_LE_S] = {COMPARE, S, LLVMIntSLE, 0}, [OP_##S##_GE_S] = {COMPARE, S, LLVMIntSGE, 0},  \
    [OP_##S##_ADD] = {BINARY, S, LLVMAdd, 0}, [OP_##S##_SUB] = {BINARY, S, LLVMSub, 0},            \
    [OP_##S##_SHL] = {SHIFT, S, LLVMShl, 0}, [OP_##S##_SHR_S] = {SHIFT, S, LLVMAShr, 0},           \
    [OP_##S##_SHR_U] = {SHIFT, S, LLVMLShr, 0}, [OP_##S##_NEG] = {NEGATE, S, 0, 0},                \
    [OP_##S##_ABS] = {ABSOLUTE, S, 0, 0}, [OP_##S##_ALL_TRUE] = {ALL_TRUE, S, 0, 0},               \
    [OP_##S##_BITMASK] = {BITMASK, S, 0, 0}, [OP_##S##_SPLAT] = {SPLAT, S, 0, 0},                  \
    [OP_##S##_REPLACE_LANE] = {REPLACE, S, 0, 0}

/* What shapes of 32 bits and less have in addition. */
#define SMALL_SHAPE(S)                                                                             \
    [OP_##S##_LT_U] = {COMPARE, S, LLVMIntULT, 0}, [OP_##S##_GT_U] = {COMPARE, S, LLVMIntUGT, 0},  \
    [OP_##S##_LE_U] = {COMPARE, S, LLVMIntULE, 0}, [OP_##S##_GE_U] = {COMPARE, S, LLVMIntUGE, 0},  \
    [OP_##S##_MIN_S] = {BINARY_CALL, S, 0, "llvm.smin"},                                           \
    [OP_##S##_MIN_U] = {BINARY_CALL, S, 0, "llvm.umin"},                                           \
    [OP_##S##_MAX_S] = {BINARY_CALL, S, 0, "llvm.smax"},                                           \
    [OP_##S##_MAX_U] = {BINARY_CALL, S, 0, "llvm.umax"}

/* Bytes and words: saturating arithmetic and averages. */
#define SATURATING_SHAPE(S)                                                                        \
    [OP_##S##_ADD_SAT_S] = {BINARY_CALL, S, 0, "llvm.sadd.sat"},                                   \
    [OP_##S##_ADD_SAT_U] = {BINARY_CALL, S, 0, "llvm.uadd.sat"},                                   \
    [OP_##S##_SUB_SAT_S] = {BINARY_CALL, S, 0, "llvm.ssub.sat"},                                   \
    [OP_##S##_SUB_SAT_U] = {BINARY_CALL, S, 0, "llvm.usub.sat"},                                   \
    [OP_##S##_AVGR_U] = {AVERAGE, S, 0, 0}, [OP_##S##_EXTRACT_LANE_S] = {EXTRACT, S, LLVMSExt, 0}, \
    [OP_##S##_EXTRACT_LANE_U] = {EXTRACT, S, LLVMZExt, 0}

#define EXTENDED_SHAPE(S, FROM)                                                                    \
    [OP_##S##_EXTEND_LOW_##FROM##_S] = {EXTEND, S, LOW_S, 0},                                      \
    [OP_##S##_EXTEND_HIGH_##FROM##_S] = {EXTEND, S, HIGH_S, 0},                                    \
    [OP_##S##_EXTEND_LOW_##FROM##_U] = {EXTEND, S, LOW_U, 0},                                      \
    [OP_##S##_EXTEND_HIGH_##FROM##_U] = {EXTEND, S, HIGH_U, 0},                                    \
    [OP_##S##_EXTMUL_LOW_##FROM##_S] = {EXTEND_MULTIPLY, S, LOW_S, 0},                             \
    [OP_##S##_EXTMUL_HIGH_##FROM##_S] = {EXTEND_MULTIPLY, S, HIGH_S, 0},                           \
    [OP_##S##_EXTMUL_LOW_##FROM##_U] = {EXTEND_MULTIPLY, S, LOW_U, 0},                             \
    [OP_##S##_EXTMUL_HIGH_##FROM##_U] = {EXTEND_MULTIPLY, S, HIGH_U, 0}

#define FLOAT_SHAPE(S)                                                                             \
    [OP_##S##_EQ] = {FLOAT_COMPARE, S, LLVMRealOEQ, 0},                                            \
    [OP_##S##_NE] = {FLOAT_COMPARE, S, LLVMRealUNE, 0},                                            \
    [OP_##S##_LT] = {FLOAT_COMPARE, S, LLVMRealOLT, 0},                                            \
    [OP_##S##_GT] = {FLOAT_COMPARE, S, LLVMRealOGT, 0},                                            \
    [OP_##S##_LE] = {FLOAT_COMPARE, S, LLVMRealOLE, 0},                                            \
    [OP_##S##_GE] = {FLOAT_COMPARE, S, LLVMRealOGE, 0},                                            \
    [OP_##S##_ADD] = {FLOAT_BINARY, S, LLVMFAdd, 0},                                               \
    [OP_##S##_SUB] = {FLOAT_BINARY, S, LLVMFSub, 0},                                               \
    [OP_##S##_MUL] = {FLOAT_BINARY, S, LLVMFMul, 0},                                               \
    [OP_##S##_DIV] = {FLOAT_BINARY, S, LLVMFDiv, 0}, [OP_##S##_MIN] = {MINIMUM, S, 0, 0},          \
    [OP_##S##_MAX] = {MAXIMUM, S, 0, 0}, [OP_##S##_PMIN] = {PSEUDO_MINIMUM, S, 0, 0},              \
    [OP_##S##_PMAX] = {PSEUDO_MAXIMUM, S, 0, 0},                                                   \
    [OP_##S##_RELAXED_MIN] = {PSEUDO_MINIMUM, S, 0, 0},                                            \
    [OP_##S##_RELAXED_MAX] = {PSEUDO_MAXIMUM, S, 0, 0},                                            \
    [OP_##S##_RELAXED_MADD] = {MULTIPLY_ADD, S, 0, 0},                                             \
    [OP_##S##_RELAXED_NMADD] = {MULTIPLY_ADD, S, 1, 0}, [OP_##S##_NEG] = {FLOAT_NEGATE, S, 0, 0},  \
    [OP_##S##_ABS] = {UNARY_CALL, S, 0, "llvm.fabs"},                                              \
    [OP_##S##_SQRT] = {UNARY_CALL, S, 0, "llvm.sqrt"},                                             \
    [OP_##S##_CEIL] = {UNARY_CALL, S, 0, "llvm.ceil"},                                             \
    [OP_##S##_FLOOR] = {UNARY_CALL, S, 0, "llvm.floor"},                                           \
    [OP_##S##_TRUNC] = {UNARY_CALL, S, 0, "llvm.trunc"},                                           \
    [OP_##S##_NEAREST] = {UNARY_CALL, S, 0, "llvm.roundeven"},                                     \
    [OP_##S##_SPLAT] = {SPLAT, S, 0, 0}, [OP_##S##_EXTRACT_LANE] = {EXTRACT, S, 0, 0},             \
    [OP_##S##_REPLACE_LANE] = {REPLACE, S, 0, 0}

static const struct vector_op vector_ops[OP_COUNT] = {
    INTEGER_SHAPE(I8X16),
    INTEGER_SHAPE(I16X8),
    INTEGER_SHAPE(I32X4),
    INTEGER_SHAPE(I64X2),
    SMALL_SHAPE(I8X16),
    SMALL_SHAPE(I16X8),
    SMALL_SHAPE(I32X4),
    SATURATING_SHAPE(I8X16),
    SATURATING_SHAPE(I16X8),
    EXTENDED_SHAPE(I16X8, I8X16),
    EXTENDED_SHAPE(I32X4, I16X8),
    EXTENDED_SHAPE(I64X2, I32X4),
    FLOAT_SHAPE(F32X4),
    FLOAT_SHAPE(F64X2),
    [OP_I16X8_MUL] = {BINARY, I16X8, LLVMMul, 0},
    [OP_I32X4_MUL] = {BINARY, I32X4, LLVMMul, 0},
    [OP_I64X2_MUL] = {BINARY, I64X2, LLVMMul, 0},
    [OP_I8X16_POPCNT] = {UNARY_CALL, I8X16, 0, "llvm.ctpop"},
    [OP_I32X4_EXTRACT_LANE] = {EXTRACT, I32X4, 0, 0},
    [OP_I64X2_EXTRACT_LANE] = {EXTRACT, I64X2, 0, 0},
    [OP_I16X8_EXTADD_PAIRWISE_I8X16_S] = {EXTEND_ADD, I16X8, LOW_S, 0},
    [OP_I16X8_EXTADD_PAIRWISE_I8X16_U] = {EXTEND_ADD, I16X8, LOW_U, 0},
    [OP_I32X4_EXTADD_PAIRWISE_I16X8_S] = {EXTEND_ADD, I32X4, LOW_S, 0},
    [OP_I32X4_EXTADD_PAIRWISE_I16X8_U] = {EXTEND_ADD, I32X4, LOW_U, 0},
    [OP_I8X16_NARROW_I16X8_S] = {X86_CALL, I16X8, 0, "llvm.x86.sse2.packsswb.128"},
    [OP_I8X16_NARROW_I16X8_U] = {X86_CALL, I16X8, 0, "llvm.x86.sse2.packuswb.128"},
    [OP_I16X8_NARROW_I32X4_S] = {X86_CALL, I32X4, 0, "llvm.x86.sse2.packssdw.128"},
    [OP_I16X8_NARROW_I32X4_U] = {X86_CALL, I32X4, 0, "llvm.x86.sse41.packusdw"},
    [OP_I32X4_DOT_I16X8_S] = {X86_CALL, I16X8, 0, "llvm.x86.sse2.pmadd.wd"},
    [OP_I16X8_RELAXED_Q15MULR_S] = {X86_CALL, I16X8, 0, "llvm.x86.ssse3.pmul.hr.sw.128"},
    [OP_I8X16_RELAXED_SWIZZLE] = {X86_CALL, I8X16, 0, "llvm.x86.ssse3.pshuf.b.128"},
};

static LLVMTypeRef shape_type(const struct unit *unit, unsigned shape)
{
    const LLVMTypeRef types[] = {unit->i8x16, unit->i16x8, unit->i32x4,
                                 unit->i64x2, unit->f32x4, unit->f64x2};

    return types[shape];
}

static LLVMValueRef splat(struct fn *fn, LLVMTypeRef type, LLVMValueRef scalar)
{
    LLVMValueRef first =
        LLVMBuildInsertElement(fn->builder, LLVMGetPoison(type), scalar, unit_i32(fn->unit, 0), "");
    LLVMTypeRef mask = LLVMVectorType(fn->unit->i32, LLVMGetVectorSize(type));

    return LLVMBuildShuffleVector(fn->builder, first, LLVMGetPoison(type), LLVMConstNull(mask), "");
}

static LLVMValueRef splat_constant(LLVMTypeRef type, uint64_t value)
{
    LLVMValueRef lanes[16];
    unsigned count = LLVMGetVectorSize(type);

    for (unsigned i = 0; i < count; i++) {
        lanes[i] = LLVMConstInt(LLVMGetElementType(type), value, 0);
    }
    return LLVMConstVector(lanes, count);
}

/* Like a scalar operand: a constant must not let LLVM drop the operation. */
static LLVMValueRef float_operand(struct fn *fn, LLVMValueRef value)
{
    return LLVMIsConstant(value) ? unit_fence_float(fn->unit, value) : value;
}

static void push_mask(struct fn *fn, LLVMValueRef bits, LLVMTypeRef lanes)
{
    fn_push(fn, LLVMBuildSExt(fn->builder, bits, lanes, ""));
}

static void push_compare(struct fn *fn, const struct vector_op *op, LLVMTypeRef type)
{
    LLVMValueRef b = fn_pop_as(fn, type);
    LLVMValueRef a = fn_pop_as(fn, type);

    if (op->action == COMPARE) {
        LLVMIntPredicate predicate = (LLVMIntPredicate)op->argument;
        push_mask(fn, LLVMBuildICmp(fn->builder, predicate, a, b, ""), type);
    } else {
        LLVMRealPredicate predicate = (LLVMRealPredicate)op->argument;
        LLVMTypeRef lanes = op->shape == F32X4 ? fn->unit->i32x4 : fn->unit->i64x2;
        push_mask(fn, LLVMBuildFCmp(fn->builder, predicate, a, b, ""), lanes);
    }
}

static void push_shift(struct fn *fn, LLVMOpcode opcode, LLVMTypeRef type)
{
    LLVMTypeRef lane = LLVMGetElementType(type);
    unsigned width = LLVMGetIntTypeWidth(lane);
    LLVMValueRef count = LLVMBuildAnd(fn->builder, fn_pop(fn), unit_i32(fn->unit, width - 1), "");
    LLVMValueRef value = fn_pop_as(fn, type);

    count = width < 32 ? LLVMBuildTrunc(fn->builder, count, lane, "")
                       : LLVMBuildZExt(fn->builder, count, lane, "");
    fn_push(fn, LLVMBuildBinOp(fn->builder, opcode, value, splat(fn, type, count), ""));
}

/* (a + b + 1) / 2 without overflow; LLVM knows the pattern as pavg. */
static void push_average(struct fn *fn, LLVMTypeRef type)
{
    LLVMBuilderRef builder = fn->builder;
    LLVMValueRef b = fn_pop_as(fn, type);
    LLVMValueRef a = fn_pop_as(fn, type);
    LLVMTypeRef wide = LLVMVectorType(
        LLVMIntTypeInContext(fn->unit->context, 2 * LLVMGetIntTypeWidth(LLVMGetElementType(type))),
        LLVMGetVectorSize(type));
    LLVMValueRef sum = LLVMBuildAdd(builder, LLVMBuildZExt(builder, a, wide, ""),
                                    LLVMBuildZExt(builder, b, wide, ""), "");

    sum = LLVMBuildAdd(builder, sum, splat_constant(wide, 1), "");
    sum = LLVMBuildLShr(builder, sum, splat_constant(wide, 1), "");
    fn_push(fn, LLVMBuildTrunc(builder, sum, type, ""));
}

/* pmin(a, b) = b < a ? b : a, pmax(a, b) = a < b ? b : a (§4.3.3). */
static void push_pseudo(struct fn *fn, LLVMTypeRef type, bool is_minimum)
{
    LLVMValueRef b = fn_pop_as(fn, type);
    LLVMValueRef a = fn_pop_as(fn, type);
    LLVMValueRef less = is_minimum ? LLVMBuildFCmp(fn->builder, LLVMRealOLT, b, a, "")
                                   : LLVMBuildFCmp(fn->builder, LLVMRealOLT, a, b, "");

    fn_push(fn, LLVMBuildSelect(fn->builder, less, b, a, ""));
}

/* A vector of bits as one number. */
static LLVMValueRef bits_number(struct fn *fn, LLVMValueRef bits, LLVMTypeRef type)
{
    LLVMTypeRef number = LLVMIntTypeInContext(fn->unit->context, LLVMGetVectorSize(type));

    return LLVMBuildBitCast(fn->builder, bits, number, "");
}

static void push_all_true(struct fn *fn, LLVMTypeRef type)
{
    LLVMValueRef value = fn_pop_as(fn, type);
    LLVMValueRef zero = LLVMBuildICmp(fn->builder, LLVMIntEQ, value, LLVMConstNull(type), "");
    LLVMValueRef number = bits_number(fn, zero, type);
    LLVMValueRef none =
        LLVMBuildICmp(fn->builder, LLVMIntEQ, number, LLVMConstNull(LLVMTypeOf(number)), "");

    fn_push(fn, LLVMBuildZExt(fn->builder, none, fn->unit->i32, ""));
}

static void push_bitmask(struct fn *fn, LLVMTypeRef type)
{
    LLVMValueRef value = fn_pop_as(fn, type);
    LLVMValueRef negative = LLVMBuildICmp(fn->builder, LLVMIntSLT, value, LLVMConstNull(type), "");

    fn_push(fn, LLVMBuildZExt(fn->builder, bits_number(fn, negative, type), fn->unit->i32, ""));
}

static LLVMValueRef lane_index(const struct fn *fn)
{
    return unit_i32(fn->unit, fn->in.lane);
}

static LLVMValueRef to_lane(struct fn *fn, LLVMValueRef scalar, LLVMTypeRef type)
{
    LLVMTypeRef lane = LLVMGetElementType(type);

    if (lane == fn->unit->i8 || lane == fn->unit->i16) {
        return LLVMBuildTrunc(fn->builder, scalar, lane, "");
    }
    return scalar;
}

static void push_extract(struct fn *fn, LLVMTypeRef type, LLVMOpcode widen)
{
    LLVMValueRef value = fn_pop_as(fn, type);
    LLVMValueRef lane = LLVMBuildExtractElement(fn->builder, value, lane_index(fn), "");

    if (widen != 0) {
        lane = LLVMBuildCast(fn->builder, widen, lane, fn->unit->i32, "");
    }
    fn_push(fn, lane);
}

static void push_replace(struct fn *fn, LLVMTypeRef type)
{
    LLVMValueRef lane = to_lane(fn, fn_pop(fn), type);
    LLVMValueRef value = fn_pop_as(fn, type);

    fn_push(fn, LLVMBuildInsertElement(fn->builder, value, lane, lane_index(fn), ""));
}

/* One half of a vector with lanes of half the width, widened to `type`. */
static LLVMValueRef widen_half(struct fn *fn, LLVMTypeRef type, enum half half)
{
    unsigned count = LLVMGetVectorSize(type);
    unsigned first = half == HIGH_S || half == HIGH_U ? count : 0;
    const struct unit *unit = fn->unit;
    LLVMTypeRef narrow = type == unit->i16x8   ? unit->i8x16
                         : type == unit->i32x4 ? unit->i16x8
                                               : unit->i32x4;
    LLVMValueRef value = fn_pop_as(fn, narrow);
    LLVMValueRef lanes[8];

    for (unsigned i = 0; i < count; i++) {
        lanes[i] = unit_i32(unit, first + i);
    }
    value = LLVMBuildShuffleVector(fn->builder, value, LLVMGetPoison(narrow),
                                   LLVMConstVector(lanes, count), "");
    return half == LOW_S || half == HIGH_S ? LLVMBuildSExt(fn->builder, value, type, "")
                                           : LLVMBuildZExt(fn->builder, value, type, "");
}

static void push_extend_multiply(struct fn *fn, LLVMTypeRef type, enum half half)
{
    LLVMValueRef b = widen_half(fn, type, half);
    LLVMValueRef a = widen_half(fn, type, half);

    fn_push(fn, LLVMBuildMul(fn->builder, a, b, ""));
}

/* Even and odd lanes of half the width, seen in lanes of full width. */
static void push_extend_add(struct fn *fn, LLVMTypeRef type, bool is_signed)
{
    LLVMBuilderRef builder = fn->builder;
    unsigned half = LLVMGetIntTypeWidth(LLVMGetElementType(type)) / 2;
    LLVMValueRef distance = splat_constant(type, half);
    LLVMValueRef value = fn_pop_as(fn, type);
    LLVMOpcode shift = is_signed ? LLVMAShr : LLVMLShr;
    LLVMValueRef odd = LLVMBuildBinOp(builder, shift, value, distance, "");
    LLVMValueRef even = LLVMBuildShl(builder, value, distance, "");

    even = LLVMBuildBinOp(builder, shift, even, distance, "");
    fn_push(fn, LLVMBuildAdd(builder, even, odd, ""));
}

/* Fused or not, but the same everywhere: llvm.fmuladd is folded fused even when the
 * machine has no such instruction. */
/* Fused or not is ours to choose, but the choice must hold for the whole program, folded
 * constants included: so neither is left to LLVM. */
static void push_multiply_add(struct fn *fn, LLVMTypeRef type, bool is_negated)
{
    LLVMValueRef c = fn_pop_as(fn, type);
    LLVMValueRef b = fn_pop_as(fn, type);
    LLVMValueRef a = fn_pop_as(fn, type);
    LLVMValueRef arguments[3] = {is_negated ? LLVMBuildFNeg(fn->builder, a, "") : a, b, c};

    if (fn->unit->gen->cpu_level >= CPU_X86_64_V3) {
        fn_push(fn, unit_call_intrinsic(fn->unit, "llvm.fma", &type, 1, arguments, 3));
        return;
    }
    LLVMValueRef product = LLVMBuildFMul(fn->builder, arguments[0], b, "");
    fn_push(fn, LLVMBuildFAdd(fn->builder, product, c, ""));
}

static void push_binary(struct fn *fn, const struct vector_op *op, LLVMTypeRef type)
{
    LLVMValueRef b = fn_pop_as(fn, type);
    LLVMValueRef a = fn_pop_as(fn, type);
    LLVMValueRef both[2] = {a, b};

    switch (op->action) {
    case BINARY:
        fn_push(fn, LLVMBuildBinOp(fn->builder, (LLVMOpcode)op->argument, a, b, ""));
        break;
    case FLOAT_BINARY:
        fn_push(fn, LLVMBuildBinOp(fn->builder, (LLVMOpcode)op->argument, float_operand(fn, a),
                                   float_operand(fn, b), ""));
        break;
    case BINARY_CALL:
        fn_push(fn, fn_intrinsic2(fn, op->name, a, b));
        break;
    case X86_CALL:
        fn_push(fn, unit_call_intrinsic(fn->unit, op->name, NULL, 0, both, 2));
        break;
    case MINIMUM:
        fn_push(fn, emit_minimum(fn, float_operand(fn, a), float_operand(fn, b)));
        break;
    default:
        fn_push(fn, emit_maximum(fn, float_operand(fn, a), float_operand(fn, b)));
        break;
    }
}

static void push_absolute(struct fn *fn, LLVMTypeRef type)
{
    /* The smallest value stays what it is. */
    LLVMValueRef arguments[2] = {fn_pop_as(fn, type), LLVMConstInt(fn->unit->i1, 0, 0)};

    fn_push(fn, unit_call_intrinsic(fn->unit, "llvm.abs", &type, 1, arguments, 2));
}

bool emit_simd(struct fn *fn)
{
    const struct vector_op *op = &vector_ops[fn->in.opcode];
    LLVMTypeRef type = shape_type(fn->unit, op->shape);

    switch ((enum action)op->action) {
    case NOTHING:
        return emit_simd_convert(fn);
    case COMPARE:
    case FLOAT_COMPARE:
        push_compare(fn, op, type);
        break;
    case BINARY:
    case FLOAT_BINARY:
    case BINARY_CALL:
    case X86_CALL:
    case MINIMUM:
    case MAXIMUM:
        push_binary(fn, op, type);
        break;
    case SHIFT:
        push_shift(fn, (LLVMOpcode)op->argument, type);
        break;
    case UNARY_CALL:
        fn_push(fn, fn_intrinsic1(fn, op->name, fn_pop_as(fn, type)));
        break;
    case NEGATE:
        fn_push(fn, LLVMBuildNeg(fn->builder, fn_pop_as(fn, type), ""));
        break;
    case FLOAT_NEGATE:
        fn_push(fn, LLVMBuildFNeg(fn->builder, fn_pop_as(fn, type), ""));
        break;
    case ABSOLUTE:
        push_absolute(fn, type);
        break;
    case AVERAGE:
        push_average(fn, type);
        break;
    case PSEUDO_MINIMUM:
    case PSEUDO_MAXIMUM:
        push_pseudo(fn, type, op->action == PSEUDO_MINIMUM);
        break;
    case ALL_TRUE:
        push_all_true(fn, type);
        break;
    case BITMASK:
        push_bitmask(fn, type);
        break;
    case SPLAT:
        fn_push(fn, splat(fn, type, to_lane(fn, fn_pop(fn), type)));
        break;
    case EXTRACT:
        push_extract(fn, type, (LLVMOpcode)op->argument);
        break;
    case REPLACE:
        push_replace(fn, type);
        break;
    case EXTEND:
        fn_push(fn, widen_half(fn, type, (enum half)op->argument));
        break;
    case EXTEND_MULTIPLY:
        push_extend_multiply(fn, type, (enum half)op->argument);
        break;
    case EXTEND_ADD:
        push_extend_add(fn, type, op->argument == LOW_S);
        break;
    case MULTIPLY_ADD:
        push_multiply_add(fn, type, op->argument != 0);
        break;
    }
    return true;
}
