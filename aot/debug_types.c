#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/debug.h"

/* How far types may refer to each other without a struct in between. */
#define TYPE_MAX_DEPTH 64u

static LLVMMetadataRef make_type(struct unit *unit, uint32_t offset, uint32_t depth);

/* ---- What has been made ---------------------------------------------------------------------- */

static struct debug_entry *entry_slot(const struct debug_unit *debug, uint64_t key)
{
    uint32_t mask = debug->entry_capacity - 1;
    uint32_t at = (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 32) & mask;
    while (debug->entries[at].key != 0 && debug->entries[at].key != key) {
        at = (at + 1) & mask;
    }
    return &debug->entries[at];
}

static uint64_t entry_key(enum debug_kind kind, uint32_t offset)
{
    return ((uint64_t)kind << 32 | offset) + 1;
}

struct debug_entry *debug_find_entry(struct unit *unit, enum debug_kind kind, uint32_t offset)
{
    struct debug_unit *debug = unit->debug;
    if (debug->entry_capacity == 0) {
        return NULL;
    }
    struct debug_entry *entry = entry_slot(debug, entry_key(kind, offset));
    return entry->key == 0 ? NULL : entry;
}

struct debug_entry *debug_add_entry(struct unit *unit, enum debug_kind kind, uint32_t offset,
                                    LLVMMetadataRef node)
{
    struct debug_unit *debug = unit->debug;
    if (debug->entry_count * 2 >= debug->entry_capacity) {
        struct debug_entry *old = debug->entries;
        uint32_t old_capacity = debug->entry_capacity;
        debug->entry_capacity = old_capacity == 0 ? 1024 : 2 * old_capacity;
        debug->entries = arena_array(&debug->arena, struct debug_entry, debug->entry_capacity);
        for (uint32_t i = 0; i < old_capacity; i++) {
            if (old[i].key != 0) {
                *entry_slot(debug, old[i].key) = old[i];
            }
        }
    }
    struct debug_entry *entry = entry_slot(debug, entry_key(kind, offset));
    *entry = (struct debug_entry){.key = entry_key(kind, offset), .node = node};
    debug->entry_count++;
    return entry;
}

bool debug_read(struct unit *unit, uint32_t offset, struct dwarf_die *out)
{
    return offset != 0 && dwarf_read(unit->gen->dwarf, offset, &unit->debug->diag, out);
}

/* ---- Types ----------------------------------------------------------------------------------- */

static struct name name_of(struct unit *unit, const struct dwarf_die *die)
{
    struct name name = {NULL, 0};
    dwarf_text(unit->gen->dwarf, die, ATTRIBUTE_NAME, &name);
    return name;
}

LLVMMetadataRef debug_namespace(struct unit *unit, uint32_t offset)
{
    const struct dwarf *dwarf = unit->gen->dwarf;
    struct debug_unit *debug = unit->debug;
    uint32_t chain[TYPE_MAX_DEPTH];
    uint32_t count = 0;
    LLVMMetadataRef out = NULL;
    uint32_t index = dwarf_find_namespace(dwarf, offset);
    for (; index != DWARF_NO_NAMESPACE && count < TYPE_MAX_DEPTH;
         index = dwarf->namespaces[index].parent) {
        chain[count++] = index;
    }
    while (count != 0) {
        index = chain[--count];
        const struct dwarf_namespace *namespace = &dwarf->namespaces[index];
        if (debug->namespaces[index] == NULL) {
            debug->namespaces[index] = LLVMDIBuilderCreateNameSpace(
                unit->debug_builder, out, debug_text(namespace->name), namespace->name.length, 0);
        }
        out = debug->namespaces[index];
    }
    return out;
}

static uint64_t bits_of(const struct dwarf_die *die)
{
    uint64_t bytes = dwarf_number(die, ATTRIBUTE_BYTE_SIZE, 0);
    return bytes > UINT32_MAX ? 0 : bytes * 8;
}

/* gdb keeps one type of pointers to a type, and the kernel's `void *` has another size: the
 * module's void must be another one. */
static LLVMMetadataRef void_type(struct unit *unit)
{
    if (unit->debug->void_type == NULL) {
        unit->debug->void_type = LLVMDIBuilderCreateUnspecifiedType(unit->debug_builder, "void", 4);
    }
    return unit->debug->void_type;
}

