/*
 * Constant addresses in linear memory that the optimiser produced. The linker can place
 * one in an instruction only while it lies near the symbol; others are hidden behind
 * an opaque sum, whatever their distance.
 */
#include "aot/codegen.h"

/* The byte offset of a constant element address of wasm_memory; 0 for anything else. */
static uint64_t constant_offset(LLVMValueRef value)
{
    if (!LLVMIsAConstantExpr(value) || LLVMGetConstOpcode(value) != LLVMGetElementPtr ||
        LLVMGetNumOperands(value) != 2) {
        return 0;
    }
    LLVMValueRef index = LLVMGetOperand(value, 1);
    return LLVMIsAConstantInt(index) ? LLVMConstIntGetZExtValue(index) : 0;
}

static void replace_in(struct unit *unit, LLVMValueRef user, LLVMValueRef address, uint64_t offset)
{
    if (!LLVMIsAInstruction(user) || LLVMIsAPHINode(user)) {
        return;
    }
    LLVMPositionBuilderBefore(unit->builder, user);
    LLVMValueRef sum = unit_opaque_i64(unit, offset);
    LLVMValueRef replacement =
        LLVMBuildGEP2(unit->builder, unit->i8, unit_memory_zero(unit), &sum, 1, "");
    for (int i = 0; i < LLVMGetNumOperands(user); i++) {
        if (LLVMGetOperand(user, (unsigned)i) == address) {
            LLVMSetOperand(user, (unsigned)i, replacement);
        }
    }
}

static bool is_far(LLVMValueRef index)
{
    return LLVMIsAConstantInt(index) && LLVMConstIntGetZExtValue(index) >= ADDRESS_DIRECT_BYTES;
}

/* Makes a far constant that is an operand of the instruction opaque. */
static void hide_operand(struct unit *unit, LLVMValueRef user, unsigned operand)
{
    LLVMValueRef index = LLVMGetOperand(user, operand);

    if (LLVMTypeOf(index) == unit->i64 && is_far(index)) {
        LLVMPositionBuilderBefore(unit->builder, user);
        LLVMSetOperand(user, operand, unit_opaque_i64(unit, LLVMConstIntGetZExtValue(index)));
    }
}

/* Hides constants that a phi, i32 or i64, takes over and that are far with the addend. */
static void hide_incoming(struct unit *unit, LLVMValueRef phi, uint64_t addend)
{
    bool is_narrow = LLVMTypeOf(phi) == unit->i32;

    for (unsigned i = 0; i < LLVMCountIncoming(phi); i++) {
        LLVMValueRef value = LLVMGetIncomingValue(phi, i);
        LLVMBasicBlockRef block = LLVMGetIncomingBlock(phi, i);
        if (!LLVMIsAConstantInt(value)) {
            continue;
        }
        uint64_t number = LLVMConstIntGetZExtValue(value);
        uint64_t sum = is_narrow ? (uint32_t)(number + addend) : number + addend;
        if (sum < ADDRESS_DIRECT_BYTES) {
            continue;
        }
        unsigned first = unit_first_edge(phi, i);
        if (first == i) {
            LLVMPositionBuilderBefore(unit->builder, LLVMGetBasicBlockTerminator(block));
            value = unit_opaque_i64(unit, number);
            value = LLVMBuildIntCast2(unit->builder, value, LLVMTypeOf(phi), 0, "");
        } else {
            value = LLVMGetIncomingValue(phi, first);
        }
        LLVMSetOperand(phi, i, value);
    }
}

/* Where a loop begins: code generation adds it to the addresses of all rounds. */
static void hide_beginning(struct unit *unit, LLVMValueRef index)
{
    LLVMValueRef value = LLVMIsAZExtInst(index) ? LLVMGetOperand(index, 0) : index;
    uint64_t addend = 0;

    if (LLVMIsAInstruction(value) && LLVMGetInstructionOpcode(value) == LLVMAdd &&
        LLVMIsAConstantInt(LLVMGetOperand(value, 1))) {
        addend = LLVMConstIntGetZExtValue(LLVMGetOperand(value, 1));
        value = LLVMGetOperand(value, 0);
    }
    if (LLVMIsAPHINode(value) &&
        (LLVMTypeOf(value) == unit->i32 || LLVMTypeOf(value) == unit->i64)) {
        hide_incoming(unit, value, addend);
    }
}

/* What instruction selection takes for a sum with a constant. */
static void hide_in_index(struct unit *unit, LLVMValueRef index)
{
    if (!LLVMIsAInstruction(index)) {
        return;
    }
    LLVMOpcode opcode = LLVMGetInstructionOpcode(index);
    if (opcode == LLVMAdd || opcode == LLVMOr) {
        /* Unoptimised code has its constants on either side. */
        hide_operand(unit, index, 0);
        hide_operand(unit, index, 1);
    } else if (opcode == LLVMSelect) {
        /* Neighbouring constants become one of them and the condition. */
        hide_operand(unit, index, 1);
        hide_operand(unit, index, 2);
    }
}

/* Sums with a register: instruction selection would make the constant a displacement. */
#define CHAIN_MAX 8

static void hide_in_sum(struct unit *unit, LLVMValueRef address, int depth)
{
    if (!LLVMIsAGetElementPtrInst(address) || LLVMGetNumOperands(address) != 2 ||
        depth == CHAIN_MAX) {
        return;
    }
    LLVMValueRef index = LLVMGetOperand(address, 1);
    hide_in_index(unit, index);
    hide_beginning(unit, index);
    for (LLVMUseRef use = LLVMGetFirstUse(address); use != NULL; use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (LLVMIsAGetElementPtrInst(user) && LLVMGetOperand(user, 0) == address &&
            LLVMGetNumOperands(user) == 2) {
            hide_operand(unit, user, 1);
            hide_in_sum(unit, user, depth + 1);
        }
    }
}

void unit_hide_far_addresses(struct unit *unit)
{
    unit_find_memory_zero(unit);
    if (unit->memory_zero == NULL) {
        return;
    }
    for (LLVMUseRef use = LLVMGetFirstUse(unit->memory_zero); use != NULL;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef address = LLVMGetUser(use);
        uint64_t offset = constant_offset(address);
        hide_in_sum(unit, address, 0);
        if (offset < ADDRESS_DIRECT_BYTES) {
            continue;
        }
        LLVMUseRef inner = LLVMGetFirstUse(address);
        while (inner != NULL) {
            LLVMValueRef user = LLVMGetUser(inner);
            /* One user may hold several uses: step over all that replace_in takes away. */
            do {
                inner = LLVMGetNextUse(inner);
            } while (inner != NULL && LLVMGetUser(inner) == user);
            replace_in(unit, user, address, offset);
        }
    }
}
