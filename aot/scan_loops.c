/*
 * Loops that look for a byte, such as a libc's memcmp, strcmp and memchr, sixteen at a time.
 * A loop is a chain of up to three blocks whose only effects are one or two loads of
 * bytes, at addresses that grow by one, and whose only ways out compare these bytes, or a
 * counter. Before each round, many are tried at once:
 *
 *     guard:    an address near the end of its page, or few rounds left by the counter -> loop
 *     read:     sixteen bytes at each; they or the counter end the loop -> found
 *     further:  sixteen rounds -> guard
 *     found:    as many rounds as go by before the one that ends it -> loop
 *     loop:     a round, as before -> guard
 *
 * Exactness (docs/decisions/0007): a page is there or not as a whole, and the loop itself would
 * read the first byte of each sixteen, in the same order: so the wide loads trap where the loop's
 * would.
 */
#include "aot/codegen.h"

#define BLOCK_MAX  3u
#define PHI_MAX    6u
#define LOAD_MAX   2u
#define TEST_MAX   3u
#define DEPTH_MAX  8u
#define WIDE_BYTES 16u
/* So many are not worth a wide step; and 0 may mean that the counter goes all around. */
#define FEW_ROUNDS 3u
/* Linear memory begins on a page, and ends on one. */
#define PAGE_BYTES 4096u

/* The loop ends when `left` and `right`, bytes, are equal, or when they are not. Each is one
 * of the loop's loads or does not change in the loop. */
struct byte_test {
    LLVMValueRef left;
    LLVMValueRef right;
    bool ends_when_equal;
};

struct scan {
    struct unit *unit;
    LLVMBasicBlockRef blocks[BLOCK_MAX];
    unsigned block_count;
    LLVMValueRef phis[PHI_MAX];
    int64_t steps[PHI_MAX]; /* what a round adds */
    unsigned phi_count;
    LLVMValueRef loads[LOAD_MAX];
    LLVMValueRef indices[LOAD_MAX]; /* i32, of the byte in memory 0 */
    unsigned load_count;
    struct byte_test tests[TEST_MAX];
    unsigned test_count;
    unsigned counter; /* a phi that ends the loop when it is `limit`; PHI_MAX: none */
    bool counts_next; /* it is compared after the round's step */
    LLVMValueRef limit;
};

/* The blocks between a round and the next. */
struct between {
    LLVMBasicBlockRef guard;
    LLVMBasicBlockRef read;
    LLVMBasicBlockRef further;
    LLVMBasicBlockRef found;
    LLVMValueRef phis[PHI_MAX]; /* in guard */
    LLVMValueRef left;          /* NULL, or rounds until the counter ends the loop */
};

static bool is_in_loop(const struct scan *scan, LLVMValueRef value)
{
    if (!LLVMIsAInstruction(value)) {
        return false;
    }
    for (unsigned i = 0; i < scan->block_count; i++) {
        if (LLVMGetInstructionParent(value) == scan->blocks[i]) {
            return true;
        }
    }
    return false;
}

static unsigned find_phi(const struct scan *scan, LLVMValueRef value)
{
    unsigned i = 0;

    while (i < scan->phi_count && scan->phis[i] != value) {
        i++;
    }
    return i < scan->phi_count ? i : PHI_MAX;
}

static bool is_one_of_loads(const struct scan *scan, LLVMValueRef value)
{
    return value == scan->loads[0] || (scan->load_count > 1 && value == scan->loads[1]);
}

/* ---- Recognition ------------------------------------------------------------------------------
 */

/* How many ways lead to a block. */
static unsigned predecessor_count(LLVMBasicBlockRef block)
{
    unsigned count = 0;

    for (LLVMUseRef use = LLVMGetFirstUse(LLVMBasicBlockAsValue(block)); use != NULL;
         use = LLVMGetNextUse(use)) {
        count++;
    }
    return count;
}

/* Extends the chain by blocks that only it leads to, until it is back at its beginning. */
static bool close_chain(struct scan *scan)
{
    LLVMValueRef end = LLVMGetBasicBlockTerminator(scan->blocks[scan->block_count - 1]);

    if (!LLVMIsABranchInst(end)) {
        return false;
    }
    for (unsigned i = 0; i < LLVMGetNumSuccessors(end); i++) {
        if (LLVMGetSuccessor(end, i) == scan->blocks[0]) {
            return true;
        }
    }
    for (unsigned i = 0; i < LLVMGetNumSuccessors(end) && scan->block_count < BLOCK_MAX; i++) {
        LLVMBasicBlockRef next = LLVMGetSuccessor(end, i);
        if (predecessor_count(next) != 1) {
            continue;
        }
        scan->blocks[scan->block_count++] = next;
        if (close_chain(scan)) {
            return true;
        }
        scan->block_count--;
    }
    return false;
}