static LLVMMetadataRef make_pointer(struct unit *unit, const struct dwarf_die *die, uint32_t depth)
{
    struct name name = name_of(unit, die);
    LLVMMetadataRef target = make_type(unit, dwarf_reference(die, ATTRIBUTE_TYPE), depth);
    uint64_t bits = bits_of(die);
    if (die->tag != TAG_POINTER_TYPE) {
        return LLVMDIBuilderCreateReferenceType(unit->debug_builder, die->tag,
                                                target == NULL ? void_type(unit) : target);
    }
    return LLVMDIBuilderCreatePointerType(
        unit->debug_builder, target == NULL ? void_type(unit) : target,
        bits != 0 ? bits : 8u * die->unit->address_bytes, 0, 0, debug_text(name), name.length);
}

static LLVMMetadataRef make_array(struct unit *unit, const struct dwarf_die *die, uint32_t depth)
{
    LLVMMetadataRef subscripts[16];
    unsigned count = 0;
    uint64_t total = 1;
    struct dwarf_walk walk;
    struct dwarf_die child;
    uint32_t element = dwarf_reference(die, ATTRIBUTE_TYPE);
    LLVMMetadataRef type = make_type(unit, element, depth);
    dwarf_walk_start(&walk, unit->gen->dwarf, &unit->debug->diag, die);
    while (dwarf_walk_next(&walk, &child) && count < 16) {
        if (child.tag == TAG_SUBRANGE_TYPE && walk.depth == 1) {
            uint64_t bound = dwarf_number(&child, ATTRIBUTE_UPPER_BOUND, UINT64_MAX);
            uint64_t length = dwarf_number(&child, ATTRIBUTE_COUNT_OF, bound + 1);
            bool is_open = !dwarf_has(&child, ATTRIBUTE_COUNT_OF) && bound == UINT64_MAX;
            is_open |= length > INT32_MAX;
            total = is_open ? 0 : total * length & UINT32_MAX;
            subscripts[count++] = LLVMDIBuilderGetOrCreateSubrange(unit->debug_builder, 0,
                                                                   is_open ? -1 : (int64_t)length);
        }
    }
    uint64_t bits = total * (debug_type_bits(unit, element) & UINT32_MAX);
    if (count == 0 || type == NULL) {
        return void_type(unit);
    }
    return LLVMDIBuilderCreateArrayType(unit->debug_builder, bits, 0, type, subscripts, count);
}

static LLVMMetadataRef make_enumeration(struct unit *unit, const struct dwarf_die *die,
                                        uint32_t depth)
{
    struct name name = name_of(unit, die);
    LLVMMetadataRef *items = NULL;
    uint32_t count = 0;
    uint32_t capacity = 0;
    struct dwarf_walk walk;
    struct dwarf_die child;
    uint32_t base = dwarf_reference(die, ATTRIBUTE_TYPE);
    /* LLVM wants an integer there. */
    LLVMMetadataRef type = debug_type_bits(unit, base) == 0 ? NULL : make_type(unit, base, depth);
    dwarf_walk_start(&walk, unit->gen->dwarf, &unit->debug->diag, die);
    while (dwarf_walk_next(&walk, &child)) {
        if (child.tag == TAG_ENUMERATOR) {
            struct name text = name_of(unit, &child);
            int64_t value = (int64_t)dwarf_number(&child, ATTRIBUTE_CONST_VALUE, 0);
            items = arena_grow(&unit->debug->arena, items, count, &capacity, sizeof(*items));
            items[count++] = LLVMDIBuilderCreateEnumerator(unit->debug_builder, debug_text(text),
                                                           text.length, value, value >= 0);
        }
    }
    return LLVMDIBuilderCreateEnumerationType(
        unit->debug_builder, debug_namespace(unit, die->offset), debug_text(name), name.length,
        debug_file(unit, 0), 0, bits_of(die), 0, items, count, type);
}

