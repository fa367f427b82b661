/*
 * The module's debug information on its way into LLVM's, one struct debug_unit a unit.
 *
 *   emit_debug.c       units, lines, and the scope each instruction belongs to
 *   debug_types.c      types, made when something first needs them
 *   debug_functions.c  functions, blocks and variables
 *   debug_values.c     which of LLVM's values a variable has, instruction by instruction
 *
 * A module's producer has described its variables in terms of Wasm locals, of the operand stack
 * and of addresses in linear memory. Locals and operands become values of LLVM, which knows in
 * which register they are; linear memory is at address 0 in an image, so that a pointer of
 * 4 bytes is one that gdb can follow. Nothing here may change the code that is made.
 */
#pragma once

#include "aot/codegen.h"
#include "aot/debug_scopes.h"

/* What has been made of a DIE; the same one may be a type and, in a hostile file, a block. */
enum debug_kind { DEBUG_TYPE, DEBUG_SUBPROGRAM, DEBUG_BLOCK, DEBUG_VARIABLE };

struct debug_entry {
    uint64_t key; /* 0: free */
    LLVMMetadataRef node;
    LLVMMetadataRef subprogram; /* a block's or a variable's */
    uint32_t parameter_count;   /* a subprogram's, so far */
    bool is_taken;              /* a subprogram's: a function carries it */
};

/* A type that stands for one whose members are still to be read. */
struct debug_promise {
    uint32_t offset;
    LLVMMetadataRef node;
    LLVMMetadataRef replacement;
};

/* A variable at a fixed address. */
struct debug_global {
    LLVMMetadataRef node;
    uint64_t address;
};

struct debug_unit {
    struct arena arena;
    struct diag arena_diag;     /* for want of memory */
    struct diag diag;           /* for what is malformed: each reader sets the escape */
    LLVMDIBuilderRef *builders; /* one a unit of the module's, on first use */
    LLVMMetadataRef *namespaces;
    LLVMMetadataRef void_type;
    struct debug_entry *entries;
    uint32_t entry_count;
    uint32_t entry_capacity; /* a power of two */
    struct debug_promise *promises;
    uint32_t promise_count;
    uint32_t promise_capacity;
    struct debug_global *globals;
    uint32_t global_count;
    uint32_t global_capacity;
};

/* A scope of the function at hand. */
struct debug_fn_scope {
    LLVMMetadataRef scope;
    LLVMMetadataRef subprogram;
    LLVMMetadataRef inlined_at; /* NULL outside of what the producer inlined */
    uint32_t file;
};

/* Of a range of a variable that is in force. */
struct debug_fn_range {
    uint32_t previous; /* indices + 1 of others of the same local; 0 ends the list */
    uint32_t next;
    bool is_active;
    bool is_shown;
};

struct debug_fn {
    struct arena arena;
    struct diag diag;
    const struct debug_function *info;
    struct debug_fn_scope *scopes;
    LLVMMetadataRef *variables; /* NULL: not one that values are told of */
    uint64_t *variable_bits;    /* 0: not known */
    uint32_t segment;
    LLVMValueRef *values; /* what each local holds, if its epoch is the current one */
    uint32_t *epochs;
    uint32_t epoch;
    struct debug_fn_range *ranges;
    uint32_t *first_range; /* by local: index + 1 */
    uint32_t *ends;        /* ranges by ascending end */
    uint32_t next_start;
    uint32_t next_end;
};

/* ---- emit_debug.c -------------------------------------------------------------------------- */

/* The builder for what belongs to this unit of the module. */
LLVMDIBuilderRef debug_builder(struct unit *unit, const struct dwarf_unit *source);
/* A file as a unit's line program numbers it; an index into the line table. */
uint32_t debug_file_index(const struct unit *unit, const struct dwarf_unit *source,
                          uint64_t number);
LLVMMetadataRef debug_file(struct unit *unit, uint32_t index);
static inline const char *debug_text(struct name name)
{
    const union {
        const uint8_t *bytes;
        const char *text;
    } view = {.bytes = name.bytes};
    return name.length == 0 ? "" : view.text;
}

/* ---- debug_types.c ------------------------------------------------------------------------- */

/* NULL for void, or when there is none. */
LLVMMetadataRef debug_type(struct unit *unit, uint32_t offset);
/* 0 when not known. */
uint64_t debug_type_bits(struct unit *unit, uint32_t offset);
/* Makes the types that others only name, once nothing needs new ones. */
void debug_keep_promises(struct unit *unit);
LLVMMetadataRef debug_namespace(struct unit *unit, uint32_t offset);
struct debug_entry *debug_find_entry(struct unit *unit, enum debug_kind kind, uint32_t offset);
/* The entry must not be there yet. Valid until the next one is added. */
struct debug_entry *debug_add_entry(struct unit *unit, enum debug_kind kind, uint32_t offset,
                                    LLVMMetadataRef node);
/* Reads a DIE, or says that it cannot. */
bool debug_read(struct unit *unit, uint32_t offset, struct dwarf_die *out);

/* ---- debug_functions.c --------------------------------------------------------------------- */

/* Finds what the module says about the function that is begun; false when it says nothing. */
bool debug_open_function(struct fn *fn, uint32_t file, uint32_t line);
void debug_make_globals(struct unit *unit);

/* ---- debug_values.c ------------------------------------------------------------------------ */

void debug_start_values(struct fn *fn);
/* Before an instruction that will be compiled. */
void debug_update_values(struct fn *fn);
