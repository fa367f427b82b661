#include "aot/decode.h"

#include <string.h>

#include "aot/sha256.h"

/*
 * Type section, Wasm core §5.3 and §5.5.4. Types come in recursion groups; two groups
 * are equal when they have the same structure, with references inside the group compared
 * by position (§3.2.6). Each group is looked up by its digest among the earlier ones.
 */

static uint32_t check_type_index(const struct module *module, struct reader *reader, uint32_t start,
                                 int64_t index)
{
    if (index < 0 || index >= module->type_count) {
        diag_fail(reader->diag, start, "unknown type %lld", (long long)index);
    }
    return module->types[index].canonical;
}

static bool is_abstract_heap(uint8_t byte)
{
    return byte >= (HEAP_EXN & 0xff) && byte <= (HEAP_NOEXN & 0xff);
}

/* What the function-references, exception and garbage-collection proposals added. */
static void check_heap_enabled(const struct module *module, struct reader *reader, uint32_t start,
                               uint32_t heap)
{
    enum feature needed = heap == HEAP_FUNC || heap == HEAP_EXTERN ? FEATURE_REFERENCE_TYPES
                          : heap == HEAP_EXN                       ? FEATURE_EXCEPTIONS
                                                                   : FEATURE_FUNCTION_REFERENCES;
    if ((module->enabled & 1u << needed) == 0) {
        diag_fail(reader->diag, start, "malformed reference type: %s are not enabled",
                  feature_text(needed));
    }
}

uint32_t read_heap_type(const struct module *module, struct reader *reader)
{
    uint32_t start = reader_offset(reader);
    uint32_t heap;
    if (reader_left(reader) != 0 && is_abstract_heap(*reader->next)) {
        heap = HEAP_ABSTRACT | reader_u8(reader);
    } else {
        int64_t index = reader_leb_s33(reader);
        if (index < 0) {
            diag_fail(reader->diag, start, "malformed heap type");
        }
        heap = check_type_index(module, reader, start, index);
    }
    check_heap_enabled(module, reader, start, heap);
    return heap;
}

value_type read_value_type(const struct module *module, struct reader *reader)
{
    uint32_t start = reader_offset(reader);
    uint8_t byte = reader_u8(reader);

    switch (byte) {
    case KIND_I32:
    case KIND_I64:
    case KIND_F32:
    case KIND_F64:
        return byte;
    case KIND_V128:
        if ((module->enabled & 1u << FEATURE_SIMD) == 0) {
            diag_fail(reader->diag, start, "malformed value type: SIMD is not enabled");
        }
        return byte;
    case KIND_REF:
    case KIND_REF_NULL:
        return REF_TYPE(byte, read_heap_type(module, reader));
    default:
        break;
    }
    if (!is_abstract_heap(byte)) {
        diag_fail(reader->diag, start, "malformed value type 0x%02x", byte);
    }
    check_heap_enabled(module, reader, start, HEAP_ABSTRACT | byte);
    return REF_TYPE(KIND_REF_NULL, HEAP_ABSTRACT | byte);
}

value_type read_ref_type(const struct module *module, struct reader *reader)
{
    uint32_t start = reader_offset(reader);
    value_type type = read_value_type(module, reader);
    if (!type_is_ref(type)) {
        diag_fail(reader->diag, start, "malformed reference type");
    }
    return type;
}

uint32_t read_function_type_index(const struct module *module, struct reader *reader)
{
    uint32_t start = reader_offset(reader);
    uint32_t index = check_type_index(module, reader, start, reader_leb_u32(reader));
    if (module->types[index].composite != COMPOSITE_FUNC) {
        diag_fail(reader->diag, start, "type mismatch: type %u is not a function type", index);
    }
    return index;
}

static const value_type *read_type_vector(struct module *module, struct reader *reader,
                                          uint32_t *count, const char *what)
{
    uint32_t start = reader_offset(reader);
    *count = read_count(reader, 1, what);
    if (*count > MODULE_MAX_PARAMS) {
        diag_fail(reader->diag, start, "%u %s: this compiler allows %u", *count, what,
                  MODULE_MAX_PARAMS);
    }
    value_type *types = arena_array(module->arena, value_type, *count);
    for (uint32_t i = 0; i < *count; i++) {
        types[i] = read_value_type(module, reader);
    }
    return types;
}

static void read_fields(struct module *module, struct reader *reader, struct defined_type *type,
                        uint32_t count)
{
    value_type *types = arena_array(module->arena, value_type, count);
    uint8_t *mutable = arena_array(module->arena, uint8_t, count);
    type->param_count = count;
    type->params = types;
    type->field_mutable = mutable;
    for (uint32_t i = 0; i < count; i++) {
        if (reader_left(reader) != 0 && (*reader->next == KIND_I8 || *reader->next == KIND_I16)) {
            types[i] = reader_u8(reader);
        } else {
            types[i] = read_value_type(module, reader);
        }
        mutable[i] = reader_u8(reader);
        if (mutable[i] > 1) {
            diag_fail(reader->diag, reader_offset(reader) - 1, "malformed mutability");
        }
    }
}

