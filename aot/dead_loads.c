/*
 * A load whose result nothing needs must still trap when it is out of bounds (Wasm core
 * §4.4.7), but LLVM would remove it. Once locals are SSA values, loads from which no
 * path of uses leads to an effect are made volatile; all others stay free to be
 * optimised. The search is cut off after a few values: taking a live load for dead
 * costs a little speed, never a trap. At -O0 all loads are volatile: nothing is moved or
 * dropped, so that unoptimised code is exact (docs/decisions/0007).
 */
#include "aot/codegen.h"

#define VISIT_MAX 256u

static bool is_all_ones(LLVMValueRef value)
{
    return LLVMIsAConstantInt(value) && LLVMConstIntGetSExtValue(value) == -1;
}

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
    case LLVMOr:
        return is_all_ones(LLVMGetOperand(user, 0)) || is_all_ones(LLVMGetOperand(user, 1));
    case LLVMSelect:
        /* Then the condition decides nothing. */
        return LLVMGetOperand(user, 1) == LLVMGetOperand(user, 2);
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

/* What a search for effects has reached. */
struct search {
    LLVMValueRef values[VISIT_MAX];
    unsigned count;
};

static void visit(struct search *search, LLVMValueRef value)
{
    for (unsigned i = 0; i < search->count; i++) {
        if (search->values[i] == value) {
            return;
        }
    }
    if (search->count < VISIT_MAX) {
        search->values[search->count++] = value;
    }
}

static bool is_internal(LLVMValueRef function)
{
    return LLVMGetLinkage(function) == LLVMInternalLinkage && LLVMCountBasicBlocks(function) != 0;
}

/* A result goes on to all calls; the optimiser may inline each of them. True: it escapes. */
static bool visit_calls(struct search *search, LLVMValueRef ret)
{
    LLVMValueRef function = LLVMGetBasicBlockParent(LLVMGetInstructionParent(ret));

    if (!is_internal(function)) {
        return true;
    }
    for (LLVMUseRef use = LLVMGetFirstUse(function); use != NULL; use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (!LLVMIsACallInst(user) || LLVMGetCalledValue(user) != function) {
            return true;
        }
        visit(search, user);
    }
    return false;
}

/* An argument goes on as a parameter. True: it escapes. */
static bool visit_parameters(struct search *search, LLVMValueRef call, LLVMValueRef value)
{
    LLVMValueRef function = LLVMGetCalledValue(call);

    if (LLVMGetIntrinsicID(function) != 0) {
        /* Intrinsics on numbers pass the value on. */
        visit(search, call);
        return false;
    }
    if (!LLVMIsAFunction(function) || !is_internal(function)) {
        return true;
    }
    unsigned count = LLVMGetNumArgOperands(call);
    for (unsigned i = 0; i < count && i < LLVMCountParams(function); i++) {
        if (LLVMGetOperand(call, i) == value) {
            visit(search, LLVMGetParam(function, i));
        }
    }
    return LLVMCountParams(function) != count;
}

/* True when the user needs the value for more than a value of its own, which is visited. */
static bool is_effect(struct search *search, LLVMValueRef user, LLVMValueRef value)
{
    switch ((unsigned)LLVMGetInstructionOpcode(user)) {
    case LLVMCall:
        return visit_parameters(search, user, value);
    case LLVMRet:
        return visit_calls(search, user);
    case LLVMStore:
    case LLVMLoad:
    case LLVMAtomicRMW:
    case LLVMAtomicCmpXchg:
    case LLVMFence:
        return true;
    case LLVMBr:
    case LLVMSwitch:
        return has_choice(user);
    default:
        if (!ignores_operands(user)) {
            visit(search, user);
        }
        return false;
    }
}

static bool is_live(LLVMValueRef load)
{
    struct search search = {.values = {load}, .count = 1};

    for (unsigned at = 0; at < search.count; at++) {
        LLVMValueRef value = search.values[at];
        for (LLVMUseRef use = LLVMGetFirstUse(value); use != NULL; use = LLVMGetNextUse(use)) {
            if (is_effect(&search, LLVMGetUser(use), value)) {
                return true;
            }
        }
    }
    return false;
}

void unit_keep_dead_loads(struct unit *unit)
{
    for (uint32_t i = 0; i < unit->load_count; i++) {
        if (unit->gen->options->optimization == 0 || !is_live(unit->loads[i])) {
            LLVMSetVolatile(unit->loads[i], 1);
        }
    }
}