static LLVMMetadataRef make_subroutine(struct unit *unit, const struct dwarf_die *die,
                                       uint32_t depth)
{
    LLVMMetadataRef types[32];
    unsigned count = 1;
    struct dwarf_walk walk;
    struct dwarf_die child;
    types[0] = make_type(unit, dwarf_reference(die, ATTRIBUTE_TYPE), depth);
    dwarf_walk_start(&walk, unit->gen->dwarf, &unit->debug->diag, die);
    while (dwarf_walk_next(&walk, &child) && count < 32) {
        if (child.tag == TAG_FORMAL_PARAMETER && walk.depth == 1) {
            LLVMMetadataRef type = make_type(unit, dwarf_reference(&child, ATTRIBUTE_TYPE), depth);
            types[count++] = type == NULL ? void_type(unit) : type;
        }
    }
    return LLVMDIBuilderCreateSubroutineType(unit->debug_builder, debug_file(unit, 0), types, count,
                                             LLVMDIFlagZero);
}

static LLVMMetadataRef make_base(struct unit *unit, const struct dwarf_die *die)
{
    struct name name = name_of(unit, die);
    uint64_t encoding = dwarf_number(die, ATTRIBUTE_ENCODING, 0);
    if (name.length == 0) {
        return void_type(unit);
    }
    return LLVMDIBuilderCreateBasicType(unit->debug_builder, debug_text(name), name.length,
                                        bits_of(die), (unsigned)(encoding & UINT8_MAX),
                                        LLVMDIFlagZero);
}

static LLVMMetadataRef make_typedef(struct unit *unit, const struct dwarf_die *die, uint32_t depth)
{
    struct name name = name_of(unit, die);
    LLVMMetadataRef target = make_type(unit, dwarf_reference(die, ATTRIBUTE_TYPE), depth);
    return LLVMDIBuilderCreateTypedef(
        unit->debug_builder, target == NULL ? void_type(unit) : target, debug_text(name),
        name.length, debug_file(unit, 0), 0, debug_namespace(unit, die->offset), 0);
}

/* A struct, a class or a union: its members come later, which ends all recursion. */
static LLVMMetadataRef promise(struct unit *unit, const struct dwarf_die *die)
{
    struct debug_unit *debug = unit->debug;
    struct name name = name_of(unit, die);
    LLVMMetadataRef scope = debug_namespace(unit, die->offset);
    unsigned tag = die->tag == TAG_UNION_TYPE ? TAG_UNION_TYPE : TAG_STRUCTURE_TYPE;
    char identity[16];
    int length = snprintf(identity, sizeof(identity), "%x", die->offset);
    if (dwarf_has(die, ATTRIBUTE_DECLARATION)) {
        return LLVMDIBuilderCreateForwardDecl(unit->debug_builder, tag, debug_text(name),
                                              name.length, scope, debug_file(unit, 0), 0, 0, 0, 0,
                                              identity, (size_t)length);
    }
    debug->promises = arena_grow(&debug->arena, debug->promises, debug->promise_count,
                                 &debug->promise_capacity, sizeof(*debug->promises));
    struct debug_promise *out = &debug->promises[debug->promise_count++];
    out->offset = die->offset;
    out->node = LLVMDIBuilderCreateReplaceableCompositeType(
        unit->debug_builder, tag, debug_text(name), name.length, scope, debug_file(unit, 0), 0, 0,
        bits_of(die), 0, LLVMDIFlagFwdDecl, identity, (size_t)length);
    return out->node;
}

static LLVMMetadataRef make_qualified(struct unit *unit, const struct dwarf_die *die,
                                      uint32_t depth)
{
    LLVMMetadataRef target = make_type(unit, dwarf_reference(die, ATTRIBUTE_TYPE), depth);
    if (target == NULL) {
        target = void_type(unit);
    }
    return LLVMDIBuilderCreateQualifiedType(unit->debug_builder, die->tag, target);
}

static LLVMMetadataRef make_from_die(struct unit *unit, const struct dwarf_die *die, uint32_t depth)
{
    switch (die->tag) {
    case TAG_BASE_TYPE:
        return make_base(unit, die);
    case TAG_POINTER_TYPE:
    case TAG_REFERENCE_TYPE:
    case TAG_RVALUE_REFERENCE_TYPE:
        return make_pointer(unit, die, depth);
    case TAG_CONST_TYPE:
    case TAG_VOLATILE_TYPE:
        return make_qualified(unit, die, depth);
    case TAG_RESTRICT_TYPE:
    case TAG_ATOMIC_TYPE:
        return make_type(unit, dwarf_reference(die, ATTRIBUTE_TYPE), depth);
    case TAG_TYPEDEF:
        return make_typedef(unit, die, depth);
    case TAG_ARRAY_TYPE:
        return make_array(unit, die, depth);
    case TAG_ENUMERATION_TYPE:
        return make_enumeration(unit, die, depth);
    case TAG_SUBROUTINE_TYPE:
        return make_subroutine(unit, die, depth);
    case TAG_STRUCTURE_TYPE:
    case TAG_CLASS_TYPE:
    case TAG_UNION_TYPE:
        return promise(unit, die);
    default:
        return void_type(unit);
    }
}