#define FORM_FUNC      0x60
#define FORM_STRUCT    0x5f
#define FORM_ARRAY     0x5e
#define FORM_SUB       0x50
#define FORM_SUB_FINAL 0x4f
#define FORM_REC       0x4e

static void read_composite(struct module *module, struct reader *reader, struct defined_type *type)
{
    uint32_t start = reader_offset(reader);
    uint8_t form = reader_u8(reader);
    if (form != FORM_FUNC) {
        if (form != FORM_STRUCT && form != FORM_ARRAY) {
            diag_fail(reader->diag, start, "malformed type form 0x%02x", form);
        }
        module_use_feature(module, reader, FEATURE_GC);
    }
    if (form == FORM_FUNC) {
        type->composite = COMPOSITE_FUNC;
        type->params = read_type_vector(module, reader, &type->param_count, "parameters");
        type->results = read_type_vector(module, reader, &type->result_count, "results");
        if (type->result_count > 1) {
            module_use_feature(module, reader, FEATURE_MULTI_VALUE);
        }
    } else if (form == FORM_STRUCT) {
        type->composite = COMPOSITE_STRUCT;
        read_fields(module, reader, type, read_count(reader, 2, "fields"));
    } else {
        type->composite = COMPOSITE_ARRAY;
        read_fields(module, reader, type, 1);
    }
}

static void read_subtype(struct module *module, struct reader *reader, uint32_t index)
{
    struct defined_type *type = &module->types[index];
    type->is_final = true;
    if (reader_left(reader) != 0 &&
        (*reader->next == FORM_SUB || *reader->next == FORM_SUB_FINAL)) {
        module_use_feature(module, reader, FEATURE_GC);
        type->is_final = reader_u8(reader) == FORM_SUB_FINAL;
        uint32_t start = reader_offset(reader);
        uint32_t count = read_count(reader, 1, "supertypes");
        if (count > 1) {
            diag_fail(reader->diag, start, "sub type: more than one supertype");
        }
        if (count == 1) {
            type->has_supertype = true;
            type->supertype = check_type_index(module, reader, start, reader_leb_u32(reader));
            if (type->supertype >= index) {
                diag_fail(reader->diag, start, "unknown type %u: a supertype must come first",
                          type->supertype);
            }
        }
    }
    read_composite(module, reader, type);
}

static void digest_word(struct sha256 *sha, uint32_t word)
{
    sha256_add(sha, &word, sizeof(word));
}

/* References inside the group by position, outside of it by digest. */
static void digest_heap(struct sha256 *sha, const struct module *module, uint32_t group,
                        uint32_t heap)
{
    if (heap_is_abstract(heap)) {
        digest_word(sha, heap);
    } else if (heap >= group) {
        digest_word(sha, heap - group);
    } else {
        digest_word(sha, HEAP_ABSTRACT);
        sha256_add(sha, module->types[heap].digest, sizeof(module->types[heap].digest));
    }
}

static void digest_types(struct sha256 *sha, const struct module *module, uint32_t group,
                         const value_type *types, uint32_t count)
{
    digest_word(sha, count);
    for (uint32_t i = 0; i < count; i++) {
        digest_word(sha, type_kind(types[i]));
        if (type_is_ref(types[i])) {
            digest_heap(sha, module, group, type_heap(types[i]));
        }
    }
}

/* Fills the digests of a whole group. */
static void digest_group(struct module *module, uint32_t group, uint32_t count)
{
    struct sha256 sha;
    uint8_t digest[32];
    sha256_init(&sha);
    digest_word(&sha, count);
    for (uint32_t i = group; i < group + count; i++) {
        const struct defined_type *type = &module->types[i];
        digest_word(&sha, (uint32_t)type->composite << 8 | (uint32_t)type->is_final << 1 |
                              (uint32_t)type->has_supertype);
        if (type->has_supertype) {
            digest_heap(&sha, module, group, type->supertype);
        }
        digest_types(&sha, module, group, type->params, type->param_count);
        if (type->composite == COMPOSITE_FUNC) {
            digest_types(&sha, module, group, type->results, type->result_count);
        } else {
            sha256_add(&sha, type->field_mutable, type->param_count);
        }
    }
    sha256_finish(&sha, digest);
    for (uint32_t i = 0; i < count; i++) {
        struct sha256 member;
        uint8_t member_digest[32];
        sha256_init(&member);
        sha256_add(&member, digest, sizeof(digest));
        digest_word(&member, i);
        sha256_finish(&member, member_digest);
        memcpy(module->types[group + i].digest, member_digest,
               sizeof(module->types[group + i].digest));
    }
}

