#include "aot/instruction.h"

#include <string.h>

#include "aot/decode.h"

const struct opcode_info opcode_infos[OP_COUNT] = {
#define OP(name, prefix, code, text, immediate, signature, log2_bytes, feature)                    \
    {text, signature, IMM_##immediate, log2_bytes, FEATURE_##feature},
#include "aot/opcodes.def"
#undef OP
};

/* Opcodes of all prefixes in one table: where each prefix starts and how many codes it has. */
#define CODES_FB  256u
#define CODES_FC  (CODES_FB + 32u)
#define CODES_FD  (CODES_FC + 32u)
#define CODES_FE  (CODES_FD + 0x120u)
#define CODES_END (CODES_FE + 0x50u)
#define SLOT(prefix, code)                                                                         \
    ((prefix) == 0      ? (code)                                                                   \
     : (prefix) == 0xfb ? CODES_FB + (code)                                                        \
     : (prefix) == 0xfc ? CODES_FC + (code)                                                        \
     : (prefix) == 0xfd ? CODES_FD + (code)                                                        \
                        : CODES_FE + (code))

/* The opcode + 1, 0 for codes without meaning. */
static const uint16_t opcode_slots[CODES_END] = {
#define OP(name, prefix, code, text, immediate, signature, log2_bytes, feature)                    \
    [SLOT(prefix, code)] = OP_##name + 1,
#include "aot/opcodes.def"
#undef OP
};

struct reader module_reader(const struct module *module, uint32_t start, uint32_t end)
{
    return (struct reader){module->bytes, module->bytes + start, module->bytes + end, module->diag,
                           "unexpected end"};
}

static uint16_t prefixed_slot(struct reader *reader, uint8_t prefix)
{
    static const struct {
        uint32_t start;
        uint32_t end;
    } ranges[4] = {
        {CODES_FB, CODES_FC}, {CODES_FC, CODES_FD}, {CODES_FD, CODES_FE}, {CODES_FE, CODES_END}};
    uint32_t start = reader_offset(reader) - 1;
    uint32_t code = reader_leb_u32(reader);
    uint32_t first = ranges[prefix - 0xfb].start;
    if (code >= ranges[prefix - 0xfb].end - first || opcode_slots[first + code] == 0) {
        diag_fail(reader->diag, start, "illegal opcode %02x %02x", prefix, code);
    }
    return opcode_slots[first + code];
}

static enum opcode read_opcode(const struct module *module, struct reader *reader)
{
    uint32_t start = reader_offset(reader);
    uint8_t byte = reader_u8(reader);
    uint16_t slot = byte >= 0xfb && byte <= 0xfe ? prefixed_slot(reader, byte) : opcode_slots[byte];
    if (slot == 0) {
        diag_fail(reader->diag, start, "illegal opcode %02x", byte);
    }
    enum opcode opcode = (enum opcode)(slot - 1);
    const struct opcode_info *info = &opcode_infos[opcode];
    if (info->immediate == IMM_GC) {
        diag_fail(reader->diag, start,
                  "%s: the module uses garbage collection, which is not supported", info->text);
    }
    if ((module->enabled & 1u << info->feature) == 0) {
        diag_fail(reader->diag, start, "illegal opcode: %s needs %s, which is not enabled",
                  info->text, feature_text((enum feature)info->feature));
    }
    return opcode;
}

/* Wasm core §5.4.1: empty, one value type, or a type index as a signed 33-bit number. */
static void read_block_type(const struct module *module, struct reader *reader,
                            struct block_type *block)
{
    uint32_t start = reader_offset(reader);
    uint8_t first = reader_left(reader) == 0 ? 0 : *reader->next;
    if (first == 0x40) {
        reader_u8(reader);
        block->form = BLOCK_EMPTY;
    } else if ((first & 0xc0) == 0x40) {
        block->form = BLOCK_VALUE;
        block->value = read_value_type(module, reader);
    } else {
        int64_t index = reader_leb_s33(reader);
        if (index < 0) {
            diag_fail(reader->diag, start, "malformed block type");
        }
        if (index >= module->type_count || (module->enabled & 1u << FEATURE_MULTI_VALUE) == 0) {
            diag_fail(reader->diag, start, "unknown type %lld", (long long)index);
        }
        block->form = BLOCK_TYPE;
        block->type = module->types[index].canonical;
    }
}

#define MEMARG_ALIGN_MASK 0x3fu
#define MEMARG_MEMORY_BIT 0x40u

static void read_memarg(const struct module *module, struct reader *reader, struct instruction *out)
{
    uint32_t start = reader_offset(reader);
    uint32_t flags = reader_leb_u32(reader);
    bool multiple = (module->enabled & 1u << FEATURE_MULTI_MEMORY) != 0;
    out->memory = 0;
    if (multiple && (flags & MEMARG_MEMORY_BIT) != 0) {
        flags &= ~MEMARG_MEMORY_BIT;
        out->memory = reader_leb_u32(reader);
    }
    out->align_log2 = flags;
    if (flags > MEMARG_ALIGN_MASK && multiple) {
        diag_fail(reader->diag, start, "malformed memop flags 0x%x", flags);
    }
    bool is_64 = out->memory < module->memory_count && module->memories[out->memory].limits.is_64;
    out->offset = is_64 ? reader_leb_u64(reader) : reader_leb_u32(reader);
}

/* A memory index; before the multi-memory proposal a zero byte stood in its place. */
static uint32_t read_memory_index(const struct module *module, struct reader *reader)
{
    if ((module->enabled & 1u << FEATURE_MULTI_MEMORY) != 0) {
        return reader_leb_u32(reader);
    }
    uint32_t start = reader_offset(reader);
    if (reader_u8(reader) != 0) {
        diag_fail(reader->diag, start, "zero byte expected");
    }
    return 0;
}

/* Counted lists stay in the file; stepping over them here is what checks them. */
static void read_br_table(struct reader *reader, struct instruction *out)
{
    out->list_count = read_count(reader, 1, "labels");
    out->list = reader->next;
    for (uint32_t i = 0; i < out->list_count; i++) {
        reader_leb_u32(reader);
    }
    out->index = reader_leb_u32(reader);
}

static void read_select(const struct module *module, struct reader *reader, struct instruction *out)
{
    out->list_count = read_count(reader, 1, "types");
    out->list = reader->next;
    for (uint32_t i = 0; i < out->list_count; i++) {
        value_type type = read_value_type(module, reader);
        if (i == 0) {
            out->type = type;
        }
    }
}

static void read_catches(struct reader *reader, struct instruction *out)
{
    out->list_count = read_count(reader, 2, "catch clauses");
    out->list = reader->next;
    for (uint32_t i = 0; i < out->list_count; i++) {
        uint32_t start = reader_offset(reader);
        uint8_t kind = reader_u8(reader);
        if (kind > CATCH_ALL_REF) {
            diag_fail(reader->diag, start, "malformed catch clause %u", kind);
        }
        if (kind <= CATCH_REF) {
            reader_leb_u32(reader);
        }
        reader_leb_u32(reader);
    }
}

static void read_constant(struct reader *reader, struct instruction *out, enum immediate_kind kind)
{
    if (kind == IMM_I32) {
        out->value = (uint32_t)reader_leb_s32(reader);
    } else if (kind == IMM_I64) {
        out->value = (uint64_t)reader_leb_s64(reader);
    } else if (kind == IMM_F32) {
        out->value = reader_fixed_u32(reader);
    } else if (kind == IMM_F64) {
        out->value = reader_fixed_u64(reader);
    } else {
        memcpy(out->bytes, reader_bytes(reader, sizeof(out->bytes)), sizeof(out->bytes));
    }
}

static void read_indices(const struct module *module, struct reader *reader,
                         struct instruction *out, enum immediate_kind kind)
{
    out->index = reader_leb_u32(reader);
    if (kind == IMM_CALL_INDIRECT || kind == IMM_TABLE_TABLE || kind == IMM_TABLE_INIT) {
        out->index2 = reader_leb_u32(reader);
    } else if (kind == IMM_MEMORY_INIT) {
        out->memory = read_memory_index(module, reader);
    }
    bool is_type = kind == IMM_CALL_INDIRECT || kind == IMM_TYPE;
    if (is_type && out->index < module->type_count) {
        out->index = module->types[out->index].canonical;
    }
}

static void read_fence(struct reader *reader)
{
    uint32_t start = reader_offset(reader);
    if (reader_u8(reader) != 0) {
        diag_fail(reader->diag, start, "zero byte expected");
    }
}

void instruction_read(const struct module *module, struct reader *reader, struct instruction *out)
{
    out->start = reader_offset(reader);
    out->opcode = read_opcode(module, reader);
    enum immediate_kind kind = (enum immediate_kind)opcode_infos[out->opcode].immediate;
    switch (kind) {
    case IMM_NONE:
    case IMM_GC:
        break;
    case IMM_BLOCK:
        read_block_type(module, reader, &out->block);
        break;
    case IMM_TRY_TABLE:
        read_block_type(module, reader, &out->block);
        read_catches(reader, out);
        break;
    case IMM_BR_TABLE:
        read_br_table(reader, out);
        break;
    case IMM_SELECT:
        read_select(module, reader, out);
        break;
    case IMM_HEAP:
        out->type = REF_TYPE(KIND_REF_NULL, read_heap_type(module, reader));
        break;
    case IMM_MEMARG:
        read_memarg(module, reader, out);
        break;
    case IMM_MEMARG_LANE:
        read_memarg(module, reader, out);
        out->lane = reader_u8(reader);
        break;
    case IMM_MEMORY:
        out->memory = read_memory_index(module, reader);
        break;
    case IMM_MEMORY_MEMORY:
        out->memory = read_memory_index(module, reader);
        out->index2 = read_memory_index(module, reader);
        break;
    case IMM_I32:
    case IMM_I64:
    case IMM_F32:
    case IMM_F64:
    case IMM_V128:
    case IMM_SHUFFLE:
        read_constant(reader, out, kind);
        break;
    case IMM_LANE:
        out->lane = reader_u8(reader);
        break;
    case IMM_FENCE:
        read_fence(reader);
        break;
    case IMM_LABEL:
    case IMM_FUNCTION:
    case IMM_CALL_INDIRECT:
    case IMM_TYPE:
    case IMM_LOCAL:
    case IMM_GLOBAL:
    case IMM_TABLE:
    case IMM_TABLE_TABLE:
    case IMM_TABLE_INIT:
    case IMM_ELEMENT:
    case IMM_TAG:
    case IMM_MEMORY_INIT:
    case IMM_DATA:
        read_indices(module, reader, out, kind);
        break;
    }
}

/* The list was checked when the instruction was read: no bounds are needed now. */
static uint32_t next_u32(const uint8_t **list)
{
    uint32_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*list)++;
        value |= (uint32_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
}

uint32_t list_next_label(const uint8_t **list)
{
    return next_u32(list);
}

value_type list_next_type(const struct module *module, const uint8_t **list)
{
    struct reader reader = module_reader(module, (uint32_t)(*list - module->bytes), module->length);
    value_type type = read_value_type(module, &reader);
    *list = reader.next;
    return type;
}

struct catch_clause list_next_catch(const uint8_t **list)
{
    struct catch_clause clause = {.kind = (enum catch_kind) * (*list)++};
    if (clause.kind <= CATCH_REF) {
        clause.tag = next_u32(list);
    }
    clause.label = next_u32(list);
    return clause;
}
