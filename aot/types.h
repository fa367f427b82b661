/*
 * Value types and defined types, and the relations between them.
 *
 * A value type is one 32-bit word, compared with ==: the low byte is its kind;
 * for references the upper 24 bits are the heap type, an index into module->types
 * or an abstract heap type (HEAP_*). After decoding, indices in value types are
 * canonical (the first equal type of the module), so == is type equality.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module;

typedef uint32_t value_type;

enum value_kind {
    KIND_BOTTOM = 0, /* only in unreachable code */
    KIND_I32 = 0x7f,
    KIND_I64 = 0x7e,
    KIND_F32 = 0x7d,
    KIND_F64 = 0x7c,
    KIND_V128 = 0x7b,
    KIND_I8 = 0x78, /* packed: fields of structs and arrays only */
    KIND_I16 = 0x77,
    KIND_REF_NULL = 0x63,
    KIND_REF = 0x64,
};

/* Abstract heap types: the code of the binary format in the low byte. */
#define HEAP_ABSTRACT 0xffff00u
enum heap_type {
    HEAP_NOEXN = HEAP_ABSTRACT | 0x74,
    HEAP_NOFUNC = HEAP_ABSTRACT | 0x73,
    HEAP_NOEXTERN = HEAP_ABSTRACT | 0x72,
    HEAP_NONE = HEAP_ABSTRACT | 0x71,
    HEAP_FUNC = HEAP_ABSTRACT | 0x70,
    HEAP_EXTERN = HEAP_ABSTRACT | 0x6f,
    HEAP_ANY = HEAP_ABSTRACT | 0x6e,
    HEAP_EQ = HEAP_ABSTRACT | 0x6d,
    HEAP_I31 = HEAP_ABSTRACT | 0x6c,
    HEAP_STRUCT = HEAP_ABSTRACT | 0x6b,
    HEAP_ARRAY = HEAP_ABSTRACT | 0x6a,
    HEAP_EXN = HEAP_ABSTRACT | 0x69,
};

/* The heap type of a reference of which unreachable code says nothing. */
#define HEAP_BOTTOM (HEAP_ABSTRACT | 0x01)

#define REF_TYPE(kind, heap) ((value_type)(kind) | (value_type)(heap) << 8)

#define TYPE_BOTTOM    ((value_type)KIND_BOTTOM)
#define TYPE_I32       ((value_type)KIND_I32)
#define TYPE_I64       ((value_type)KIND_I64)
#define TYPE_F32       ((value_type)KIND_F32)
#define TYPE_F64       ((value_type)KIND_F64)
#define TYPE_V128      ((value_type)KIND_V128)
#define TYPE_FUNCREF   REF_TYPE(KIND_REF_NULL, HEAP_FUNC)
#define TYPE_EXTERNREF REF_TYPE(KIND_REF_NULL, HEAP_EXTERN)
#define TYPE_EXNREF    REF_TYPE(KIND_REF_NULL, HEAP_EXN)

static inline enum value_kind type_kind(value_type type)
{
    return (enum value_kind)(type & 0xff);
}

static inline uint32_t type_heap(value_type type)
{
    return type >> 8;
}

static inline bool type_is_ref(value_type type)
{
    return type_kind(type) == KIND_REF_NULL || type_kind(type) == KIND_REF;
}

static inline bool type_is_exception(value_type type)
{
    return type_is_ref(type) && (type_heap(type) == HEAP_EXN || type_heap(type) == HEAP_NOEXN);
}

static inline bool type_is_nullable(value_type type)
{
    return type_kind(type) == KIND_REF_NULL;
}

static inline bool heap_is_abstract(uint32_t heap)
{
    return heap >= HEAP_ABSTRACT;
}

/* Everything but non-nullable references has a default (Wasm core §3.2.12). */
static inline bool type_has_default(value_type type)
{
    return type_kind(type) != KIND_REF;
}

enum composite_kind { COMPOSITE_FUNC, COMPOSITE_STRUCT, COMPOSITE_ARRAY };

/* A function type: parameters, then results, in one array. Structs and arrays keep
 * their fields as `params` (they are only declared here, never instantiated). */
struct defined_type {
    enum composite_kind composite;
    uint32_t param_count;
    uint32_t result_count;
    const value_type *params;
    const value_type *results;
    const uint8_t *field_mutable; /* structs and arrays: one byte a field */
    bool is_final;
    bool has_supertype;
    uint32_t supertype;   /* canonical index */
    uint32_t canonical;   /* smallest index of an equal type in this module */
    uint32_t group_start; /* the recursion group this type stands in */
    uint32_t group_count;
    uint8_t digest[16]; /* of the structure: equal for equal types of different modules */
};

/* Wasm core §3.3. Indices in heap types must be valid and canonical. */
bool heap_is_subtype(const struct module *module, uint32_t sub, uint32_t super);
bool type_is_subtype(const struct module *module, value_type sub, value_type super);

/* The top of the hierarchy of a heap type: HEAP_FUNC, HEAP_EXTERN, HEAP_ANY or HEAP_EXN. */
uint32_t heap_top(const struct module *module, uint32_t heap);

/* "i32", "(ref null 3)", ... for messages. Returns text. */
const char *type_text(value_type type, char text[32]);

/*
 * The signature of a function type as kernel/base/wasm_abi.h spells it, "ii_i": equal
 * in two modules exactly when the types are equal. One letter a value: i I f F V,
 * r=funcref e=externref x=exnref; other references, and types that are not
 * final or stand in a recursion group of several, are spelled out between braces.
 * Returns the length as snprintf does; a text longer than the buffer is cut.
 */
size_t type_signature(const struct module *module, uint32_t type, char *text, size_t text_bytes);
