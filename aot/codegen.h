/*
 * From a validated module to object code. The module may be cut into units, one LLVM
 * module each, that threads build side by side.
 *
 *   codegen_run (codegen.c)        plans, cuts into units, runs threads, joins
 *   emit_module.c                  wasm_module, instantiation, exports
 *   emit_function.c                one function: locals, then one instruction after another
 *   emit_<group>.c                 the instructions of one group
 *
 * struct codegen is filled by codegen_plan and then only read. A struct unit and a
 * struct fn belong to one thread. Nothing here meets malformed input: validation is over.
 */
#pragma once

#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <stdbool.h>
#include <stdint.h>

#include "aot/debug_lines.h"
#include "aot/dwarf.h"
#include "aot/instruction.h"
#include "aot/module.h"
#include "aot/options.h"
#include "aot/target.h"
#include "kernel/base/wasm_abi.h"

/* Offsets from wasm_memory below this bound may stand in a displacement or a constant
 * address: the linker can reach them whether memory lies at zero or at 0x60000000. */
#define ADDRESS_DIRECT_BYTES (1u << 28)

/* A table that nothing changes after its segments is an array of struct wasm_function in
 * the object; others are a struct wasm_table whose elements are references. */
enum table_form { TABLE_CONSTANT, TABLE_DYNAMIC };

/* How results travel inside the module; across its border more than one result always
 * goes through memory. */
enum result_form { RESULT_NONE, RESULT_VALUE, RESULT_STRUCT, RESULT_MEMORY };

struct codegen {
    struct module *module;
    const struct options *options;
    enum table_form *table_forms;
    bool *global_is_constant; /* immutable, and known without running code */
    uint64_t *data_offsets;   /* of each data segment in the blob that holds them all */
    bool *may_throw;          /* per function; NULL when the module never throws */
    uint32_t unit_count;
    uint32_t cpu_level;
    bool exceptions_travel; /* exnrefs may be stored beyond a frame */
    bool has_tail_calls;    /* functions use a convention that allows them */
    bool has_scopes;        /* accesses need alias scopes to be told apart */
    bool has_line_info;
    const struct line_table *lines; /* NULL without has_line_info */
    const struct dwarf *dwarf;      /* NULL without variables and types to tell of */
};

struct signature {
    LLVMTypeRef internal; /* NULL: not built yet */
    LLVMTypeRef boundary;
    LLVMTypeRef result; /* RESULT_VALUE: the type; RESULT_STRUCT: the struct */
    enum result_form form;
};

enum alias_scope { SCOPE_MEMORY, SCOPE_TABLE, SCOPE_GLOBAL, SCOPE_RUNTIME, SCOPE_COUNT };

struct unit {
    const struct codegen *gen;
    struct module *module;
    const struct target *target;
    uint32_t index; /* unit 0 holds everything that is not a function body */
    LLVMContextRef context;
    LLVMModuleRef llvm;
    LLVMBuilderRef builder;

    LLVMTypeRef void_type, i1, i8, i16, i32, i64, f32, f64, ptr;
    LLVMTypeRef v128, i8x16, i16x8, i32x4, i64x2, f32x4, f64x2;
    LLVMTypeRef function_pair; /* struct wasm_function */
    LLVMTypeRef value_slot;    /* union wasm_value */

    /* Declared on first use; indexed as in the module. */
    struct signature *signatures;
    LLVMValueRef *functions;
    LLVMValueRef *import_wrappers;
    LLVMValueRef *function_refs;
    LLVMValueRef *type_symbols;
    LLVMValueRef *globals;
    LLVMValueRef *global_constants;
    LLVMValueRef *tables;
    LLVMValueRef *memories;
    LLVMValueRef *tags;
    LLVMValueRef *data_sizes;    /* bytes left of a segment that code uses */
    LLVMValueRef *element_sizes; /* likewise, in items */
    LLVMValueRef *element_items;
    LLVMValueRef data_blob;
    LLVMValueRef memory_zero;
    LLVMValueRef memory_zero_address;
    LLVMValueRef exception_pending;
    LLVMDIBuilderRef debug_builder; /* NULL without line information, like all of these */
    LLVMMetadataRef *debug_files;
    struct debug_unit *debug; /* NULL without variables */
    LLVMAttributeRef *attributes;
    uint32_t attribute_count;
    LLVMAttributeRef attribute_nomerge;
    unsigned scope_kind, noalias_kind, weight_kind;
    /* Branch weights: the first way is rare, because it traps or throws; because of a hint;
     * the second is, because of a hint. */
    LLVMValueRef weight_unlikely, weight_hint_low, weight_hint_high;
    LLVMValueRef scope_own[SCOPE_COUNT], scope_others[SCOPE_COUNT];
};