/* The value that a phi of the loop's first block has on the way from `block`, or from all others.
 */
static LLVMValueRef incoming(LLVMValueRef phi, LLVMBasicBlockRef block, bool from_block)
{
    bool is_first = (LLVMGetIncomingBlock(phi, 0) == block) == from_block;

    return LLVMGetIncomingValue(phi, is_first ? 0 : 1);
}

static bool read_phi(struct scan *scan, LLVMValueRef phi)
{
    LLVMBasicBlockRef latch = scan->blocks[scan->block_count - 1];
    LLVMTypeRef type = LLVMTypeOf(phi);

    if (scan->phi_count == PHI_MAX || LLVMCountIncoming(phi) != 2 ||
        (type != scan->unit->i32 && type != scan->unit->i64)) {
        return false;
    }
    LLVMValueRef next = incoming(phi, latch, true);
    if (!LLVMIsAInstruction(next) || LLVMGetInstructionOpcode(next) != LLVMAdd ||
        LLVMGetOperand(next, 0) != phi || !LLVMIsAConstantInt(LLVMGetOperand(next, 1))) {
        return false;
    }
    scan->steps[scan->phi_count] = LLVMConstIntGetSExtValue(LLVMGetOperand(next, 1));
    scan->phis[scan->phi_count++] = phi;
    return true;
}

/* By how much a value of the loop grows in a round; false when that is not known. */
static bool find_step(const struct scan *scan, LLVMValueRef value, unsigned depth, int64_t *step)
{
    unsigned phi = find_phi(scan, value);
    int64_t left = 0;
    int64_t right = 0;

    if (!is_in_loop(scan, value) || phi != PHI_MAX) {
        *step = phi == PHI_MAX ? 0 : scan->steps[phi];
        return true;
    }
    LLVMOpcode opcode = LLVMGetInstructionOpcode(value);
    if (opcode == LLVMTrunc && depth < DEPTH_MAX) {
        return find_step(scan, LLVMGetOperand(value, 0), depth + 1, step);
    }
    if ((opcode != LLVMAdd && opcode != LLVMSub) || depth == DEPTH_MAX ||
        !find_step(scan, LLVMGetOperand(value, 0), depth + 1, &left) ||
        !find_step(scan, LLVMGetOperand(value, 1), depth + 1, &right)) {
        return false;
    }
    *step = opcode == LLVMAdd ? left + right : left - right;
    return *step >= -1 && *step <= 1;
}

static bool read_load(struct scan *scan, LLVMValueRef load)
{
    LLVMValueRef address = LLVMGetOperand(load, 0);
    int64_t step;

    /* What a test lets through only sometimes must not be read ahead of it. */
    if (scan->load_count == LOAD_MAX || scan->test_count != 0 ||
        LLVMTypeOf(load) != scan->unit->i8 ||
        LLVMGetOrdering(load) != LLVMAtomicOrderingNotAtomic ||
        !LLVMIsAGetElementPtrInst(address) || LLVMGetNumOperands(address) != 2 ||
        LLVMGetOperand(address, 0) != scan->unit->memory_zero ||
        LLVMGetGEPSourceElementType(address) != scan->unit->i8) {
        return false;
    }
    LLVMValueRef offset = LLVMGetOperand(address, 1);
    if (!LLVMIsAZExtInst(offset) || LLVMTypeOf(LLVMGetOperand(offset, 0)) != scan->unit->i32) {
        return false;
    }
    LLVMValueRef index = LLVMGetOperand(offset, 0);
    if (!find_step(scan, index, 0, &step) || step != 1) {
        return false;
    }
    scan->indices[scan->load_count] = index;
    scan->loads[scan->load_count++] = load;
    return true;
}

