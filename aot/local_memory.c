/*
 * While LLVM simplifies, each function has a name of its own for memory 0. Global value numbering
 * goes through all users of a pointer to find an address in another block; the symbol's are
 * the accesses of the whole unit, and 13 % of SQLite's compilation at -O3 were this search. The
 * name is an intrinsic that alias analysis looks through, and that costs nothing.
 */
#include "aot/codegen.h"

#define NAME "llvm.strip.invariant.group"

static LLVMValueRef make_name(struct unit *unit, LLVMValueRef function)
{
    LLVMPositionBuilderBefore(unit->builder,
                              LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(function)));
    LLVMSetCurrentDebugLocation2(unit->builder, NULL);
    return unit_call_intrinsic(unit, NAME, &unit->ptr, 1, &unit->memory_zero, 1);
}

static void name_in_function(struct unit *unit, LLVMValueRef function)
{
    LLVMValueRef name = NULL;

    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block != NULL;
         block = LLVMGetNextBasicBlock(block)) {
        for (LLVMValueRef in = LLVMGetFirstInstruction(block); in != NULL;
             in = LLVMGetNextInstruction(in)) {
            if (!LLVMIsAGetElementPtrInst(in) || LLVMGetOperand(in, 0) != unit->memory_zero) {
                continue;
            }
            name = name == NULL ? make_name(unit, function) : name;
            LLVMSetOperand(in, 0, name);
        }
    }
}

void unit_name_memory(struct unit *unit)
{
    unit_find_memory_zero(unit);
    if (unit->memory_zero == NULL) {
        return;
    }
    for (LLVMValueRef function = LLVMGetFirstFunction(unit->llvm); function != NULL;
         function = LLVMGetNextFunction(function)) {
        name_in_function(unit, function);
    }
}

static void remove_name(LLVMValueRef call)
{
    LLVMReplaceAllUsesWith(call, LLVMGetOperand(call, 0));
    LLVMInstructionEraseFromParent(call);
}

void unit_unname_memory(struct unit *unit)
{
    unit_remove_intrinsic(unit, NAME, remove_name);
}
