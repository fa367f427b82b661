/*
 * What the module's DWARF says about one function: which scopes its code belongs to, which
 * variables it has, and where their values are while that code runs.
 *
 * Everything lives in the arena given, text and expressions point into the file. Offsets are
 * those of the module's file, as struct instruction counts them. Any thread.
 */
#pragma once

#include "aot/dwarf.h"

/* A function, a block, or a function that the producer inlined. Scope 0 is the function. */
struct debug_scope {
    uint32_t parent;
    uint32_t offset; /* of its DIE */
    uint32_t key;    /* the DIE that all copies of it share */
    bool is_inlined;
    uint32_t call_file; /* as the unit's line program numbers files */
    uint32_t call_line;
    uint32_t call_column;
};

struct debug_variable {
    uint32_t scope;
    uint32_t offset;
    uint32_t key;
    bool is_parameter;
};

enum debug_place_kind {
    PLACE_LOCAL,    /* index: the local */
    PLACE_STACK,    /* index: how deep in the operand stack, the bottom is 0 */
    PLACE_ADDRESS,  /* index: an address in linear memory */
    PLACE_CONSTANT, /* index: the value */
};

#define PLACE_MAX_OPERATIONS 24u

/* A base, then operations on it that end in the variable's value, or in its address. */
struct debug_place {
    enum debug_place_kind kind;
    bool is_memory;
    bool is_signed; /* the operations take a 32-bit base for a signed number */
    uint64_t index;
    uint32_t piece_offset_bits;
    uint32_t piece_bits; /* 0: all of the variable */
    uint32_t operation_count;
    uint64_t operations[PLACE_MAX_OPERATIONS]; /* DWARF's, operands in words of their own */
};

/* While code in [start, end) is about to run, the variable, or that piece of it, is there. */
struct debug_range {
    uint32_t variable;
    uint32_t start;
    uint32_t end;
    struct debug_place place;
};

/* Code from `start` up to the next segment belongs to this scope. */
struct debug_segment {
    uint32_t start;
    uint32_t scope;
};

struct debug_function {
    const struct dwarf_unit *unit;
    struct debug_scope *scopes;
    uint32_t scope_count;
    struct debug_variable *variables;
    uint32_t variable_count;
    struct debug_range *ranges; /* by ascending start */
    uint32_t range_count;
    struct debug_segment *segments; /* by ascending start; the first is at 0 */
    uint32_t segment_count;
};

/* NULL when there is nothing, or nothing that can be read. */
const struct debug_function *debug_function_read(const struct dwarf *dwarf,
                                                 const struct function *function,
                                                 struct arena *arena);

/* ---- debug_place.c ------------------------------------------------------------------------- */

#define PLACE_MAX_PIECES 16u

/* The pieces that an expression stands for (DWARF 5 §2.5, §2.6), `frame` being where
 * DW_OP_fbreg counts from, or NULL. Returns how many; 0 when it is beyond what can be told. */
uint32_t debug_place_parse(struct name expression, const struct debug_place *frame,
                           unsigned address_bytes, struct debug_place *places);
