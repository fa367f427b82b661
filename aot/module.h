/*
 * A decoded module: what the sections say, with code and initialisers left as
 * byte ranges of the file, to be walked with aot/instruction.h.
 *
 * Everything lives in the arena given to module_decode, names and bytes point into
 * the file, which must stay mapped as long as the module is used. After
 * module_validate the module is immutable and may be read by several threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aot/arena.h"
#include "aot/diag.h"
#include "aot/types.h"

/* Limits of this compiler where the specification sets none or a larger one; those of
 * the JavaScript API where it names one. */
#define MODULE_MAX_BYTES    (1u << 30)
#define MODULE_MAX_ENTRIES  1000000u /* of any vector: types, functions, segments, labels */
#define MODULE_MAX_TYPES    MODULE_MAX_ENTRIES
#define MODULE_MAX_LOCALS   50000u
#define MODULE_MAX_PARAMS   1000u
#define MODULE_MAX_MEMORIES 4096u
#define MODULE_MAX_TABLES   100000u

enum feature {
    FEATURE_MVP,
    FEATURE_MUTABLE_GLOBALS,
    FEATURE_SIGN_EXTENSION,
    FEATURE_SATURATING_FLOAT,
    FEATURE_MULTI_VALUE,
    FEATURE_BULK_MEMORY,
    FEATURE_REFERENCE_TYPES,
    FEATURE_SIMD,
    FEATURE_RELAXED_SIMD,
    FEATURE_EXTENDED_CONST,
    FEATURE_TAIL_CALL,
    FEATURE_MULTI_MEMORY,
    FEATURE_MEMORY64,
    FEATURE_EXCEPTIONS,
    FEATURE_LEGACY_EXCEPTIONS,
    FEATURE_FUNCTION_REFERENCES,
    FEATURE_THREADS,
    FEATURE_GC,
    FEATURE_COUNT
};

struct name {
    const uint8_t *bytes; /* UTF-8, not terminated; may hold NUL */
    uint32_t length;
};

enum external_kind {
    EXTERNAL_FUNCTION = 0,
    EXTERNAL_TABLE = 1,
    EXTERNAL_MEMORY = 2,
    EXTERNAL_GLOBAL = 3,
    EXTERNAL_TAG = 4,
};

struct import {
    struct name module;
    struct name field;
    enum external_kind kind;
    uint32_t index;  /* in the index space of its kind */
    uint32_t offset; /* in the file, for messages */
};

struct export
{
    struct name name;
    enum external_kind kind;
    uint32_t index;
    uint32_t offset;
};

/* A constant expression: [start, end) of the file, the final `end` included. */
struct expression {
    uint32_t start;
    uint32_t end;
};

/* What the body of a function does, gathered by the validator. */
enum function_flags {
    FUNCTION_REFERENCED_BIT = 1u << 0, /* ref.func, element segment, export or global initialiser */
    FUNCTION_CALLED_BIT = 1u << 1,     /* named by call or return_call */
    FUNCTION_CALLS_BIT = 1u << 2,      /* contains any call */
    FUNCTION_GROWS_MEMORY_BIT = 1u << 3,
    FUNCTION_LOOPS_BIT = 1u << 4,
    FUNCTION_THROWS_BIT = 1u << 5,  /* throw, throw_ref, rethrow */
    FUNCTION_CATCHES_BIT = 1u << 6, /* try, try_table */
    FUNCTION_TAIL_CALLS_BIT = 1u << 7,
    FUNCTION_EXPORTED_BIT = 1u << 8,
    FUNCTION_USES_SIMD_BIT = 1u << 9,
};

struct function {
    const struct import *import; /* NULL: defined here */
    struct name name;            /* name section, else first export, else empty */
    uint32_t type;               /* index into types, canonical */
    uint32_t flags;              /* enum function_flags */
    /* Defined functions: locals and code, [body_start, body_end) of the file. */
    uint32_t body_start;
    uint32_t code_start; /* the first instruction, behind the local declarations */
    uint32_t body_end;
    uint32_t local_count;     /* parameters included */
    uint32_t max_block_depth; /* nesting of blocks, set by the validator */
    uint32_t max_stack;       /* operand stack height, set by the validator */
};

struct limits {
    uint64_t minimum;
    uint64_t maximum; /* UINT64_MAX when absent */
    bool has_maximum;
    bool is_64;
    bool is_shared;
};

struct table {
    const struct import *import;
    value_type element;
    struct limits limits;
    bool has_init;
    struct expression init;
    bool is_exported;
    bool is_mutated; /* by table.set/grow/fill/copy/init in code: segments do not count */
    bool is_grown;
    uint32_t offset;
};

struct memory {
    const struct import *import;
    struct limits limits; /* in pages of 64 KiB */
    bool is_exported;
    bool is_grown; /* by memory.grow in code */
    bool is_used;  /* by any instruction */
    uint32_t offset;
};