/* Operations on values that can be done more or less often, unlike division. */
static bool is_harmless(LLVMValueRef in)
{
    switch ((unsigned)LLVMGetInstructionOpcode(in)) {
    case LLVMAdd:
    case LLVMSub:
    case LLVMAnd:
    case LLVMOr:
    case LLVMXor:
    case LLVMShl:
    case LLVMLShr:
    case LLVMAShr:
    case LLVMICmp:
    case LLVMSelect:
    case LLVMZExt:
    case LLVMSExt:
    case LLVMTrunc:
    case LLVMGetElementPtr:
        return true;
    default:
        return false;
    }
}

static bool read_counter(struct scan *scan, LLVMValueRef value, LLVMValueRef limit)
{
    unsigned phi = find_phi(scan, value);
    bool is_next =
        phi == PHI_MAX && LLVMIsAInstruction(value) && LLVMGetInstructionOpcode(value) == LLVMAdd;

    if (is_next) {
        phi = find_phi(scan, LLVMGetOperand(value, 0));
        if (phi != PHI_MAX &&
            value != incoming(scan->phis[phi], scan->blocks[scan->block_count - 1], true)) {
            return false;
        }
    }
    if (phi == PHI_MAX || scan->counter != PHI_MAX || is_in_loop(scan, limit) ||
        (scan->steps[phi] != 1 && scan->steps[phi] != -1)) {
        return false;
    }
    scan->counter = phi;
    scan->counts_next = is_next;
    scan->limit = limit;
    return true;
}

static bool is_byte_of(const struct scan *scan, LLVMValueRef value)
{
    return is_one_of_loads(scan, value) || !is_in_loop(scan, value);
}

/* Reads a condition that ends the loop when it is `ends_when`. */
static bool read_condition(struct scan *scan, LLVMValueRef condition, bool ends_when,
                           unsigned depth)
{
    if (!is_in_loop(scan, condition) || depth == DEPTH_MAX) {
        return false;
    }
    if (LLVMGetInstructionOpcode(condition) == (ends_when ? LLVMOr : LLVMAnd)) {
        return read_condition(scan, LLVMGetOperand(condition, 0), ends_when, depth + 1) &&
               read_condition(scan, LLVMGetOperand(condition, 1), ends_when, depth + 1);
    }
    if (!LLVMIsAICmpInst(condition)) {
        return false;
    }
    LLVMIntPredicate predicate = LLVMGetICmpPredicate(condition);
    LLVMValueRef left = LLVMGetOperand(condition, 0);
    LLVMValueRef right = LLVMGetOperand(condition, 1);
    if (predicate != LLVMIntEQ && predicate != LLVMIntNE) {
        return false;
    }
    bool ends_when_equal = (predicate == LLVMIntEQ) == ends_when;
    if (LLVMTypeOf(left) != scan->unit->i8) {
        return ends_when_equal &&
               (read_counter(scan, left, right) || read_counter(scan, right, left));
    }
    if (scan->test_count == TEST_MAX || !is_byte_of(scan, left) || !is_byte_of(scan, right) ||
        !(is_one_of_loads(scan, left) || is_one_of_loads(scan, right))) {
        return false;
    }
    scan->tests[scan->test_count++] = (struct byte_test){left, right, ends_when_equal};
    return true;
}

/* Reads what ends the loop at the end of a block whose way on is `next`. */
static bool read_end(struct scan *scan, LLVMValueRef branch, LLVMBasicBlockRef next)
{
    return !LLVMIsConditional(branch) ||
           (LLVMGetSuccessor(branch, 0) != LLVMGetSuccessor(branch, 1) &&
            read_condition(scan, LLVMGetCondition(branch), LLVMGetSuccessor(branch, 0) != next, 0));
}

static bool read_instruction(struct scan *scan, LLVMValueRef in)
{
    if (LLVMIsAPHINode(in)) {
        return LLVMGetInstructionParent(in) == scan->blocks[0] && read_phi(scan, in);
    }
    return LLVMIsALoadInst(in) ? read_load(scan, in) : is_harmless(in);
}

