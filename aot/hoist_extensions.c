/*
 * Addresses are 32-bit values that each access extends to 64 bits. In x86's registers every 32-bit
 * operation extends its result by itself, but instruction selection sees one block at a time: there
 * a value from another block, or a phi, costs a move before each access. So, at the end of
 * optimisation, values are extended where they are made, and phis that are only extended are 64
 * bits wide.
 */
#include "aot/codegen.h"

#define GROUP_MAX 16u

/* Phis that take over from each other. */
struct group {
    LLVMValueRef phis[GROUP_MAX];
    LLVMValueRef wide[GROUP_MAX];
    unsigned count;
};

/* What has been replaced stays, without a use, until the walk through its function is over. */
static bool is_dead(LLVMValueRef in)
{
    return LLVMGetFirstUse(in) == NULL && (LLVMIsAZExtInst(in) || LLVMIsAPHINode(in));
}

static bool is_extension(const struct unit *unit, LLVMValueRef user)
{
    return LLVMIsAZExtInst(user) && LLVMTypeOf(user) == unit->i64 && !is_dead(user);
}

/* Where code that uses the value may begin. */
static void position_behind(struct unit *unit, LLVMValueRef value)
{
    LLVMValueRef next;

    if (LLVMIsAArgument(value)) {
        next = LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(LLVMGetParamParent(value)));
    } else {
        next = LLVMGetNextInstruction(value);
    }
    while (LLVMIsAPHINode(next) || LLVMIsAAllocaInst(next)) {
        next = LLVMGetNextInstruction(next);
    }
    LLVMPositionBuilderBefore(unit->builder, next);
    LLVMSetCurrentDebugLocation2(unit->builder, NULL);
}

/* Puts `wide` in the place of all extensions of the value but itself. */
static void replace_extensions(struct unit *unit, LLVMValueRef value, LLVMValueRef wide)
{
    for (LLVMUseRef use = LLVMGetFirstUse(value); use != NULL; use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (user != wide && is_extension(unit, user)) {
            LLVMReplaceAllUsesWith(user, wide);
        }
    }
}

/* The value, extended where it is made. */
static LLVMValueRef extend(struct unit *unit, LLVMValueRef value)
{
    if (LLVMIsAConstantInt(value)) {
        return unit_i64(unit, LLVMConstIntGetZExtValue(value));
    }
    position_behind(unit, value);
    LLVMValueRef wide = LLVMBuildZExt(unit->builder, value, unit->i64, "");
    replace_extensions(unit, value, wide);
    return wide;
}

static unsigned find_in_group(const struct group *group, LLVMValueRef value)
{
    unsigned i = 0;

    while (i < group->count && group->phis[i] != value) {
        i++;
    }
    return i;
}

static bool is_extendable(LLVMValueRef value)
{
    return LLVMIsAConstantInt(value) || LLVMIsAArgument(value) || LLVMIsAInstruction(value);
}

/* Adds what the group's phis take over from; false when it gets too large. */
static bool close_group(struct group *group)
{
    for (unsigned i = 0; i < group->count; i++) {
        for (unsigned j = 0; j < LLVMCountIncoming(group->phis[i]); j++) {
            LLVMValueRef value = LLVMGetIncomingValue(group->phis[i], j);
            if (!is_extendable(value)) {
                return false;
            }
            if (!LLVMIsAPHINode(value) || find_in_group(group, value) != group->count) {
                continue;
            }
            if (group->count == GROUP_MAX) {
                return false;
            }
            group->phis[group->count++] = value;
        }
    }
    return true;
}

static void fill_phi(struct unit *unit, const struct group *group, unsigned at)
{
    LLVMValueRef phi = group->phis[at];
    LLVMValueRef last = NULL;
    LLVMValueRef wide = NULL;

    for (unsigned i = 0; i < LLVMCountIncoming(phi); i++) {
        LLVMValueRef value = LLVMGetIncomingValue(phi, i);
        LLVMBasicBlockRef block = LLVMGetIncomingBlock(phi, i);
        unsigned member = find_in_group(group, value);
        if (member < group->count) {
            wide = group->wide[member];
        } else if (value != last) {
            /* A large br_table brings one value many times. */
            wide = extend(unit, value);
        }
        last = value;
        LLVMAddIncoming(group->wide[at], &wide, &block, 1);
    }
}

static void widen_group(struct unit *unit, struct group *group)
{
    for (unsigned i = 0; i < group->count; i++) {
        LLVMPositionBuilderBefore(unit->builder, group->phis[i]);
        LLVMSetCurrentDebugLocation2(unit->builder, NULL);
        group->wide[i] = LLVMBuildPhi(unit->builder, unit->i64, "");
    }
    for (unsigned i = 0; i < group->count; i++) {
        fill_phi(unit, group, i);
    }
    for (unsigned i = 0; i < group->count; i++) {
        LLVMValueRef phi = group->phis[i];
        replace_extensions(unit, phi, group->wide[i]);
        position_behind(unit, phi);
        LLVMValueRef narrow = LLVMBuildTrunc(unit->builder, group->wide[i], unit->i32, "");
        LLVMReplaceAllUsesWith(phi, narrow);
    }
}

/* Whether a value is extended in another block, or more than once. */
static bool is_worth_it(const struct unit *unit, LLVMValueRef value)
{
    bool is_phi = LLVMIsAPHINode(value);
    unsigned count = 0;

    for (LLVMUseRef use = LLVMGetFirstUse(value); use != NULL; use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);
        if (!is_extension(unit, user)) {
            continue;
        }
        count++;
        if (is_phi || LLVMIsAArgument(value) ||
            LLVMGetInstructionParent(user) != LLVMGetInstructionParent(value)) {
            return true;
        }
    }
    return count > 1;
}

static void hoist(struct unit *unit, LLVMValueRef value)
{
    struct group group = {.phis = {value}, .count = 1};

    if (LLVMTypeOf(value) != unit->i32 || !is_worth_it(unit, value)) {
        return;
    }
    if (LLVMIsAPHINode(value) && close_group(&group)) {
        widen_group(unit, &group);
    } else {
        extend(unit, value);
    }
}

static void remove_dead(LLVMBasicBlockRef block)
{
    LLVMValueRef next;

    for (LLVMValueRef in = LLVMGetFirstInstruction(block); in != NULL; in = next) {
        next = LLVMGetNextInstruction(in);
        if (is_dead(in)) {
            LLVMInstructionEraseFromParent(in);
        }
    }
}

static void hoist_in_function(struct unit *unit, LLVMValueRef function)
{
    for (LLVMValueRef argument = LLVMGetFirstParam(function); argument != NULL;
         argument = LLVMGetNextParam(argument)) {
        hoist(unit, argument);
    }
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block != NULL;
         block = LLVMGetNextBasicBlock(block)) {
        for (LLVMValueRef in = LLVMGetFirstInstruction(block); in != NULL;
             in = LLVMGetNextInstruction(in)) {
            hoist(unit, in);
        }
    }
    for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block != NULL;
         block = LLVMGetNextBasicBlock(block)) {
        remove_dead(block);
    }
}

void unit_hoist_extensions(struct unit *unit)
{
    for (LLVMValueRef function = LLVMGetFirstFunction(unit->llvm); function != NULL;
         function = LLVMGetNextFunction(function)) {
        if (LLVMCountBasicBlocks(function) != 0) {
            hoist_in_function(unit, function);
        }
    }
}
