/*
 * The tree of debugging information entries (DIEs) of a module: its .debug_info section and
 * what that points to, DWARF 2 to 5 in the 32-bit format (DWARF 5 §2, §7.5).
 *
 * dwarf_decode reads everything once and keeps an index: units, functions by address,
 * namespaces. DIEs are read again, one at a time, by whoever needs one. Offsets of DIEs
 * count from the start of .debug_info; 0 stands for none. Addresses count from the content
 * of the code section ("DWARF for WebAssembly").
 *
 * Debug information only helps people: what is malformed is left out, silently. The index
 * lives in the module's arena, text and blocks point into the file. Immutable once made: any
 * thread may read it, each with a reader of its own.
 */
#pragma once

#include "aot/module.h"
#include "aot/reader.h"

enum dwarf_tag {
    TAG_ARRAY_TYPE = 0x01,
    TAG_CLASS_TYPE = 0x02,
    TAG_ENUMERATION_TYPE = 0x04,
    TAG_FORMAL_PARAMETER = 0x05,
    TAG_LEXICAL_BLOCK = 0x0b,
    TAG_MEMBER = 0x0d,
    TAG_POINTER_TYPE = 0x0f,
    TAG_REFERENCE_TYPE = 0x10,
    TAG_COMPILE_UNIT = 0x11,
    TAG_STRUCTURE_TYPE = 0x13,
    TAG_SUBROUTINE_TYPE = 0x15,
    TAG_TYPEDEF = 0x16,
    TAG_UNION_TYPE = 0x17,
    TAG_VARIANT = 0x19,
    TAG_INHERITANCE = 0x1c,
    TAG_INLINED_SUBROUTINE = 0x1d,
    TAG_PTR_TO_MEMBER_TYPE = 0x1f,
    TAG_SUBRANGE_TYPE = 0x21,
    TAG_BASE_TYPE = 0x24,
    TAG_CATCH_BLOCK = 0x25,
    TAG_CONST_TYPE = 0x26,
    TAG_ENUMERATOR = 0x28,
    TAG_SUBPROGRAM = 0x2e,
    TAG_TRY_BLOCK = 0x32,
    TAG_VARIANT_PART = 0x33,
    TAG_VARIABLE = 0x34,
    TAG_VOLATILE_TYPE = 0x35,
    TAG_RESTRICT_TYPE = 0x37,
    TAG_NAMESPACE = 0x39,
    TAG_UNSPECIFIED_TYPE = 0x3b,
    TAG_PARTIAL_UNIT = 0x3c,
    TAG_RVALUE_REFERENCE_TYPE = 0x42,
    TAG_ATOMIC_TYPE = 0x47,
};

/* The attributes that are kept; dwarf.c has their numbers. */
enum dwarf_attribute {
    ATTRIBUTE_NONE, /* of no interest */
    ATTRIBUTE_LOCATION,
    ATTRIBUTE_NAME,
    ATTRIBUTE_BYTE_SIZE,
    ATTRIBUTE_BIT_OFFSET,
    ATTRIBUTE_BIT_SIZE,
    ATTRIBUTE_LINE_TABLE,
    ATTRIBUTE_LOW_PC,
    ATTRIBUTE_HIGH_PC,
    ATTRIBUTE_LANGUAGE,
    ATTRIBUTE_DIRECTORY,
    ATTRIBUTE_CONST_VALUE,
    ATTRIBUTE_UPPER_BOUND,
    ATTRIBUTE_PRODUCER,
    ATTRIBUTE_ORIGIN,
    ATTRIBUTE_ARTIFICIAL,
    ATTRIBUTE_COUNT_OF,
    ATTRIBUTE_MEMBER_LOCATION,
    ATTRIBUTE_FILE,
    ATTRIBUTE_LINE,
    ATTRIBUTE_DECLARATION,
    ATTRIBUTE_ENCODING,
    ATTRIBUTE_EXTERNAL,
    ATTRIBUTE_FRAME_BASE,
    ATTRIBUTE_SPECIFICATION,
    ATTRIBUTE_TYPE,
    ATTRIBUTE_RANGES,
    ATTRIBUTE_DATA_BIT_OFFSET,
    ATTRIBUTE_CALL_COLUMN,
    ATTRIBUTE_CALL_FILE,
    ATTRIBUTE_CALL_LINE,
    ATTRIBUTE_LINKAGE_NAME,
    ATTRIBUTE_STR_OFFSETS,
    ATTRIBUTE_ADDRESSES,
    ATTRIBUTE_RANGE_LISTS,
    ATTRIBUTE_LOCATION_LISTS,
    ATTRIBUTE_SLOTS
};

enum dwarf_class {
    CLASS_NONE, /* the attribute is absent, or of a form nobody asks about */
    CLASS_NUMBER,
    CLASS_TEXT,
    CLASS_TEXT_INDEX,
    CLASS_ADDRESS,
    CLASS_ADDRESS_INDEX,
    CLASS_BLOCK,     /* bytes, or an expression */
    CLASS_REFERENCE, /* number: offset of a DIE */
    CLASS_OFFSET,    /* into another section */
    CLASS_LIST_INDEX,
};

struct dwarf_value {
    enum dwarf_class class;
    uint64_t number;
    struct name bytes;
};

enum dwarf_section {
    DWARF_INFO,
    DWARF_ABBREV,
    DWARF_STR,
    DWARF_LINE_STR,
    DWARF_STR_OFFSETS,
    DWARF_ADDR,
    DWARF_LOC,
    DWARF_LOCLISTS,
    DWARF_RANGES,
    DWARF_RNGLISTS,
    DWARF_SECTIONS
};