/* Whether a block begins a loop that we know how to widen. */
static bool recognise(struct scan *scan, LLVMBasicBlockRef first)
{
    scan->blocks[0] = first;
    scan->block_count = 1;
    scan->counter = PHI_MAX;
    if (!LLVMIsAPHINode(LLVMGetFirstInstruction(first)) || predecessor_count(first) != 2 ||
        !close_chain(scan)) {
        return false;
    }
    for (unsigned i = 0; i < scan->block_count; i++) {
        LLVMValueRef branch = LLVMGetBasicBlockTerminator(scan->blocks[i]);
        for (LLVMValueRef in = LLVMGetFirstInstruction(scan->blocks[i]); in != branch;
             in = LLVMGetNextInstruction(in)) {
            if (!read_instruction(scan, in)) {
                return false;
            }
        }
        if (!read_end(scan, branch, scan->blocks[i + 1 < scan->block_count ? i + 1 : 0])) {
            return false;
        }
    }
    return scan->load_count != 0 && scan->test_count != 0;
}

/* ---- What comes between ------------------------------------------------------------------------
 */

/* A sum of the loop, as it is in the guard. */
static LLVMValueRef copy_sum(const struct scan *scan, const struct between *between,
                             LLVMValueRef value)
{
    unsigned phi = find_phi(scan, value);

    if (phi != PHI_MAX) {
        return between->phis[phi];
    }
    if (!is_in_loop(scan, value)) {
        return value;
    }
    LLVMValueRef left = copy_sum(scan, between, LLVMGetOperand(value, 0));
    if (LLVMIsATruncInst(value)) {
        return LLVMBuildTrunc(scan->unit->builder, left, LLVMTypeOf(value), "");
    }
    LLVMValueRef right = copy_sum(scan, between, LLVMGetOperand(value, 1));
    return LLVMBuildBinOp(scan->unit->builder, LLVMGetInstructionOpcode(value), left, right, "");
}

/* The same byte in every place, or bytes of memory. */
static LLVMValueRef widen(const struct scan *scan, LLVMValueRef const *wide_loads,
                          LLVMValueRef byte)
{
    LLVMBuilderRef builder = scan->unit->builder;
    LLVMTypeRef bytes = LLVMVectorType(scan->unit->i8, WIDE_BYTES);
    LLVMTypeRef places = LLVMVectorType(scan->unit->i32, WIDE_BYTES);

    for (unsigned i = 0; i < scan->load_count; i++) {
        if (byte == scan->loads[i]) {
            return wide_loads[i];
        }
    }
    LLVMValueRef first =
        LLVMBuildInsertElement(builder, LLVMGetPoison(bytes), byte, unit_i32(scan->unit, 0), "");
    return LLVMBuildShuffleVector(builder, first, LLVMGetPoison(bytes), LLVMConstNull(places), "");
}

/* One bit for each of the rounds, set when its bytes end the loop. */
static LLVMValueRef build_ends(const struct scan *scan, LLVMValueRef const *wide_loads)
{
    LLVMBuilderRef builder = scan->unit->builder;
    LLVMValueRef all = NULL;

    for (unsigned i = 0; i < scan->test_count; i++) {
        const struct byte_test *test = &scan->tests[i];
        LLVMValueRef ends = LLVMBuildICmp(builder, test->ends_when_equal ? LLVMIntEQ : LLVMIntNE,
                                          widen(scan, wide_loads, test->left),
                                          widen(scan, wide_loads, test->right), "");
        all = i == 0 ? ends : LLVMBuildOr(builder, all, ends, "");
    }
    LLVMValueRef bits =
        LLVMBuildBitCast(builder, all, LLVMIntTypeInContext(scan->unit->context, WIDE_BYTES), "");
    /* The loop might never come to a test, and then its operands may be anything to LLVM. */
    return LLVMBuildZExt(builder, LLVMBuildFreeze(builder, bits, ""), scan->unit->i32, "");
}

static void make_guard(const struct scan *scan, struct between *between, LLVMValueRef *indices)
{
    struct unit *unit = scan->unit;
    LLVMBuilderRef builder = unit->builder;
    LLVMValueRef all = NULL;

    LLVMPositionBuilderAtEnd(builder, between->guard);
    for (unsigned i = 0; i < scan->phi_count; i++) {
        between->phis[i] = LLVMBuildPhi(builder, LLVMTypeOf(scan->phis[i]), "");
    }
    for (unsigned i = 0; i < scan->load_count; i++) {
        indices[i] = copy_sum(scan, between, scan->indices[i]);
        all = i == 0 ? indices[0] : LLVMBuildOr(builder, all, indices[i], "");
    }
    /* The sum of the bits is not less than any of the addresses. */
    LLVMValueRef condition = LLVMBuildICmp(
        builder, LLVMIntULE, LLVMBuildAnd(builder, all, unit_i32(unit, PAGE_BYTES - 1), ""),
        unit_i32(unit, PAGE_BYTES - WIDE_BYTES), "");
    between->left = NULL;
    if (scan->counter != PHI_MAX) {
        LLVMValueRef now = between->phis[scan->counter];
        LLVMValueRef left = scan->steps[scan->counter] > 0
                                ? LLVMBuildSub(builder, scan->limit, now, "")
                                : LLVMBuildSub(builder, now, scan->limit, "");
        between->left = LLVMBuildFreeze(builder, left, "");
        LLVMValueRef some =
            LLVMBuildICmp(builder, LLVMIntUGT, between->left,
                          LLVMConstInt(LLVMTypeOf(between->left), FEW_ROUNDS, 0), "");
        condition = LLVMBuildAnd(builder, some, condition, "");
    }
    LLVMBuildCondBr(builder, condition, between->read, scan->blocks[0]);
}