enum control_kind {
    CONTROL_FUNCTION,
    CONTROL_BLOCK,
    CONTROL_LOOP,
    CONTROL_IF,
    CONTROL_ELSE,
    CONTROL_TRY_TABLE,
    CONTROL_TRY,   /* legacy */
    CONTROL_CATCH, /* legacy: in a handler */
};

struct control {
    enum control_kind kind;
    uint32_t stack_base; /* height below the parameters */
    uint32_t param_count;
    uint32_t result_count;
    const value_type *params;
    const value_type *results;
    value_type lone_result;
    LLVMBasicBlockRef label; /* where a branch goes: the head of a loop, else the end */
    LLVMBasicBlockRef else_block;
    LLVMBasicBlockRef table_block; /* feeds the label from the br_table of table_number */
    uint32_t table_number;
    uint32_t phi_base;         /* of the label, in fn->phis */
    uint32_t param_base;       /* of an if: its parameters, kept for else, in fn->phis */
    bool is_reached;           /* some branch or fall-through arrives at the end */
    LLVMBasicBlockRef landing; /* try: where a call that threw continues */
    LLVMValueRef exception;    /* catch: the one caught */
    bool frees_on_exit;        /* catch: gives the slot back when it is left */
    const uint8_t *clauses;    /* try_table */
    uint32_t clause_count;
};

struct debug_unit;
struct debug_fn;

struct fn {
    struct unit *unit;
    struct module *module;
    const struct function *function;
    uint32_t index;
    LLVMBuilderRef builder;
    LLVMValueRef llvm;
    struct signature *signature;
    LLVMBasicBlockRef entry;
    LLVMValueRef entry_end; /* allocas go in front of it */
    LLVMValueRef *locals;
    value_type *local_types;
    LLVMValueRef *stack;
    uint32_t stack_count;
    struct control *controls;
    uint32_t control_count;
    LLVMValueRef *phis;
    uint32_t phi_count;
    uint32_t phi_capacity;
    LLVMBasicBlockRef traps[16];
    LLVMValueRef memory_base; /* -O0: the address of memory 0, loaded in the entry block */
    LLVMValueRef result_slots;
    uint32_t result_slot_count;
    LLVMBasicBlockRef unwind; /* leaves the function with an exception pending */
    struct reader reader;
    struct instruction in;
    bool is_unreachable;
    uint32_t skipped_depth;
    uint32_t table_count;           /* br_tables so far */
    LLVMMetadataRef outer_location; /* of the builder, when this function was begun */
    bool has_lines;                 /* rows cover this function */
    uint32_t own_file;              /* that of its first row */
    LLVMMetadataRef subprogram;
    LLVMMetadataRef scope; /* of code from scope_file */
    uint32_t scope_file;
    uint32_t scope_segment; /* of debug->info */
    uint32_t line_row;
    uint32_t body_start;    /* where the code that sets the function up ends, if known; else 0 */
    struct debug_fn *debug; /* NULL: nothing is known of this function's variables */
};

/* ---- codegen.c ---------------------------------------------------------------------------- */

struct codegen_output {
    LLVMMemoryBufferRef *buffers;
    uint32_t count;
};

void codegen_plan(struct codegen *gen, struct module *module, const struct options *options);
/* Fills may_throw when the module uses exceptions. */
void codegen_plan_throws(struct codegen *gen);
void codegen_run(struct codegen *gen, struct codegen_output *out);
void codegen_destroy(struct codegen *gen);

/* ---- emit_debug.c: source lines and variables; all do nothing in a module without ----------- */

