/*
 * A load that is out of bounds traps (Wasm core §4.4.7), in its turn, whether or not anything
 * needs its value; for LLVM a load is only worth its value. While the optimiser runs,
 * each load that can trap has a mark, a call that uses the value and that LLVM may not remove: so
 * loads are still joined, forwarded and hoisted, but neither dropped nor sunk past another
 * trap or into a branch. The vectorisers cannot look past a call: before them the marks go,
 * and come back after them. What nothing but its mark needs becomes volatile when the mark
 * goes. Code generation, too, can find out that a value is not needed, or needed elsewhere:
 * in the end all are volatile. See docs/decisions/0007.
 */
#include "aot/codegen.h"

#define MARK_NAME "llvm.annotation"
/* Searches are cut off here: taking a live load for dead costs a little speed, never a trap. */
#define VISIT_MAX       256u
#define LOOP_BLOCKS_MAX 64u
#define QUIET_MAX       4u

struct search {
    LLVMValueRef values[VISIT_MAX + 1];
    unsigned count;
};

static void visit(struct search *search, LLVMValueRef value)
{
    for (unsigned i = 0; i < search->count; i++) {
        if (search->values[i] == value) {
            return;
        }
    }
    if (search->count <= VISIT_MAX) {
        search->values[search->count++] = value;
    }
}

/* What the address is an element of. */
static LLVMValueRef address_base(LLVMValueRef address)
{
    while (LLVMIsAGetElementPtrInst(address) ||
           (LLVMIsAConstantExpr(address) && LLVMGetConstOpcode(address) == LLVMGetElementPtr)) {
        address = LLVMGetOperand(address, 0);
    }
    return address;
}

/* Memory whose accesses have no check is only ever addressed through its symbol, or at -O0
 * through a constant that holds its address; other globals, and what is behind other
 * pointers from memory, are always there or checked. */
static bool may_trap(const struct unit *unit, LLVMValueRef instruction)
{
    if (!LLVMIsALoadInst(instruction) || LLVMGetVolatile(instruction) ||
        LLVMGetOrdering(instruction) != LLVMAtomicOrderingNotAtomic) {
        return false;
    }
    LLVMValueRef base = address_base(LLVMGetOperand(instruction, 0));
    if (LLVMIsALoadInst(base)) {
        return LLVMGetOperand(base, 0) == unit->memory_zero_address;
    }
    return base == unit->memory_zero || !(LLVMIsAGlobalVariable(base) || LLVMIsAAllocaInst(base));
}

static void visit_all(struct unit *unit, unit_visitor *visit_instruction)
{
    unit_find_memory_zero(unit);
    unit_for_each_instruction(unit, visit_instruction);
}

/* The integer, or vector of integers, with the bits of a type. */
static LLVMTypeRef integer_like(struct unit *unit, LLVMTypeRef type)
{
    if (LLVMGetTypeKind(type) == LLVMVectorTypeKind) {
        return LLVMVectorType(integer_like(unit, LLVMGetElementType(type)),
                              LLVMGetVectorSize(type));
    }
    return LLVMIntTypeInContext(unit->context,
                                (unsigned)LLVMSizeOfTypeInBits(unit->target->layout, type));
}

/* An annotation costs nothing in LLVM's estimates, and counts as a write to memory that
 * nothing else reads or writes. */
static void mark(struct unit *unit, LLVMValueRef load)
{
    if (!may_trap(unit, load)) {
        return;
    }
    LLVMTypeRef overloads[2] = {integer_like(unit, LLVMTypeOf(load)), unit->ptr};
    LLVMValueRef arguments[4] = {NULL, LLVMConstNull(unit->ptr), LLVMConstNull(unit->ptr),
                                 unit_i32(unit, 0)};

    LLVMPositionBuilderBefore(unit->builder, LLVMGetNextInstruction(load));
    LLVMSetCurrentDebugLocation2(unit->builder, NULL);
    arguments[0] = LLVMBuildBitCast(unit->builder, load, overloads[0], "");
    unit_call_intrinsic(unit, MARK_NAME, overloads, 2, arguments, 4);
}

static void remove_mark(LLVMValueRef call)
{
    LLVMValueRef value = LLVMGetOperand(call, 0);

    LLVMInstructionEraseFromParent(call);
    if (LLVMIsABitCastInst(value) && LLVMGetFirstUse(value) == NULL) {
        LLVMInstructionEraseFromParent(value);
    }
}

/* Whether a way leads from one block to another; false when that takes many blocks. */
static bool leads_to(LLVMBasicBlockRef from, LLVMBasicBlockRef to)
{
    LLVMBasicBlockRef blocks[LOOP_BLOCKS_MAX + 1] = {from};
    unsigned count = 1;

    for (unsigned at = 0; at < count && count <= LOOP_BLOCKS_MAX; at++) {
        if (blocks[at] == to) {
            return true;
        }
        LLVMValueRef end = LLVMGetBasicBlockTerminator(blocks[at]);
        for (unsigned i = 0; i < LLVMGetNumSuccessors(end); i++) {
            LLVMBasicBlockRef next = LLVMGetSuccessor(end, i);
            unsigned known = 0;
            while (known < count && blocks[known] != next) {
                known++;
            }
            if (known == count && count <= LOOP_BLOCKS_MAX) {
                blocks[count++] = next;
            }
        }
    }
    return false;
}