/* Returns what build_ends says of the rounds. */
static LLVMValueRef make_read(const struct scan *scan, const struct between *between,
                              LLVMValueRef *indices)
{
    struct unit *unit = scan->unit;
    LLVMBuilderRef builder = unit->builder;
    LLVMValueRef wide_loads[LOAD_MAX];

    LLVMPositionBuilderAtEnd(builder, between->read);
    for (unsigned i = 0; i < scan->load_count; i++) {
        LLVMValueRef offset = LLVMBuildZExt(builder, indices[i], unit->i64, "");
        LLVMValueRef address = LLVMBuildGEP2(builder, unit->i8, unit->memory_zero, &offset, 1, "");
        wide_loads[i] = LLVMBuildLoad2(builder, LLVMVectorType(unit->i8, WIDE_BYTES), address, "");
        LLVMSetAlignment(wide_loads[i], 1);
        LLVMSetVolatile(wide_loads[i], 1);
        LLVMInstructionSetDebugLoc(wide_loads[i], LLVMInstructionGetDebugLoc(scan->loads[i]));
    }
    LLVMValueRef ends = build_ends(scan, wide_loads);
    LLVMValueRef goes_on = LLVMBuildICmp(builder, LLVMIntEQ, ends, unit_i32(unit, 0), "");
    if (between->left != NULL) {
        LLVMValueRef all = LLVMConstInt(LLVMTypeOf(between->left), WIDE_BYTES, 0);
        LLVMValueRef many = LLVMBuildICmp(builder, LLVMIntUGT, between->left, all, "");
        goes_on = LLVMBuildAnd(builder, many, goes_on, "");
    }
    LLVMBuildCondBr(builder, goes_on, between->further, between->found);
    return ends;
}

/* A phi as it is `rounds` (of its type) later. */
static LLVMValueRef advance(const struct scan *scan, const struct between *between, unsigned phi,
                            LLVMValueRef rounds)
{
    LLVMBuilderRef builder = scan->unit->builder;
    LLVMValueRef step =
        LLVMConstInt(LLVMTypeOf(scan->phis[phi]), (unsigned long long)scan->steps[phi], 1);

    return LLVMBuildAdd(builder, between->phis[phi], LLVMBuildMul(builder, rounds, step, ""), "");
}

/* How many rounds do not end the loop, up to all; the counter's last one is left out. */
static LLVMValueRef build_rounds(const struct scan *scan, const struct between *between,
                                 LLVMValueRef ends)
{
    struct unit *unit = scan->unit;
    LLVMBuilderRef builder = unit->builder;
    /* A bit behind the last: when no byte ends the loop, the counter does. */
    LLVMValueRef bits = LLVMBuildOr(builder, ends, unit_i32(unit, 1u << WIDE_BYTES), "");
    LLVMValueRef arguments[2] = {bits, LLVMConstInt(LLVMInt1TypeInContext(unit->context), 1, 0)};
    LLVMValueRef rounds = unit_call_intrinsic(unit, "llvm.cttz", &unit->i32, 1, arguments, 2);

    if (between->left == NULL) {
        return rounds;
    }
    LLVMTypeRef type = LLVMTypeOf(between->left);
    LLVMValueRef most = between->left;
    if (scan->counts_next) {
        most = LLVMBuildSub(builder, most, LLVMConstInt(type, 1, 0), "");
    }
    LLVMValueRef both[2] = {LLVMBuildIntCast2(builder, rounds, type, 0, ""), most};
    return unit_call_intrinsic(unit, "llvm.umin", &type, 1, both, 2);
}

