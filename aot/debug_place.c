#include <string.h>

#include "aot/debug_scopes.h"

enum operation {
    OPERATION_ADDR = 0x03,
    OPERATION_DEREF = 0x06,
    OPERATION_CONST1U = 0x08,
    OPERATION_CONST8S = 0x0f,
    OPERATION_CONSTU = 0x10,
    OPERATION_CONSTS = 0x11,
    OPERATION_AND = 0x1a,
    OPERATION_DIV = 0x1b,
    OPERATION_MINUS = 0x1c,
    OPERATION_MOD = 0x1d,
    OPERATION_MUL = 0x1e,
    OPERATION_NEG = 0x1f,
    OPERATION_NOT = 0x20,
    OPERATION_OR = 0x21,
    OPERATION_PLUS = 0x22,
    OPERATION_PLUS_UCONST = 0x23,
    OPERATION_SHL = 0x24,
    OPERATION_SHR = 0x25,
    OPERATION_SHRA = 0x26,
    OPERATION_XOR = 0x27,
    OPERATION_LIT0 = 0x30,
    OPERATION_LIT31 = 0x4f,
    OPERATION_FBREG = 0x91,
    OPERATION_PIECE = 0x93,
    OPERATION_DEREF_SIZE = 0x94,
    OPERATION_IMPLICIT_VALUE = 0x9e,
    OPERATION_STACK_VALUE = 0x9f,
    OPERATION_WASM_LOCATION = 0xed,
};

struct parser {
    struct reader reader;
    const struct debug_place *frame;
    unsigned address_bytes;
    struct debug_place place; /* the piece at hand */
    bool has_base;
    uint32_t height; /* of the DWARF stack */
    uint64_t piece_offset;
    struct debug_place *places;
    uint32_t count;
};

static _Noreturn void give_up(const struct parser *parser)
{
    diag_fail(parser->reader.diag, DIAG_NO_OFFSET, "not supported");
}

static void add_word(struct parser *parser, uint64_t word)
{
    struct debug_place *place = &parser->place;
    if (place->operation_count == PLACE_MAX_OPERATIONS) {
        give_up(parser);
    }
    place->operations[place->operation_count++] = word;
}

static void set_base(struct parser *parser, enum debug_place_kind kind, uint64_t index)
{
    if (parser->has_base) {
        give_up(parser);
    }
    parser->has_base = true;
    parser->height = 1;
    parser->place.kind = kind;
    parser->place.index = index;
}

static void push_constant(struct parser *parser, uint64_t value)
{
    if (!parser->has_base) {
        set_base(parser, PLACE_CONSTANT, value);
        return;
    }
    add_word(parser, OPERATION_CONSTU);
    add_word(parser, value);
    parser->height++;
}

static void read_wasm_location(struct parser *parser)
{
    uint8_t kind = reader_u8(&parser->reader);
    /* 1 and 3 are globals: their values are not followed. */
    if (kind != 0 && kind != 2) {
        give_up(parser);
    }
    set_base(parser, kind == 0 ? PLACE_LOCAL : PLACE_STACK, reader_leb_u32(&parser->reader));
}

static void add_offset(struct parser *parser, int64_t offset)
{
    if (offset > 0) {
        add_word(parser, OPERATION_PLUS_UCONST);
        add_word(parser, (uint64_t)offset);
    } else if (offset < 0) {
        add_word(parser, OPERATION_CONSTU);
        add_word(parser, -(uint64_t)offset);
        add_word(parser, OPERATION_MINUS);
    }
}

static void read_frame_offset(struct parser *parser)
{
    int64_t offset = reader_leb_s64(&parser->reader);
    if (parser->frame == NULL) {
        give_up(parser);
    }
    set_base(parser, parser->frame->kind, parser->frame->index);
    add_offset(parser, offset);
}

static void add_binary(struct parser *parser, uint8_t operation)
{
    if (parser->height < 2) {
        give_up(parser);
    }
    parser->height--;
    parser->place.is_signed |= operation == OPERATION_DIV || operation == OPERATION_SHRA;
    add_word(parser, operation);
}

static void add_unary(struct parser *parser, uint8_t operation)
{
    if (parser->height < 1) {
        give_up(parser);
    }
    switch (operation) {
    case OPERATION_DEREF:
        add_word(parser, OPERATION_DEREF_SIZE);
        add_word(parser, parser->address_bytes);
        break;
    case OPERATION_DEREF_SIZE: {
        uint8_t bytes = reader_u8(&parser->reader);
        if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) {
            give_up(parser);
        }
        add_word(parser, OPERATION_DEREF_SIZE);
        add_word(parser, bytes);
        break;
    }
    case OPERATION_PLUS_UCONST:
        add_word(parser, OPERATION_PLUS_UCONST);
        add_word(parser, reader_leb_u64(&parser->reader));
        break;
    default:
        add_word(parser, operation);
        break;
    }
}

