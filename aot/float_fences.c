/*
 * Arithmetic quiets a signalling NaN (Wasm core §4.3.3). LLVM drops x * 1, x + -0 and their like,
 * and the quieting with them, wherever it learns of the constant; and it takes the sign of a
 * product for that of its factors, which is not true of the NaN that 0 * infinity makes. So, once
 * locals are values, such constants are hidden where they leave the instruction that names
 * them: as operands, arguments, results, in phis, selects and globals. docs/decisions/0007
 * says what is left.
 */
#include <stdio.h>
#include <string.h>

#include "aot/codegen.h"

/* Nothing is known of the content, not even a sign, which LLVM would take for the sign of NaNs that
 * come of it. Otherwise the load is free to move, as that of any large constant. */
static LLVMValueRef load_hidden(struct unit *unit, LLVMValueRef constant)
{
    static const char invariant[] = "invariant.load";
    LLVMTypeRef type = LLVMTypeOf(constant);
    char *text = LLVMPrintValueToString(constant);
    char name[512];

    snprintf(name, sizeof(name), "wafer.hidden.%s", text);
    LLVMDisposeMessage(text);
    LLVMValueRef global = LLVMGetNamedGlobal(unit->llvm, name);
    if (global == NULL) {
        global = LLVMAddGlobal(unit->llvm, type, name);
        LLVMSetInitializer(global, constant);
        LLVMSetGlobalConstant(global, 1);
        LLVMSetExternallyInitialized(global, 1);
        LLVMSetLinkage(global, LLVMPrivateLinkage);
    }
    LLVMValueRef load = LLVMBuildLoad2(unit->builder, type, global, "");
    LLVMSetMetadata(load, LLVMGetMDKindIDInContext(unit->context, invariant, sizeof(invariant) - 1),
                    LLVMMDNodeInContext(unit->context, NULL, 0));
    return load;
}

/* A number, not an expression of constants that only code generation evaluates. */
static bool is_plain_constant(LLVMValueRef value)
{
    return LLVMIsAConstantFP(value) || LLVMIsAConstantDataVector(value) ||
           LLVMIsAConstantAggregateZero(value);
}

LLVMValueRef unit_fence_float(struct unit *unit, LLVMValueRef value)
{
    LLVMTypeRef type = LLVMTypeOf(value);

    return is_plain_constant(value)
               ? load_hidden(unit, value)
               : unit_call_intrinsic(unit, "llvm.arithmetic.fence", &type, 1, &value, 1);
}

static LLVMValueRef fence(struct unit *unit, LLVMValueRef before, LLVMValueRef value)
{
    LLVMPositionBuilderBefore(unit->builder, before);
    LLVMSetCurrentDebugLocation2(unit->builder, NULL);
    return unit_fence_float(unit, value);
}

bool unit_is_telling(LLVMValueRef value)
{
    LLVMBool inexact;

    if (!LLVMIsAConstantFP(value)) {
        return false;
    }
    double number = LLVMConstRealGetDouble(value, &inexact);
    bool is_finite = number - number == 0.0;
    return !is_finite || number == 0.0 || number == 1.0 || number == -1.0;
}

static bool is_cast_of_float(LLVMValueRef value)
{
    return LLVMIsAFPExtInst(value) || LLVMIsAFPTruncInst(value);
}

static void fence_operands(struct unit *unit, LLVMValueRef user, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        LLVMValueRef value = LLVMGetOperand(user, i);
        if (unit_is_telling(value)) {
            LLVMSetOperand(user, i, fence(unit, user, value));
        }
    }
}

/* To where inlining brings values together: a promotion there may meet its demotion. */
static void fence_outgoing(struct unit *unit, LLVMValueRef user, unsigned count)
{
    fence_operands(unit, user, 0, count);
    for (unsigned i = 0; i < count; i++) {
        LLVMValueRef value = LLVMGetOperand(user, i);
        if (is_cast_of_float(value)) {
            LLVMSetOperand(user, i, fence(unit, user, value));
        }
    }
}

static void fence_incoming(struct unit *unit, LLVMValueRef phi)
{
    unsigned count = LLVMCountIncoming(phi);

    for (unsigned i = 0; i < count; i++) {
        LLVMBasicBlockRef block = LLVMGetIncomingBlock(phi, i);
        if (!unit_is_telling(LLVMGetOperand(phi, i))) {
            continue;
        }
        unsigned first = unit_first_edge(phi, i);
        LLVMSetOperand(
            phi, i,
            first < i ? LLVMGetOperand(phi, first)
                      : fence(unit, LLVMGetBasicBlockTerminator(block), LLVMGetOperand(phi, i)));
    }
}

/* A number that inlining may turn into a constant. */
static void fence_conversion(struct unit *unit, LLVMValueRef conversion)
{
    LLVMValueRef from = LLVMGetOperand(conversion, 0);
    LLVMTypeKind kind = LLVMGetTypeKind(LLVMTypeOf(conversion));

    if ((kind != LLVMFloatTypeKind && kind != LLVMDoubleTypeKind) ||
        !(LLVMIsAArgument(from) || LLVMIsACallInst(from))) {
        return;
    }
    /* Only what follows may use the fence, which itself uses the conversion. */
    LLVMValueRef hidden = fence(unit, LLVMGetNextInstruction(conversion), conversion);
    LLVMReplaceAllUsesWith(conversion, hidden);
    LLVMSetOperand(hidden, 0, conversion);
}

static void fence_instruction(struct unit *unit, LLVMValueRef in)
{
    switch ((unsigned)LLVMGetInstructionOpcode(in)) {
    case LLVMFAdd:
    case LLVMFSub:
    case LLVMFMul:
    case LLVMFDiv:
        fence_operands(unit, in, 0, 2);
        break;
    case LLVMSelect:
        fence_operands(unit, in, 1, 3);
        break;
    case LLVMCall:
        if (LLVMGetIntrinsicID(LLVMGetCalledValue(in)) == 0) {
            fence_outgoing(unit, in, LLVMGetNumArgOperands(in));
        }
        break;
    case LLVMRet:
    case LLVMInsertValue:
        fence_outgoing(unit, in, (unsigned)LLVMGetNumOperands(in));
        break;
    case LLVMStore:
        if (LLVMIsAGlobalVariable(LLVMGetOperand(in, 1))) {
            fence_operands(unit, in, 0, 1);
        }
        break;
    case LLVMPHI:
        fence_incoming(unit, in);
        break;
    case LLVMFPTrunc:
    case LLVMFPExt:
        if (is_cast_of_float(LLVMGetOperand(in, 0))) {
            LLVMSetOperand(in, 0, fence(unit, in, LLVMGetOperand(in, 0)));
        }
        break;
    case LLVMBitCast:
    case LLVMSIToFP:
    case LLVMUIToFP:
        fence_conversion(unit, in);
        break;
    default:
        break;
    }
}

void unit_fence_floats(struct unit *unit)
{
    unit_for_each_instruction(unit, fence_instruction);
}