struct dwarf_abbrevs;

struct dwarf_unit {
    uint32_t start; /* of its header */
    uint32_t first; /* its first DIE */
    uint32_t end;
    uint16_t version;
    uint8_t address_bytes;
    bool has_lines;
    uint32_t line_offset; /* of its line program */
    uint32_t language;
    uint64_t base; /* what addresses in lists count from */
    uint64_t str_offsets, addresses, range_lists, location_lists;
    struct name name, directory, producer;
    const struct dwarf_abbrevs *abbrevs;
};

struct dwarf_function {
    uint32_t low; /* its code: [low, high) */
    uint32_t high;
    uint32_t offset;
    uint32_t unit;
};

/* DIEs in [start, end) belong to it or to a namespace inside. */
struct dwarf_namespace {
    uint32_t start;
    uint32_t end;
    uint32_t parent; /* DWARF_NO_NAMESPACE for none */
    uint32_t unit;
    struct name name;
};

#define DWARF_NO_NAMESPACE UINT32_MAX

struct dwarf {
    struct module *module;
    struct name sections[DWARF_SECTIONS];
    struct dwarf_unit *units; /* by ascending offset */
    uint32_t unit_count;
    struct dwarf_function *functions; /* by ascending address */
    uint32_t function_count;
    struct dwarf_namespace *namespaces; /* by ascending start */
    uint32_t namespace_count;
    uint32_t *globals; /* variables outside of functions that have a place */
    uint32_t global_count;
};

struct dwarf_die {
    const struct dwarf_unit *unit;
    uint32_t offset;
    uint32_t next; /* behind its attributes: the first child, or what follows */
    uint32_t tag;
    bool has_children;
    struct dwarf_value values[ATTRIBUTE_SLOTS];
};

/* NULL when the module has no such information that can be read. */
const struct dwarf *dwarf_decode(struct module *module);

/* The function whose code holds an address; NULL when none does. */
const struct dwarf_function *dwarf_find_function(const struct dwarf *dwarf, uint32_t address);
/* The innermost namespace around a DIE, or DWARF_NO_NAMESPACE. */
uint32_t dwarf_find_namespace(const struct dwarf *dwarf, uint32_t offset);
const struct dwarf_unit *dwarf_find_unit(const struct dwarf *dwarf, uint32_t offset);

/* Reads the DIE at `offset`; false where there is none, or a list of children ends. What is
 * malformed goes to diag. */
bool dwarf_read(const struct dwarf *dwarf, uint32_t offset, struct diag *diag,
                struct dwarf_die *out);

/* All DIEs below one, in the order of the file. */
struct dwarf_walk {
    const struct dwarf *dwarf;
    struct diag *diag;
    const struct dwarf_unit *unit;
    uint32_t next;
    uint32_t depth; /* of the DIE just read: children of the first one have 1 */
    bool is_inside; /* the last one has children */
};

#define DWARF_MAX_DEPTH 512u

void dwarf_walk_start(struct dwarf_walk *walk, const struct dwarf *dwarf, struct diag *diag,
                      const struct dwarf_die *top);
bool dwarf_walk_next(struct dwarf_walk *walk, struct dwarf_die *out);

/* Values of the forms that go through a table; false when out of bounds or of another class. */
bool dwarf_text(const struct dwarf *dwarf, const struct dwarf_die *die,
                enum dwarf_attribute attribute, struct name *out);
bool dwarf_address(const struct dwarf *dwarf, const struct dwarf_unit *unit,
                   const struct dwarf_value *value, uint64_t *out);
/* Where the DIE's code starts and ends; false without code of its own, or in dropped code. */
bool dwarf_code_range(const struct dwarf *dwarf, const struct dwarf_die *die, uint64_t *low,
                      uint64_t *high);

static inline bool dwarf_has(const struct dwarf_die *die, enum dwarf_attribute attribute)
{
    return die->values[attribute].class != CLASS_NONE;
}

static inline uint64_t dwarf_number(const struct dwarf_die *die, enum dwarf_attribute attribute,
                                    uint64_t otherwise)
{
    const struct dwarf_value *value = &die->values[attribute];
    return value->class == CLASS_NUMBER ? value->number : otherwise;
}

/* The DIE that an attribute refers to, or 0. */
static inline uint32_t dwarf_reference(const struct dwarf_die *die, enum dwarf_attribute attribute)
{
    const struct dwarf_value *value = &die->values[attribute];
    return value->class == CLASS_REFERENCE ? (uint32_t)value->number : 0;
}

/* ---- dwarf_lists.c ------------------------------------------------------------------------- */

/* One entry of a list of ranges or locations. */
struct dwarf_range {
    uint64_t low;
    uint64_t high;
    struct name expression; /* locations only */
};

struct dwarf_list {
    const struct dwarf *dwarf;
    const struct dwarf_unit *unit;
    struct reader reader;
    uint64_t base;
    bool has_expressions;
};

/* The ranges of a scope's code (DW_AT_ranges), or the places of a variable by range
 * (DW_AT_location). False when the DIE has no such list. Ranges lie in the code section. */
bool dwarf_ranges_start(struct dwarf_list *list, const struct dwarf *dwarf, struct diag *diag,
                        const struct dwarf_die *die);
bool dwarf_locations_start(struct dwarf_list *list, const struct dwarf *dwarf, struct diag *diag,
                           const struct dwarf_die *die);
bool dwarf_list_next(struct dwarf_list *list, struct dwarf_range *out);