void debug_begin_unit(struct unit *unit);
/* When all functions are built. */
void debug_end_unit(struct unit *unit);
/* After target_optimize: variables at fixed addresses. */
void debug_attach_globals(struct unit *unit);
void debug_destroy_unit(struct unit *unit);
/* Takes all of it out of the unit again, behind debug_end_unit. */
void debug_drop(struct unit *unit);
/* From fn_begin, before anything is built. */
void debug_begin_function(struct fn *fn);
void debug_end_function(struct fn *fn);
/* Code built from now on belongs to the instruction just read. */
void debug_instruction(struct fn *fn);

/* ---- debug_pointers.c: the object again, with the size of pointers in its DWARF ------------- */

/* Takes the object over. */
LLVMMemoryBufferRef debug_size_pointers(LLVMMemoryBufferRef object, unsigned pointer_bytes);

/* ---- debug_values.c ------------------------------------------------------------------------ */

/* A local has got a value, or an instruction has read it. */
void debug_set_local(struct fn *fn, uint32_t local, LLVMValueRef value);
void debug_get_local(struct fn *fn, uint32_t local, LLVMValueRef value);

/* ---- unit.c: the things of a module, declared on first use --------------------------------- */

void unit_init(struct unit *unit, const struct codegen *gen, const struct target *target,
               uint32_t index);
void unit_destroy(struct unit *unit);
LLVMTypeRef unit_value_type(const struct unit *unit, value_type type);
struct signature *unit_signature(struct unit *unit, uint32_t type);
LLVMValueRef unit_function(struct unit *unit, uint32_t index);
/* The code a function reference points to: follows the internal convention. */
LLVMValueRef unit_function_code(struct unit *unit, uint32_t index);
LLVMValueRef unit_function_ref(struct unit *unit, uint32_t index);
LLVMValueRef unit_type_symbol(struct unit *unit, uint32_t type);
/* The address, for code at the builder's place; unit_global_symbol is a constant. */
LLVMValueRef unit_global(struct unit *unit, uint32_t index);
LLVMValueRef unit_global_symbol(struct unit *unit, uint32_t index);
LLVMValueRef unit_global_constant(struct unit *unit, uint32_t index);
LLVMValueRef unit_table(struct unit *unit, uint32_t index);
LLVMValueRef unit_memory(struct unit *unit, uint32_t index);
LLVMValueRef unit_memory_zero(struct unit *unit);
/* A constant that holds the address of memory 0. */
LLVMValueRef unit_memory_zero_address(struct unit *unit);
LLVMValueRef unit_tag(struct unit *unit, uint32_t index);
LLVMValueRef unit_tag_symbol(struct unit *unit, uint32_t index);
LLVMValueRef unit_data_blob(struct unit *unit);
LLVMValueRef unit_data_size(struct unit *unit, uint32_t segment);
LLVMValueRef unit_element_size(struct unit *unit, uint32_t segment);
LLVMValueRef unit_element_items(struct unit *unit, uint32_t segment);
LLVMValueRef unit_runtime(struct unit *unit, const char *name, LLVMTypeRef type);
void unit_set_attributes(const struct unit *unit, LLVMValueRef function);
void unit_tag_access(const struct unit *unit, LLVMValueRef access, enum alias_scope scope);
LLVMValueRef unit_call_intrinsic(struct unit *unit, const char *name, LLVMTypeRef *overloads,
                                 unsigned overload_count, LLVMValueRef *arguments,
                                 unsigned argument_count);
LLVMValueRef unit_constant(struct unit *unit, const struct instruction *in);
/* The value of a constant expression at the builder's place; a constant where all is known. */
LLVMValueRef unit_expression(struct unit *unit, struct expression expression);
bool unit_is_split(const struct unit *unit);
unsigned unit_internal_convention(const struct unit *unit);
/* At -O0, once locals are values: loads stay as and where they are. */
void unit_fix_loads(struct unit *unit);
/* Before optimisation, once locals are values. */
void unit_fence_floats(struct unit *unit);
/* Around the phases of optimisation: see aot/keep_loads.c. */
void unit_mark_loads(struct unit *unit);
void unit_unmark_loads(struct unit *unit, bool is_last);
/* Around the first of them: see aot/local_memory.c. */
void unit_name_memory(struct unit *unit);
void unit_unname_memory(struct unit *unit);
/* Between phases, while no load has a mark: loops that look for a byte read sixteen at a time. */
void unit_widen_scans(struct unit *unit);
/* These run after optimisation. */
void unit_hoist_extensions(struct unit *unit);
void unit_hide_far_addresses(struct unit *unit);