static bool does_nothing(LLVMBasicBlockRef block)
{
    for (LLVMValueRef in = LLVMGetFirstInstruction(block); !LLVMIsABranchInst(in);
         in = LLVMGetNextInstruction(in)) {
        if (!LLVMIsACastInst(in) && !LLVMIsABinaryOperator(in) && !LLVMIsACmpInst(in) &&
            !LLVMIsAGetElementPtrInst(in)) {
            return false;
        }
    }
    return true;
}

/* The first block behind this one, or itself, in which something happens, or where the ways
 * part to what differs. */
static LLVMBasicBlockRef next_to_do(LLVMBasicBlockRef block, unsigned depth)
{
    if (depth == QUIET_MAX || !does_nothing(block)) {
        return block;
    }
    LLVMValueRef end = LLVMGetBasicBlockTerminator(block);
    LLVMBasicBlockRef next = next_to_do(LLVMGetSuccessor(end, 0), depth + 1);
    for (unsigned i = 1; i < LLVMGetNumSuccessors(end); i++) {
        if (next_to_do(LLVMGetSuccessor(end, i), depth + 1) != next) {
            return block;
        }
    }
    return next;
}

/* Whether the same happens next on all ways. */
static bool decides_nothing(LLVMValueRef branch)
{
    LLVMBasicBlockRef next = next_to_do(LLVMGetSuccessor(branch, 0), 0);

    for (unsigned i = 1; i < LLVMGetNumSuccessors(branch); i++) {
        if (next_to_do(LLVMGetSuccessor(branch, i), 0) != next) {
            return false;
        }
    }
    return true;
}

/* A choice between ways that all stay in a loop, which may be vectorised for it. Any other may
 * turn out not to matter, when nothing happens on either way. */
static bool stays_in_loop(LLVMValueRef branch)
{
    for (unsigned i = 0; i < LLVMGetNumSuccessors(branch); i++) {
        if (!leads_to(LLVMGetSuccessor(branch, i), LLVMGetInstructionParent(branch))) {
            return false;
        }
    }
    return true;
}

/* True for what does something, unlike an operation on values. */
static bool is_effect(LLVMValueRef user)
{
    switch ((unsigned)LLVMGetInstructionOpcode(user)) {
    case LLVMCall:
        return LLVMGetIntrinsicID(LLVMGetCalledValue(user)) == 0 ||
               LLVMGetTypeKind(LLVMTypeOf(user)) == LLVMVoidTypeKind;
    case LLVMBr:
    case LLVMSwitch:
        return stays_in_loop(user) && !decides_nothing(user);
    case LLVMRet:
    case LLVMStore:
    case LLVMLoad:
    case LLVMAtomicRMW:
    case LLVMAtomicCmpXchg:
        return true;
    default:
        return false;
    }
}

/* Some path of uses leads to an effect. */
static bool is_live(LLVMValueRef load)
{
    struct search search = {.values = {load}, .count = 1};

    for (unsigned at = 0; at < search.count && search.count <= VISIT_MAX; at++) {
        for (LLVMUseRef use = LLVMGetFirstUse(search.values[at]); use != NULL;
             use = LLVMGetNextUse(use)) {
            LLVMValueRef user = LLVMGetUser(use);
            if (is_effect(user)) {
                return true;
            }
            if (!LLVMIsATerminatorInst(user)) {
                visit(&search, user);
            }
        }
    }
    return false;
}

static bool ends_without_choice(LLVMBasicBlockRef block)
{
    return LLVMGetNumSuccessors(LLVMGetBasicBlockTerminator(block)) <= 1;
}

/* LLVM makes one load behind a phi of several in front of it, though other ways lead out
 * of their blocks. */
static bool could_pass_phi(LLVMValueRef load)
{
    LLVMUseRef use = LLVMGetFirstUse(load);

    return LLVMGetNextUse(use) == NULL && LLVMIsAPHINode(LLVMGetUser(use)) &&
           !ends_without_choice(LLVMGetInstructionParent(load));
}

static void make_volatile(struct unit *unit, LLVMValueRef load)
{
    if (may_trap(unit, load)) {
        LLVMSetVolatile(load, 1);
    }
}

static void keep_dead(struct unit *unit, LLVMValueRef load)
{
    if (may_trap(unit, load) && (!is_live(load) || could_pass_phi(load))) {
        LLVMSetVolatile(load, 1);
    }
}

void unit_fix_loads(struct unit *unit)
{
    visit_all(unit, make_volatile);
}

/* A loop that copies would become a call, and leave its marked loads behind: that can wait
 * until the marks are gone. */
static void allow_copy_loops(struct unit *unit, bool is_allowed)
{
    static const char name[] = "no-builtin-memcpy";
    LLVMAttributeIndex where = (LLVMAttributeIndex)LLVMAttributeFunctionIndex;
    LLVMAttributeRef attribute =
        LLVMCreateStringAttribute(unit->context, name, sizeof(name) - 1, "", 0);

    for (LLVMValueRef function = LLVMGetFirstFunction(unit->llvm); function != NULL;
         function = LLVMGetNextFunction(function)) {
        if (LLVMCountBasicBlocks(function) == 0) {
            continue;
        }
        if (is_allowed) {
            LLVMRemoveStringAttributeAtIndex(function, where, name, sizeof(name) - 1);
        } else {
            LLVMAddAttributeAtIndex(function, where, attribute);
        }
    }
}

void unit_mark_loads(struct unit *unit)
{
    allow_copy_loops(unit, false);
    visit_all(unit, mark);
}

void unit_unmark_loads(struct unit *unit, bool is_last)
{
    allow_copy_loops(unit, true);
    unit_remove_intrinsic(unit, MARK_NAME, remove_mark);
    visit_all(unit, is_last ? make_volatile : keep_dead);
}
