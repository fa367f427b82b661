#include "aot/decode.h"

#include "aot/instruction.h"

/* Constant expressions, element and data segments, Wasm core §5.4.9, §5.5.12, §5.5.14. */

struct expression read_expression(const struct module *module, struct reader *reader)
{
    struct expression expression = {reader_offset(reader), 0};
    struct instruction instruction;
    uint32_t depth = 0;
    for (;;) {
        instruction_read(module, reader, &instruction);
        switch ((int)instruction.opcode) {
        case OP_BLOCK:
        case OP_LOOP:
        case OP_IF:
        case OP_TRY:
        case OP_TRY_TABLE:
            depth++;
            break;
        case OP_END:
            if (depth == 0) {
                expression.end = reader_offset(reader);
                return expression;
            }
            depth--;
            break;
        default:
            break;
        }
    }
}

/* Flags of an element segment. */
#define ELEMENT_NOT_ACTIVE_BIT  (1u << 0)
#define ELEMENT_EXPLICIT_BIT    (1u << 1) /* active: table index; else: declarative */
#define ELEMENT_EXPRESSIONS_BIT (1u << 2)
#define ELEMENT_FLAGS_MASK      7u

/* ref.func and ref.null alone are by far the most frequent initialisers. */
static struct element_item read_element_expression(const struct module *module,
                                                   struct reader *reader)
{
    struct element_item item = {.kind = ELEMENT_EXPRESSION};
    item.value = read_expression(module, reader);
    struct reader again = module_reader(module, item.value.start, item.value.end);
    struct instruction instruction;
    instruction_read(module, &again, &instruction);
    if (reader_left(&again) == 1) {
        if (instruction.opcode == OP_REF_FUNC) {
            item.kind = ELEMENT_FUNCTION;
            item.function = instruction.index;
        } else if (instruction.opcode == OP_REF_NULL) {
            item.kind = ELEMENT_NULL;
        }
    }
    return item;
}

static void read_element_type(struct module *module, struct reader *reader, uint32_t flags,
                              struct element_segment *segment)
{
    /* A segment of function indices holds no null (Wasm core §5.5.12). */
    bool has_expressions = (flags & ELEMENT_EXPRESSIONS_BIT) != 0;
    bool has_typed_references = (module->enabled & 1u << FEATURE_FUNCTION_REFERENCES) != 0;
    segment->type =
        !has_expressions && has_typed_references ? REF_TYPE(KIND_REF, HEAP_FUNC) : TYPE_FUNCREF;
    if ((flags & (ELEMENT_NOT_ACTIVE_BIT | ELEMENT_EXPLICIT_BIT)) == 0) {
        return;
    }
    if (has_expressions) {
        segment->type = read_ref_type(module, reader);
    } else if (reader_u8(reader) != 0) {
        diag_fail(reader->diag, reader_offset(reader) - 1, "malformed element kind");
    }
}

static void read_element_segment(struct module *module, struct reader *reader,
                                 struct element_segment *segment)
{
    segment->offset = reader_offset(reader);
    uint32_t flags = reader_leb_u32(reader);
    if ((flags & ~ELEMENT_FLAGS_MASK) != 0) {
        diag_fail(reader->diag, segment->offset, "malformed elements segment kind %u", flags);
    }
    if (flags != 0) {
        module_use_feature(module, reader, FEATURE_BULK_MEMORY);
    }
    segment->has_expressions = (flags & ELEMENT_EXPRESSIONS_BIT) != 0;
    if ((flags & ELEMENT_NOT_ACTIVE_BIT) != 0) {
        segment->mode = (flags & ELEMENT_EXPLICIT_BIT) != 0 ? SEGMENT_DECLARATIVE : SEGMENT_PASSIVE;
    } else {
        segment->mode = SEGMENT_ACTIVE;
        segment->table = (flags & ELEMENT_EXPLICIT_BIT) != 0 ? reader_leb_u32(reader) : 0;
        segment->where = read_expression(module, reader);
    }
    read_element_type(module, reader, flags, segment);

    segment->item_count = read_count(reader, 1, "elements");
    struct element_item *items =
        arena_array(module->arena, struct element_item, segment->item_count);
    segment->items = items;
    for (uint32_t i = 0; i < segment->item_count; i++) {
        if (segment->has_expressions) {
            items[i] = read_element_expression(module, reader);
        } else {
            items[i].value.start = reader_offset(reader);
            items[i].kind = ELEMENT_FUNCTION;
            items[i].function = reader_leb_u32(reader);
        }
    }
}

void decode_elements(struct module *module, struct reader *reader)
{
    module->element_count = read_count(reader, 3, "element segments");
    module->elements = arena_array(module->arena, struct element_segment, module->element_count);
    for (uint32_t i = 0; i < module->element_count; i++) {
        read_element_segment(module, reader, &module->elements[i]);
    }
}

void decode_data_count(struct module *module, struct reader *reader)
{
    module_use_feature(module, reader, FEATURE_BULK_MEMORY);
    module->has_data_count = true;
    module->data_count_declared = reader_leb_u32(reader);
}

#define DATA_PASSIVE         1u
#define DATA_ACTIVE_EXPLICIT 2u

void decode_data(struct module *module, struct reader *reader)
{
    module->data_count = read_count(reader, 2, "data segments");
    module->datas = arena_array(module->arena, struct data_segment, module->data_count);
    for (uint32_t i = 0; i < module->data_count; i++) {
        struct data_segment *data = &module->datas[i];
        data->offset = reader_offset(reader);
        uint32_t flags = reader_leb_u32(reader);
        if (flags > DATA_ACTIVE_EXPLICIT) {
            diag_fail(reader->diag, data->offset, "malformed data segment kind %u", flags);
        }
        if (flags != 0) {
            module_use_feature(module, reader, FEATURE_BULK_MEMORY);
        }
        data->mode = flags == DATA_PASSIVE ? SEGMENT_PASSIVE : SEGMENT_ACTIVE;
        if (data->mode == SEGMENT_ACTIVE) {
            data->memory = flags == DATA_ACTIVE_EXPLICIT ? reader_leb_u32(reader) : 0;
            data->where = read_expression(module, reader);
        }
        data->length = reader_leb_u32(reader);
        data->bytes = reader_bytes(reader, data->length);
    }
}