/* Visits every instruction of the unit. The visitor may insert some, and replace uses. */
typedef void unit_visitor(struct unit *unit, LLVMValueRef instruction);
void unit_for_each_instruction(struct unit *unit, unit_visitor *visit);
/* Hands every call of an intrinsic to `remove`, which must erase it, and deletes the declaration.
 */
void unit_remove_intrinsic(struct unit *unit, const char *name, void (*remove)(LLVMValueRef call));
/* The first edge of a phi from the block of edge `at`: both must bring the same value. */
unsigned unit_first_edge(LLVMValueRef phi, unsigned at);
/* The symbol of memory 0 as it is now: the optimiser deletes it when nothing uses it any more. */
void unit_find_memory_zero(struct unit *unit);

static inline LLVMValueRef unit_i32(const struct unit *unit, uint32_t value)
{
    return LLVMConstInt(unit->i32, value, 0);
}

static inline LLVMValueRef unit_i64(const struct unit *unit, uint64_t value)
{
    return LLVMConstInt(unit->i64, value, 0);
}

/* ---- exception_pool.c ----------------------------------------------------------------------- */

/* An exception: state, tag, then two words a value. */
#define EXCEPTION_HEADER_WORDS 2u

LLVMValueRef unit_exception_pending(struct unit *unit);
LLVMValueRef unit_exception_new(struct unit *unit);
void unit_define_exception_new(struct unit *unit);

/* ---- emit_module.c, emit_data.c ------------------------------------------------------------ */

void emit_module(struct unit *unit);
void emit_data_initialization(struct fn *fn);
void emit_element_initialization(struct fn *fn);
void emit_export_table(struct unit *unit, LLVMValueRef *table, uint32_t *count);

/* ---- emit_function.c ------------------------------------------------------------------------ */

void emit_function(struct unit *unit, uint32_t index);
/* `function` is NULL for one that is not the module's: instantiate, wrappers. */
void fn_begin(struct fn *fn, struct unit *unit, LLVMValueRef llvm, const struct function *function);
void fn_end(struct fn *fn);
LLVMBasicBlockRef fn_block(struct fn *fn);
void fn_position(struct fn *fn, LLVMBasicBlockRef block);
LLVMValueRef fn_alloca(struct fn *fn, LLVMTypeRef type);
/* The storage of a local, made and initialised on first use. */
LLVMValueRef fn_local(struct fn *fn, uint32_t index);
/* Traps with `kind` where `condition` holds; code goes on where it does not. */
void fn_trap_if(struct fn *fn, LLVMValueRef condition, enum wasm_trap kind);
LLVMBasicBlockRef fn_trap_block(struct fn *fn, enum wasm_trap kind);

static inline void fn_push(struct fn *fn, LLVMValueRef value)
{
    fn->stack[fn->stack_count++] = value;
}

static inline LLVMValueRef fn_pop(struct fn *fn)
{
    return fn->stack[--fn->stack_count];
}

/* A value in the type that locals, blocks and calls use: vectors have one form there. */
static inline LLVMValueRef fn_canonical(struct fn *fn, LLVMValueRef value)
{
    if (LLVMGetTypeKind(LLVMTypeOf(value)) == LLVMVectorTypeKind) {
        return LLVMBuildBitCast(fn->builder, value, fn->unit->v128, "");
    }
    return value;
}

static inline LLVMValueRef fn_pop_as(struct fn *fn, LLVMTypeRef vector)
{
    return LLVMBuildBitCast(fn->builder, fn_pop(fn), vector, "");
}