/* Makes the ways to the loop's beginning lead to the guard. */
static void redirect(const struct scan *scan, LLVMBasicBlockRef from, LLVMBasicBlockRef guard)
{
    LLVMValueRef end = LLVMGetBasicBlockTerminator(from);

    for (unsigned i = 0; i < LLVMGetNumSuccessors(end); i++) {
        if (LLVMGetSuccessor(end, i) == scan->blocks[0]) {
            LLVMSetSuccessor(end, i, guard);
        }
    }
}

/* The phis of guard and of the loop, now that all that comes in is there. */
static void connect_phi(const struct scan *scan, const struct between *between, unsigned at,
                        LLVMValueRef further, LLVMValueRef found)
{
    LLVMValueRef old = scan->phis[at];
    LLVMValueRef guard_values[3] = {LLVMGetIncomingValue(old, 0), LLVMGetIncomingValue(old, 1),
                                    further};
    LLVMBasicBlockRef guard_blocks[3] = {LLVMGetIncomingBlock(old, 0), LLVMGetIncomingBlock(old, 1),
                                         between->further};
    LLVMBasicBlockRef blocks[2] = {between->guard, between->found};

    LLVMAddIncoming(between->phis[at], guard_values, guard_blocks, 3);
    LLVMPositionBuilderBefore(scan->unit->builder, old);
    LLVMValueRef phi = LLVMBuildPhi(scan->unit->builder, LLVMTypeOf(old), "");
    LLVMReplaceAllUsesWith(old, phi);
    LLVMValueRef values[2] = {between->phis[at], found};
    LLVMAddIncoming(phi, values, blocks, 2);
    LLVMInstructionEraseFromParent(old);
}

static void widen_loop(const struct scan *scan)
{
    struct unit *unit = scan->unit;
    LLVMBuilderRef builder = unit->builder;
    LLVMBasicBlockRef loop = scan->blocks[0];
    LLVMValueRef indices[LOAD_MAX];
    LLVMValueRef further[PHI_MAX];
    LLVMValueRef found[PHI_MAX];
    struct between between = {.guard = LLVMInsertBasicBlockInContext(unit->context, loop, ""),
                              .read = LLVMInsertBasicBlockInContext(unit->context, loop, ""),
                              .further = LLVMInsertBasicBlockInContext(unit->context, loop, ""),
                              .found = LLVMInsertBasicBlockInContext(unit->context, loop, "")};

    LLVMSetCurrentDebugLocation2(builder, LLVMInstructionGetDebugLoc(scan->loads[0]));
    make_guard(scan, &between, indices);
    LLVMValueRef ends = make_read(scan, &between, indices);
    LLVMPositionBuilderAtEnd(builder, between.further);
    for (unsigned i = 0; i < scan->phi_count; i++) {
        LLVMTypeRef type = LLVMTypeOf(scan->phis[i]);
        further[i] = advance(scan, &between, i, LLVMConstInt(type, WIDE_BYTES, 0));
    }
    LLVMBuildBr(builder, between.guard);
    LLVMPositionBuilderAtEnd(builder, between.found);
    LLVMValueRef rounds = build_rounds(scan, &between, ends);
    for (unsigned i = 0; i < scan->phi_count; i++) {
        LLVMTypeRef type = LLVMTypeOf(scan->phis[i]);
        found[i] = advance(scan, &between, i, LLVMBuildIntCast2(builder, rounds, type, 0, ""));
    }
    LLVMBuildBr(builder, loop);
    redirect(scan, LLVMGetIncomingBlock(scan->phis[0], 0), between.guard);
    redirect(scan, LLVMGetIncomingBlock(scan->phis[0], 1), between.guard);
    for (unsigned i = 0; i < scan->phi_count; i++) {
        connect_phi(scan, &between, i, further[i], found[i]);
    }
}

void unit_widen_scans(struct unit *unit)
{
    unit_find_memory_zero(unit);
    for (LLVMValueRef function = LLVMGetFirstFunction(unit->llvm); function != NULL;
         function = LLVMGetNextFunction(function)) {
        for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block != NULL;
             block = LLVMGetNextBasicBlock(block)) {
            struct scan scan = {.unit = unit};
            if (recognise(&scan, block)) {
                widen_loop(&scan);
            }
        }
    }
}