/* A value of as many bytes as the expression says, at most a word. */
static uint64_t read_bytes(struct parser *parser, uint64_t bytes)
{
    uint64_t value = 0;
    if (bytes > 8) {
        give_up(parser);
    }
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)reader_u8(&parser->reader) << (8 * i);
    }
    return value;
}

/* DW_OP_const1u, const1s, const2u ... const8s: number, size and sign in turns. */
static uint64_t read_fixed_constant(struct parser *parser, uint8_t operation)
{
    unsigned bits = 8u << ((operation - OPERATION_CONST1U) / 2);
    uint64_t value = read_bytes(parser, bits / 8);
    bool is_signed = (operation - OPERATION_CONST1U) % 2 != 0;
    if (is_signed && bits < 64 && (value >> (bits - 1)) != 0) {
        value |= ~(uint64_t)0 << bits;
    }
    return value;
}

/* What was read is one piece, of `bits`, or all of the variable if 0. */
static void end_piece(struct parser *parser, bool is_value, uint64_t bits)
{
    struct debug_place *place = &parser->place;
    if (bits > UINT32_MAX || parser->piece_offset > UINT32_MAX) {
        give_up(parser);
    }
    if (parser->has_base) {
        if (parser->height != 1 || parser->count == PLACE_MAX_PIECES) {
            give_up(parser);
        }
        place->is_memory = !is_value;
        if (place->kind == PLACE_CONSTANT && place->is_memory) {
            place->kind = PLACE_ADDRESS;
        }
        place->piece_offset_bits = (uint32_t)parser->piece_offset;
        place->piece_bits = (uint32_t)bits;
        parser->places[parser->count++] = *place;
    }
    parser->piece_offset += bits;
    *place = (struct debug_place){.is_memory = false};
    parser->has_base = false;
    parser->height = 0;
}

static void read_operation(struct parser *parser, uint8_t operation)
{
    struct reader *reader = &parser->reader;
    if (operation >= OPERATION_LIT0 && operation <= OPERATION_LIT31) {
        push_constant(parser, (uint64_t)(operation - OPERATION_LIT0));
        return;
    }
    if (operation >= OPERATION_CONST1U && operation <= OPERATION_CONST8S) {
        push_constant(parser, read_fixed_constant(parser, operation));
        return;
    }
    switch (operation) {
    case OPERATION_ADDR:
        set_base(parser, PLACE_ADDRESS, read_bytes(parser, parser->address_bytes));
        break;
    case OPERATION_WASM_LOCATION:
        read_wasm_location(parser);
        break;
    case OPERATION_FBREG:
        read_frame_offset(parser);
        break;
    case OPERATION_CONSTU:
        push_constant(parser, reader_leb_u64(reader));
        break;
    case OPERATION_CONSTS:
        push_constant(parser, (uint64_t)reader_leb_s64(reader));
        break;
    case OPERATION_IMPLICIT_VALUE:
        set_base(parser, PLACE_CONSTANT, read_bytes(parser, reader_leb_u64(reader)));
        break;
    case OPERATION_DEREF:
    case OPERATION_DEREF_SIZE:
    case OPERATION_PLUS_UCONST:
    case OPERATION_NEG:
    case OPERATION_NOT:
        add_unary(parser, operation);
        break;
    case OPERATION_AND:
    case OPERATION_DIV:
    case OPERATION_MINUS:
    case OPERATION_MOD:
    case OPERATION_MUL:
    case OPERATION_OR:
    case OPERATION_PLUS:
    case OPERATION_SHL:
    case OPERATION_SHR:
    case OPERATION_SHRA:
    case OPERATION_XOR:
        add_binary(parser, operation);
        break;
    default:
        give_up(parser);
    }
}

static void read_expression(struct parser *parser)
{
    bool is_value = false;
    while (reader_left(&parser->reader) != 0) {
        uint8_t operation = reader_u8(&parser->reader);
        if (operation == OPERATION_PIECE) {
            uint64_t bytes = reader_leb_u32(&parser->reader);
            end_piece(parser, is_value, bytes * 8);
            is_value = false;
        } else if (is_value) {
            give_up(parser);
        } else if (operation == OPERATION_STACK_VALUE) {
            is_value = true;
        } else {
            is_value = operation == OPERATION_IMPLICIT_VALUE;
            read_operation(parser, operation);
        }
    }
    if (parser->has_base) {
        end_piece(parser, is_value, 0);
    }
}

uint32_t debug_place_parse(struct name expression, const struct debug_place *frame,
                           unsigned address_bytes, struct debug_place *places)
{
    struct diag diag;
    jmp_buf escape;
    struct parser parser = {.frame = frame, .address_bytes = address_bytes, .places = places};

    diag_init(&diag, "debug information");
    diag.escape = &escape;
    parser.reader = (struct reader){expression.bytes, expression.bytes,
                                    expression.bytes + expression.length, &diag, "unexpected end"};
    if (expression.length == 0 || setjmp(escape) != 0) {
        return 0;
    }
    read_expression(&parser);
    return parser.count;
}