struct global {
    const struct import *import;
    value_type type;
    bool is_mutable;
    bool is_exported;
    bool is_set; /* by global.set in code */
    struct expression init;
    uint32_t offset;
};

struct tag {
    const struct import *import;
    uint32_t type; /* canonical */
    bool is_exported;
    uint32_t offset;
};

enum segment_mode { SEGMENT_ACTIVE, SEGMENT_PASSIVE, SEGMENT_DECLARATIVE };

enum element_kind { ELEMENT_FUNCTION, ELEMENT_NULL, ELEMENT_EXPRESSION };

struct element_item {
    enum element_kind kind;
    uint32_t function; /* ELEMENT_FUNCTION (function index or a lone ref.func) */
    /* Segments with has_expressions: every kind; else only value.start is set. */
    struct expression value;
};

struct element_segment {
    enum segment_mode mode;
    uint32_t table;
    value_type type;
    struct expression where; /* active: the offset */
    uint32_t item_count;
    const struct element_item *items;
    bool has_expressions; /* items are expressions, not function indices */
    bool is_used;         /* by table.init */
    bool is_dropped;      /* by elem.drop */
    uint32_t offset;
};

struct data_segment {
    enum segment_mode mode;
    uint32_t memory;
    struct expression where;
    const uint8_t *bytes;
    uint32_t length;
    bool is_used;    /* by memory.init */
    bool is_dropped; /* by data.drop */
    uint32_t offset;
};

struct custom_section {
    struct name name;
    const uint8_t *bytes;
    uint32_t length;
    uint32_t offset; /* of bytes, in the file */
};

/* A br_if or if whose condition a producer has measured; the list ascends. */
struct branch_hint {
    uint32_t offset; /* of the instruction, in the file */
    bool is_likely;  /* to be non-zero */
};

struct module {
    struct arena *arena;
    struct diag *diag;
    const uint8_t *bytes; /* the whole file */
    uint32_t length;
    struct name name; /* name section */

    struct defined_type *types;
    uint32_t type_count;
    struct import *imports;
    uint32_t import_count;
    struct function *functions; /* imported ones first, as in every index space */
    uint32_t function_count;
    uint32_t imported_function_count;
    struct table *tables;
    uint32_t table_count;
    uint32_t imported_table_count;
    struct memory *memories;
    uint32_t memory_count;
    uint32_t imported_memory_count;
    struct global *globals;
    uint32_t global_count;
    uint32_t imported_global_count;
    struct tag *tags;
    uint32_t tag_count;
    uint32_t imported_tag_count;
    struct export *exports;
    uint32_t export_count;
    bool has_start;
    uint32_t start_function;
    uint32_t start_offset;
    struct element_segment *elements;
    uint32_t element_count;
    bool has_data_count;
    uint32_t data_count_declared;
    struct data_segment *datas;
    uint32_t data_count;
    struct custom_section *customs;
    uint32_t custom_count;
    struct branch_hint *hints;
    uint32_t hint_count;
    const char *hint_warning;    /* why there are none although there is a section; else NULL */
    uint32_t code_section_start; /* DWARF addresses count from the content of this section */
    uint32_t code_section_end;

    uint32_t enabled;         /* features that the module may use */
    uint32_t features;        /* 1u << enum feature it uses: decoder and validator set it */
    uint32_t local_count_max; /* largest function.local_count */
};

#define FEATURES_ALL (((uint32_t)1 << FEATURE_COUNT) - 1)
/* What Wasm 2.0 has. Where a later version gives a byte string a meaning that 2.0 forbids,
 * this set forbids it too: the test suite of 2.0 asks for that. */
#define FEATURES_WASM_2 (((uint32_t)1 << (FEATURE_SIMD + 1)) - 1)

/* Wasm core §5: structure only. Errors go to diag and do not return. The diag learns
 * the names of functions. `bytes` is borrowed. `features` holds 1 << enum feature. */
struct module *module_decode(struct arena *arena, struct diag *diag, const uint8_t *bytes,
                             size_t length, uint32_t features);

/* Wasm core §3: every rule. Must succeed before code generation starts. */
void module_validate(struct module *module);

/* Types of the parameters and locals of a function, local_count of them. */
void function_local_types(const struct module *module, const struct function *function,
                          value_type *types);

/* The defined type behind a function index. */
static inline const struct defined_type *function_type(const struct module *module,
                                                       uint32_t function)
{
    return &module->types[module->functions[function].type];
}

enum likelihood { LIKELIHOOD_UNKNOWN, LIKELIHOOD_LOW, LIKELIHOOD_HIGH };

/* Of the condition of the instruction at a file offset being non-zero. */
enum likelihood module_branch_hint(const struct module *module, uint32_t offset);

/* "sign-extension operators", ... as used in messages and --print=features. */
const char *feature_text(enum feature feature);
