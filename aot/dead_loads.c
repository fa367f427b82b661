/*
 * A load whose result nothing needs must still trap when it is out of bounds (Wasm core
 * §4.4.7), but LLVM would remove it. Once locals are SSA values, loads from which no
 * path of uses leads to an effect are made volatile; all others stay free to be
 * optimised. The search is cut off after a few values: taking a live load for dead
 * costs a little speed, never a trap.
 */
#include "aot/codegen.h"

#define VISIT_MAX 64u

/* The result does not depend on the operand: LLVM will drop it. */
static bool ignores_operands(LLVMValueRef user)
{
    LLVMValueRef a;
    LLVMValueRef b;

    switch ((unsigned)LLVMGetInstructionOpcode(user)) {
    case LLVMAnd:
    case LLVMMul:
        b = LLVMGetOperand(user, 1);
        a = LLVMGetOperand(user, 0);
        return (LLVMIsConstant(b) && LLVMIsNull(b)) || (LLVMIsConstant(a) && LLVMIsNull(a));
    case LLVMSub:
    case LLVMXor:
    case LLVMICmp:
    case LLVMSRem:
    case LLVMURem:
        return LLVMGetOperand(user, 0) == LLVMGetOperand(user, 1);
    default:
        return false;
    }
}

/* A br_table may name one label only: then the index decides nothing. */
static bool has_choice(LLVMValueRef branch)
{
    unsigned count = LLVMGetNumSuccessors(branch);

    for (unsigned i = 1; i < count; i++) {
        if (LLVMGetSuccessor(branch, i) != LLVMGetSuccessor(branch, 0)) {
            return true;
        }
    }
    return false;
}

static bool is_effect(LLVMValueRef user)
{
    switch ((unsigned)LLVMGetInstructionOpcode(user)) {
    case LLVMCall:
        /* Intrinsics on numbers pass the value on; real calls use it. */
        return LLVMGetIntrinsicID(LLVMGetCalledValue(user)) == 0;
    case LLVMStore:
    case LLVMLoad:
    case LLVMRet:
    case LLVMAtomicRMW:
    case LLVMAtomicCmpXchg:
    case LLVMFence:
        return true;
    case LLVMBr:
    case LLVMSwitch:
        return has_choice(user);
    default:
        return false;
    }
}

static bool is_live(LLVMValueRef load)
{
    LLVMValueRef visited[VISIT_MAX];
    unsigned count = 1;

    visited[0] = load;
    for (unsigned at = 0; at < count; at++) {
        for (LLVMUseRef use = LLVMGetFirstUse(visited[at]); use != NULL;
             use = LLVMGetNextUse(use)) {
            LLVMValueRef user = LLVMGetUser(use);
            bool seen = false;
            if (is_effect(user)) {
                return true;
            }
            for (unsigned i = 0; i < count && !seen; i++) {
                seen = visited[i] == user;
            }
            if (seen || ignores_operands(user)) {
                continue;
            }
            if (count == VISIT_MAX) {
                return false;
            }
            visited[count++] = user;
        }
    }
    return false;
}

void unit_keep_dead_loads(struct unit *unit)
{
    for (uint32_t i = 0; i < unit->load_count; i++) {
        if (!is_live(unit->loads[i])) {
            LLVMSetVolatile(unit->loads[i], 1);
        }
    }
}
