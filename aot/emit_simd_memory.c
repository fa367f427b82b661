/* Vector loads and stores (Wasm core §4.4.7). */
#include "aot/codegen.h"

static LLVMValueRef load_as(struct fn *fn, LLVMTypeRef type, LLVMValueRef index, uint32_t bytes)
{
    LLVMValueRef address = emit_address(fn, &fn->in, index, bytes);
    LLVMValueRef load = LLVMBuildLoad2(fn->builder, type, address, "");

    LLVMSetAlignment(load, 1);
    unit_tag_access(fn->unit, load, SCOPE_MEMORY);
    return load;
}

static void store_as(struct fn *fn, LLVMValueRef value, LLVMValueRef index, uint32_t bytes)
{
    LLVMValueRef address = emit_address(fn, &fn->in, index, bytes);
    LLVMValueRef store = LLVMBuildStore(fn->builder, value, address);

    LLVMSetAlignment(store, 1);
    unit_tag_access(fn->unit, store, SCOPE_MEMORY);
}

/* Eight bytes whose lanes double in width. */
static void push_load_extend(struct fn *fn, LLVMTypeRef type, LLVMOpcode extend)
{
    unsigned count = LLVMGetVectorSize(type);
    LLVMTypeRef lane = LLVMIntTypeInContext(fn->unit->context, 64 / count);
    LLVMValueRef value = load_as(fn, LLVMVectorType(lane, count), fn_pop(fn), 8);

    fn_push(fn, LLVMBuildCast(fn->builder, extend, value, type, ""));
}

static void push_load_splat(struct fn *fn, LLVMTypeRef type)
{
    LLVMTypeRef lane = LLVMGetElementType(type);
    LLVMValueRef value = load_as(fn, lane, fn_pop(fn), LLVMGetIntTypeWidth(lane) / 8);
    LLVMTypeRef mask = LLVMVectorType(fn->unit->i32, LLVMGetVectorSize(type));
    LLVMValueRef first =
        LLVMBuildInsertElement(fn->builder, LLVMGetPoison(type), value, unit_i32(fn->unit, 0), "");

    fn_push(fn, LLVMBuildShuffleVector(fn->builder, first, LLVMGetPoison(type), LLVMConstNull(mask),
                                       ""));
}

static void push_load_zero(struct fn *fn, LLVMTypeRef type)
{
    LLVMTypeRef lane = LLVMGetElementType(type);
    LLVMValueRef value = load_as(fn, lane, fn_pop(fn), LLVMGetIntTypeWidth(lane) / 8);

    fn_push(fn, LLVMBuildInsertElement(fn->builder, LLVMConstNull(type), value,
                                       unit_i32(fn->unit, 0), ""));
}

static void push_load_lane(struct fn *fn, LLVMTypeRef type)
{
    LLVMTypeRef lane = LLVMGetElementType(type);
    LLVMValueRef vector = fn_pop_as(fn, type);
    LLVMValueRef value = load_as(fn, lane, fn_pop(fn), LLVMGetIntTypeWidth(lane) / 8);

    fn_push(fn, LLVMBuildInsertElement(fn->builder, vector, value, unit_i32(fn->unit, fn->in.lane),
                                       ""));
}

static void emit_store_lane(struct fn *fn, LLVMTypeRef type)
{
    LLVMValueRef vector = fn_pop_as(fn, type);
    LLVMValueRef lane =
        LLVMBuildExtractElement(fn->builder, vector, unit_i32(fn->unit, fn->in.lane), "");

    store_as(fn, lane, fn_pop(fn), LLVMGetIntTypeWidth(LLVMGetElementType(type)) / 8);
}

bool emit_simd_memory(struct fn *fn)
{
    const struct unit *unit = fn->unit;
    LLVMValueRef value;

    switch ((unsigned)fn->in.opcode) {
    case OP_V128_LOAD:
        fn_push(fn, load_as(fn, unit->v128, fn_pop(fn), 16));
        break;
    case OP_V128_STORE:
        value = fn_pop(fn);
        store_as(fn, value, fn_pop(fn), 16);
        break;
    case OP_V128_LOAD8X8_S:
        push_load_extend(fn, unit->i16x8, LLVMSExt);
        break;
    case OP_V128_LOAD8X8_U:
        push_load_extend(fn, unit->i16x8, LLVMZExt);
        break;
    case OP_V128_LOAD16X4_S:
        push_load_extend(fn, unit->i32x4, LLVMSExt);
        break;
    case OP_V128_LOAD16X4_U:
        push_load_extend(fn, unit->i32x4, LLVMZExt);
        break;
    case OP_V128_LOAD32X2_S:
        push_load_extend(fn, unit->i64x2, LLVMSExt);
        break;
    case OP_V128_LOAD32X2_U:
        push_load_extend(fn, unit->i64x2, LLVMZExt);
        break;
    case OP_V128_LOAD8_SPLAT:
        push_load_splat(fn, unit->i8x16);
        break;
    case OP_V128_LOAD16_SPLAT:
        push_load_splat(fn, unit->i16x8);
        break;
    case OP_V128_LOAD32_SPLAT:
        push_load_splat(fn, unit->i32x4);
        break;
    case OP_V128_LOAD64_SPLAT:
        push_load_splat(fn, unit->i64x2);
        break;
    case OP_V128_LOAD32_ZERO:
        push_load_zero(fn, unit->i32x4);
        break;
    case OP_V128_LOAD64_ZERO:
        push_load_zero(fn, unit->i64x2);
        break;
    case OP_V128_LOAD8_LANE:
        push_load_lane(fn, unit->i8x16);
        break;
    case OP_V128_LOAD16_LANE:
        push_load_lane(fn, unit->i16x8);
        break;
    case OP_V128_LOAD32_LANE:
        push_load_lane(fn, unit->i32x4);
        break;
    case OP_V128_LOAD64_LANE:
        push_load_lane(fn, unit->i64x2);
        break;
    case OP_V128_STORE8_LANE:
        emit_store_lane(fn, unit->i8x16);
        break;
    case OP_V128_STORE16_LANE:
        emit_store_lane(fn, unit->i16x8);
        break;
    case OP_V128_STORE32_LANE:
        emit_store_lane(fn, unit->i32x4);
        break;
    case OP_V128_STORE64_LANE:
        emit_store_lane(fn, unit->i64x2);
        break;
    default:
        return false;
    }
    return true;
}
