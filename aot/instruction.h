/*
 * Walks instructions: one call reads one instruction with all its immediates.
 * Validator, code generator and constant expressions read code through it alone.
 *
 * It checks the binary format only (Wasm core §5.4): opcodes, LEB128, flags. Indices
 * are not checked here. Lists (br_table, catch clauses, select types) stay in the
 * file; walk them with the functions below, which cannot fail after reading.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "aot/module.h"
#include "aot/reader.h"
#include "aot/types.h"

enum opcode {
#define OP(name, prefix, code, text, immediate, signature, log2_bytes, feature) OP_##name,
#include "aot/opcodes.def"
#undef OP
    OP_COUNT
};

enum immediate_kind {
    IMM_NONE,
    IMM_BLOCK,         /* block */
    IMM_TRY_TABLE,     /* block, list_count catch clauses */
    IMM_LABEL,         /* index */
    IMM_BR_TABLE,      /* list_count labels and index, the default */
    IMM_FUNCTION,      /* index */
    IMM_CALL_INDIRECT, /* index=type, index2=table */
    IMM_TYPE,          /* index */
    IMM_LOCAL,         /* index */
    IMM_GLOBAL,        /* index */
    IMM_TABLE,         /* index */
    IMM_TABLE_TABLE,   /* index=destination, index2=source */
    IMM_TABLE_INIT,    /* index=segment, index2=table */
    IMM_ELEMENT,       /* index */
    IMM_TAG,           /* index */
    IMM_SELECT,        /* list_count value types */
    IMM_HEAP,          /* type: nullable reference to the heap type */
    IMM_MEMARG,        /* memory, align_log2, offset */
    IMM_MEMARG_LANE,   /* the same, lane */
    IMM_MEMORY,        /* memory */
    IMM_MEMORY_MEMORY, /* memory=destination, index2=source */
    IMM_MEMORY_INIT,   /* index=segment, memory */
    IMM_DATA,          /* index */
    IMM_I32,           /* value */
    IMM_I64,           /* value */
    IMM_F32,           /* value: bits */
    IMM_F64,           /* value: bits */
    IMM_V128,          /* bytes: constant, or the lanes of a shuffle */
    IMM_SHUFFLE,
    IMM_LANE,  /* lane */
    IMM_FENCE, /* a zero byte, already checked */
    IMM_GC,    /* garbage collection: always an error */
};

/*
 * Fixed operand and result types of an opcode: "ii:i" with the letters i I f F V,
 * 'a' for the address type of the instruction's memory; NULL when the types follow
 * from the context. log2_bytes is the access width of loads, stores and atomics.
 */
struct opcode_info {
    const char *text;
    const char *signature;
    uint8_t immediate;  /* enum immediate_kind */
    uint8_t log2_bytes; /* natural alignment; the width of a lane */
    uint8_t feature;    /* enum feature */
};

extern const struct opcode_info opcode_infos[OP_COUNT];

enum block_form { BLOCK_EMPTY, BLOCK_VALUE, BLOCK_TYPE };

struct block_type {
    enum block_form form;
    value_type value; /* BLOCK_VALUE: the only result */
    uint32_t type;    /* BLOCK_TYPE: index of a function type, as written */
};

struct instruction {
    enum opcode opcode;
    uint32_t start; /* file offset of the opcode */
    uint32_t index;
    uint32_t index2;
    uint32_t memory;
    uint32_t align_log2;
    uint32_t lane;
    uint32_t list_count;
    uint64_t offset; /* memarg */
    uint64_t value;  /* constants: two's complement or bits */
    value_type type;
    struct block_type block;
    uint8_t bytes[16];
    const uint8_t *list; /* first entry of a list */
};

/* Reads one instruction; value types in it are canonical; fields that its immediate kind
 * does not name keep whatever they held. The caller stops at the end
 * of its range (reader_left) or at the `end` that closes its outermost block. */
void instruction_read(const struct module *module, struct reader *reader, struct instruction *out);

/* A reader over [start, end) of the module's file. */
struct reader module_reader(const struct module *module, uint32_t start, uint32_t end);

/* Walk lists: pass &instruction->list of a copy; each call steps one entry. */
uint32_t list_next_label(const uint8_t **list);
value_type list_next_type(const struct module *module, const uint8_t **list);

enum catch_kind { CATCH = 0, CATCH_REF = 1, CATCH_ALL = 2, CATCH_ALL_REF = 3 };
struct catch_clause {
    enum catch_kind kind;
    uint32_t tag;
    uint32_t label;
};
struct catch_clause list_next_catch(const uint8_t **list);
