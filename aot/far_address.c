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

void unit_hide_far_addresses(struct unit *unit)
{
    /* The optimiser deletes the symbol when nothing uses it any more. */
    unit->memory_zero = LLVMGetNamedGlobal(unit->llvm, "wasm_memory");
    if (unit->memory_zero == NULL) {
        return;
    }
    for (LLVMUseRef use = LLVMGetFirstUse(unit->memory_zero); use != NULL;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef address = LLVMGetUser(use);
        uint64_t offset = constant_offset(address);
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