/* Makes references inside a group point to the equal group found earlier. */
static void rewrite_group(struct module *module, uint32_t group, uint32_t count, uint32_t equal)
{
    for (uint32_t i = group; i < group + count; i++) {
        struct defined_type *type = &module->types[i];
        type->canonical = equal + (i - group);
        *type = (struct defined_type){
            .composite = module->types[type->canonical].composite,
            .param_count = type->param_count,
            .result_count = type->result_count,
            .params = module->types[type->canonical].params,
            .results = module->types[type->canonical].results,
            .field_mutable = module->types[type->canonical].field_mutable,
            .is_final = type->is_final,
            .has_supertype = type->has_supertype,
            .supertype = module->types[type->canonical].supertype,
            .canonical = type->canonical,
            .group_start = group,
            .group_count = count,
        };
        memcpy(type->digest, module->types[type->canonical].digest, sizeof(type->digest));
    }
}

/* Open addressing over the first types of the groups that have no equal before them. */
struct group_table {
    uint32_t *slots; /* group start + 1 */
    uint32_t mask;
};

static void group_table_grow(struct module *module, struct group_table *table)
{
    uint32_t old_count = table->slots == NULL ? 0 : table->mask + 1;
    uint32_t *old = table->slots;
    uint32_t count = old_count == 0 ? 64 : old_count * 2;
    table->slots = arena_array(module->arena, uint32_t, count);
    table->mask = count - 1;
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i] != 0) {
            uint32_t hash;
            memcpy(&hash, module->types[old[i] - 1].digest, sizeof(hash));
            uint32_t slot = hash & table->mask;
            while (table->slots[slot] != 0) {
                slot = (slot + 1) & table->mask;
            }
            table->slots[slot] = old[i];
        }
    }
}

/* The start of the equal group that came first: `group` itself when it is new. */
static uint32_t group_table_intern(struct module *module, struct group_table *table, uint32_t group)
{
    const struct defined_type *type = &module->types[group];
    uint32_t hash;
    memcpy(&hash, type->digest, sizeof(hash));
    uint32_t slot = hash & table->mask;
    for (; table->slots[slot] != 0; slot = (slot + 1) & table->mask) {
        uint32_t other = table->slots[slot] - 1;
        if (memcmp(module->types[other].digest, type->digest, sizeof(type->digest)) == 0) {
            return other;
        }
    }
    table->slots[slot] = group + 1;
    return group;
}

void decode_types(struct module *module, struct reader *reader)
{
    uint32_t group_count = read_count(reader, 1, "types");
    if (group_count > MODULE_MAX_TYPES) {
        diag_fail(reader->diag, reader_offset(reader), "%u types: this compiler allows %u",
                  group_count, MODULE_MAX_TYPES);
    }
    uint32_t capacity = group_count;
    struct group_table table = {NULL, 0};
    uint32_t interned = 0;

    module->types = arena_array(module->arena, struct defined_type, capacity);
    for (uint32_t i = 0; i < group_count; i++) {
        uint32_t start = reader_offset(reader);
        uint32_t group = module->type_count;
        uint32_t count = 1;
        if (reader_left(reader) != 0 && *reader->next == FORM_REC) {
            reader_u8(reader);
            module_use_feature(module, reader, FEATURE_GC);
            count = read_count(reader, 1, "types");
        }
        if (count > MODULE_MAX_TYPES - group) {
            diag_fail(reader->diag, start, "more than %u types", MODULE_MAX_TYPES);
        }
        if (count > capacity - group) {
            uint32_t more = capacity + count + capacity / 2;
            struct defined_type *types = arena_array(module->arena, struct defined_type, more);
            memcpy(types, module->types, group * sizeof(*types));
            module->types = types;
            capacity = more;
        }
        for (uint32_t k = 0; k < count; k++) {
            module->types[group + k].canonical = group + k;
            module->types[group + k].group_start = group;
            module->types[group + k].group_count = count;
        }
        /* A type outside of a group with `rec` may refer to itself (§5.3.11), unless 2.0
         * is asked for, which has no references to types at all. */
        module->type_count = group + count;
        for (uint32_t k = 0; k < count; k++) {
            read_subtype(module, reader, group + k);
        }
        if (count == 0) {
            continue;
        }
        digest_group(module, group, count);
        if (interned >= table.mask / 2) {
            group_table_grow(module, &table);
        }
        uint32_t equal = group_table_intern(module, &table, group);
        if (equal == group) {
            interned++;
        } else {
            rewrite_group(module, group, count, equal);
        }
    }
}