static LLVMMetadataRef make_type(struct unit *unit, uint32_t offset, uint32_t depth)
{
    struct dwarf_die die;
    if (offset == 0) {
        return NULL;
    }
    struct debug_entry *entry = debug_find_entry(unit, DEBUG_TYPE, offset);
    if (entry != NULL) {
        return entry->node;
    }
    if (depth == TYPE_MAX_DEPTH || !debug_read(unit, offset, &die)) {
        return void_type(unit);
    }
    /* A type that leads back to itself finds this one. */
    debug_add_entry(unit, DEBUG_TYPE, offset, void_type(unit));
    LLVMMetadataRef out = make_from_die(unit, &die, depth + 1);
    debug_find_entry(unit, DEBUG_TYPE, offset)->node = out;
    return out;
}

LLVMMetadataRef debug_type(struct unit *unit, uint32_t offset)
{
    return make_type(unit, offset, 0);
}

uint64_t debug_type_bits(struct unit *unit, uint32_t offset)
{
    struct dwarf_die die;
    for (uint32_t depth = 0; depth < TYPE_MAX_DEPTH && debug_read(unit, offset, &die); depth++) {
        uint64_t bits = bits_of(&die);
        switch (die.tag) {
        case TAG_TYPEDEF:
        case TAG_CONST_TYPE:
        case TAG_VOLATILE_TYPE:
        case TAG_RESTRICT_TYPE:
        case TAG_ATOMIC_TYPE:
            offset = dwarf_reference(&die, ATTRIBUTE_TYPE);
            continue;
        case TAG_POINTER_TYPE:
        case TAG_REFERENCE_TYPE:
        case TAG_RVALUE_REFERENCE_TYPE:
            return bits != 0 ? bits : 8u * die.unit->address_bytes;
        case TAG_BASE_TYPE:
        case TAG_ENUMERATION_TYPE:
        case TAG_STRUCTURE_TYPE:
        case TAG_CLASS_TYPE:
        case TAG_UNION_TYPE:
            return bits;
        default:
            return 0;
        }
    }
    return 0;
}

/* ---- Members --------------------------------------------------------------------------------- */

struct members {
    LLVMMetadataRef *items;
    uint32_t count;
    uint32_t capacity;
};

/* Offset of a bit field from the start of the struct: DWARF 5 §5.7.6, DWARF 3 §5.5.6. */
static uint64_t bit_offset(struct unit *unit, const struct dwarf_die *die, uint64_t bits)
{
    uint64_t offset = dwarf_number(die, ATTRIBUTE_DATA_BIT_OFFSET, 0);
    uint64_t storage = bits_of(die);
    if (dwarf_has(die, ATTRIBUTE_BIT_OFFSET)) {
        if (storage == 0) {
            storage = debug_type_bits(unit, dwarf_reference(die, ATTRIBUTE_TYPE));
        }
        /* From the most significant bit of the storage. */
        offset = dwarf_number(die, ATTRIBUTE_MEMBER_LOCATION, 0) * 8 + storage - bits -
                 dwarf_number(die, ATTRIBUTE_BIT_OFFSET, 0);
    }
    return offset;
}