static inline LLVMValueRef fn_intrinsic1(struct fn *fn, const char *name, LLVMValueRef a)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    return unit_call_intrinsic(fn->unit, name, &type, 1, &a, 1);
}

static inline LLVMValueRef fn_intrinsic2(struct fn *fn, const char *name, LLVMValueRef a,
                                         LLVMValueRef b)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef arguments[2] = {a, b};
    return unit_call_intrinsic(fn->unit, name, &type, 1, arguments, 2);
}

/* ---- The instruction groups: true when fn->in was one of theirs ------------------------------ */

bool emit_control(struct fn *fn);
bool emit_call(struct fn *fn);
bool emit_variable(struct fn *fn);
bool emit_memory(struct fn *fn);
bool emit_atomic(struct fn *fn);
bool emit_table(struct fn *fn);
bool emit_reference(struct fn *fn);
bool emit_numeric(struct fn *fn);
bool emit_convert(struct fn *fn);
bool emit_simd(struct fn *fn);
bool emit_simd_memory(struct fn *fn);
bool emit_simd_convert(struct fn *fn);
bool emit_exception(struct fn *fn);

/* ---- Shared between groups --------------------------------------------------------------------
 */

struct control *control_push(struct fn *fn, enum control_kind kind);
struct control *control_at(struct fn *fn, uint32_t depth);
void control_set_type(struct fn *fn, struct control *control, const struct block_type *block);
void control_make_label(struct fn *fn, struct control *control);
void control_make_phis(struct fn *fn, struct control *control, const value_type *types,
                       uint32_t count);
/* Hands the topmost values to a label as coming from the current block. */
void control_feed(struct fn *fn, struct control *control);
void emit_branch(struct fn *fn, uint32_t depth);
void emit_branch_if(struct fn *fn, LLVMValueRef condition, uint32_t depth);
void emit_return(struct fn *fn);
void control_leave_reachable(struct fn *fn);

/* Calls `code` of the given type with the arguments on the stack and pushes the results. */
void emit_call_code(struct fn *fn, LLVMValueRef code, uint32_t type, bool is_boundary,
                    bool may_throw);
/* After a call that may have thrown: continue at the innermost handler when it did. */
void emit_exception_check(struct fn *fn);
/* Leaving `depth` levels by a branch: handlers on the way give their exceptions back. */
void emit_handler_exits(struct fn *fn, uint32_t depth);
bool emit_handler_exits_needed(struct fn *fn, uint32_t depth);
/* Where no handler can follow: an exception traps. */
void emit_uncaught_check(struct fn *fn);

LLVMValueRef emit_address(struct fn *fn, const struct instruction *in, LLVMValueRef index,
                          uint32_t bytes);
/* Traps unless [start, start + count) lies in the memory (table). 64-bit operands. */
void emit_memory_bounds(struct fn *fn, uint32_t memory, LLVMValueRef start, LLVMValueRef count);
LLVMValueRef emit_memory_pointer(struct fn *fn, uint32_t memory, LLVMValueRef start);
LLVMValueRef emit_table_size(struct fn *fn, uint32_t table);
void emit_table_bounds(struct fn *fn, LLVMValueRef size, LLVMValueRef start, LLVMValueRef count);
void emit_table_fill_range(struct fn *fn, uint32_t table, LLVMValueRef start, LLVMValueRef count,
                           LLVMValueRef value);
void emit_table_init(struct fn *fn, uint32_t segment, uint32_t table, LLVMValueRef destination,
                     LLVMValueRef source, LLVMValueRef count);
LLVMValueRef emit_table_base(struct fn *fn, uint32_t table);
LLVMValueRef emit_minimum(struct fn *fn, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_maximum(struct fn *fn, LLVMValueRef a, LLVMValueRef b);
/* LLVM may not see through the result; at most a load of a constant comes of it. */
LLVMValueRef unit_fence_float(struct unit *unit, LLVMValueRef value);
/* A constant with which LLVM does arithmetic otherwise than the specification: 0, 1, -1, infinities
 * and NaNs (aot/float_fences.c). */
bool unit_is_telling(LLVMValueRef value);
LLVMValueRef unit_opaque_i64(struct unit *unit, uint64_t value);