static LLVMMetadataRef make_member(struct unit *unit, const struct dwarf_die *die,
                                   LLVMMetadataRef scope)
{
    struct name name = name_of(unit, die);
    const char *text = debug_text(name);
    size_t length = name.length;
    uint32_t offset = dwarf_reference(die, ATTRIBUTE_TYPE);
    LLVMMetadataRef type = debug_type(unit, offset);
    LLVMMetadataRef file = debug_file(unit, 0);
    uint64_t bits = dwarf_number(die, ATTRIBUTE_BIT_SIZE, 0);
    uint64_t place = dwarf_number(die, ATTRIBUTE_MEMBER_LOCATION, 0) * 8;
    if (type == NULL) {
        type = void_type(unit);
    }
    if (die->tag == TAG_INHERITANCE) {
        return LLVMDIBuilderCreateInheritance(unit->debug_builder, scope, type, place, 0,
                                              LLVMDIFlagZero);
    }
    if (bits != 0 && bits <= 64) {
        uint64_t at = bit_offset(unit, die, bits);
        uint64_t storage = debug_type_bits(unit, offset);
        return LLVMDIBuilderCreateBitFieldMemberType(
            unit->debug_builder, scope, text, length, file, 0, bits, at,
            storage == 0 ? at : at / storage * storage, LLVMDIFlagZero, type);
    }
    if (length == 0 && dwarf_has(die, ATTRIBUTE_ARTIFICIAL)) {
        /* Which variant of a Rust enum it is: the only member that no one has named. */
        text = "discriminant";
        length = strlen(text);
    }
    return LLVMDIBuilderCreateMemberType(unit->debug_builder, scope, text, length, file, 0,
                                         debug_type_bits(unit, offset), 0, place, LLVMDIFlagZero,
                                         type);
}

/* The variants of a Rust enum stand side by side, as those of a union. */
static void read_members(struct unit *unit, const struct dwarf_die *die, LLVMMetadataRef scope,
                         struct members *out)
{
    bool counts[DWARF_MAX_DEPTH + 1] = {true};
    struct dwarf_walk walk;
    struct dwarf_die child;
    dwarf_walk_start(&walk, unit->gen->dwarf, &unit->debug->diag, die);
    while (dwarf_walk_next(&walk, &child)) {
        bool is_counted = counts[walk.depth - 1];
        bool is_member = child.tag == TAG_MEMBER || child.tag == TAG_INHERITANCE;
        counts[walk.depth] =
            is_counted && (child.tag == TAG_VARIANT_PART || child.tag == TAG_VARIANT);
        if (is_counted && is_member && !dwarf_has(&child, ATTRIBUTE_EXTERNAL)) {
            out->items = arena_grow(&unit->debug->arena, out->items, out->count, &out->capacity,
                                    sizeof(*out->items));
            out->items[out->count++] = make_member(unit, &child, scope);
        }
    }
}

static LLVMMetadataRef make_composite(struct unit *unit, const struct debug_promise *promised)
{
    struct dwarf_die die;
    struct members members = {0};
    char identity[16];
    /* Names that differ keep LLVM from taking equal structs of two files for one. */
    size_t length = (size_t)snprintf(identity, sizeof(identity), "%x", promised->offset);
    if (!debug_read(unit, promised->offset, &die)) {
        return void_type(unit);
    }
    struct name name = name_of(unit, &die);
    LLVMMetadataRef scope = debug_namespace(unit, promised->offset);
    LLVMMetadataRef file = debug_file(unit, 0);
    read_members(unit, &die, promised->node, &members);
    if (die.tag == TAG_UNION_TYPE) {
        return LLVMDIBuilderCreateUnionType(unit->debug_builder, scope, debug_text(name),
                                            name.length, file, 0, bits_of(&die), 0, LLVMDIFlagZero,
                                            members.items, members.count, 0, identity, length);
    }
    return LLVMDIBuilderCreateStructType(unit->debug_builder, scope, debug_text(name), name.length,
                                         file, 0, bits_of(&die), 0, LLVMDIFlagZero, NULL,
                                         members.items, members.count, 0, NULL, identity, length);
}

void debug_keep_promises(struct unit *unit)
{
    struct debug_unit *debug = unit->debug;
    /* Each one may make others. */
    for (uint32_t i = 0; i < debug->promise_count; i++) {
        jmp_buf escape;
        LLVMMetadataRef volatile made = NULL;
        debug->diag.escape = &escape;
        if (setjmp(escape) == 0) {
            made = make_composite(unit, &debug->promises[i]);
        }
        debug->promises[i].replacement = made == NULL ? void_type(unit) : made;
    }
    for (uint32_t i = 0; i < debug->promise_count; i++) {
        LLVMMetadataReplaceAllUsesWith(debug->promises[i].node, debug->promises[i].replacement);
    }
}
