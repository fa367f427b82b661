#include "aot/debug_lines.h"

#include <stdlib.h>
#include <string.h>

#include "aot/reader.h"

/* One line program after the other; each yields sequences of rows with rising addresses.
 * Sequences are sorted at the end. */

struct sequence {
    uint32_t first;
    uint32_t count;
};

struct decoder {
    struct module *module;
    struct line_table *table;
    uint32_t row_capacity;
    uint32_t file_capacity;
    uint32_t program_capacity;
    struct sequence *sequences;
    uint32_t sequence_count;
    uint32_t sequence_capacity;
};

/* Header of one line program (DWARF 5 §6.2.4). */
struct program {
    uint16_t version;
    uint8_t address_bytes;
    uint8_t min_instruction_bytes;
    int8_t line_base;
    uint8_t line_range;
    uint8_t opcode_base;
    const uint8_t *opcode_lengths;
    struct name *directories;
    uint32_t directory_count;
    uint32_t first_file; /* of this program, in the table */
};

struct registers {
    uint64_t address;
    uint64_t file;
    uint64_t line;
    uint64_t column;
    bool is_body;
};

static void add_file(struct decoder *decoder, const struct program *program, struct name name,
                     uint64_t directory)
{
    struct line_table *table = decoder->table;
    table->files = arena_grow(decoder->module->arena, table->files, table->file_count,
                              &decoder->file_capacity, sizeof(*table->files));
    struct line_file *file = &table->files[table->file_count++];
    file->name = name;
    file->directory = (struct name){NULL, 0};
    bool is_absolute = name.length != 0 && name.bytes[0] == '/';
    if (!is_absolute && directory < program->directory_count) {
        file->directory = program->directories[directory];
    }
}

static struct name read_string(struct reader *reader)
{
    const uint8_t *start = reader->next;
    while (reader_u8(reader) != 0) {
    }
    return (struct name){start, (uint32_t)(reader->next - start) - 1};
}

static struct name string_at(struct decoder *decoder, const char *section, uint32_t offset,
                             struct reader *reader)
{
    const struct module *module = decoder->module;
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const struct custom_section *custom = &module->customs[i];
        if (custom->name.length == strlen(section) &&
            memcmp(custom->name.bytes, section, custom->name.length) == 0 &&
            offset < custom->length) {
            struct reader strings = *reader;
            strings.next = custom->bytes + offset;
            strings.end = custom->bytes + custom->length;
            return read_string(&strings);
        }
    }
    return (struct name){NULL, 0};
}

enum dwarf_form {
    FORM_DATA2 = 0x05,
    FORM_DATA4 = 0x06,
    FORM_DATA8 = 0x07,
    FORM_STRING = 0x08,
    FORM_BLOCK = 0x09,
    FORM_DATA1 = 0x0b,
    FORM_STRP = 0x0e,
    FORM_UDATA = 0x0f,
    FORM_DATA16 = 0x1e,
    FORM_LINE_STRP = 0x1f,
};

/* One attribute of a directory or file entry, as text or as a number (DWARF 5 §7.5.6). */
static void read_form(struct decoder *decoder, struct reader *reader, uint64_t form,
                      struct name *text, uint64_t *number)
{
    switch (form) {
    case FORM_STRING:
        *text = read_string(reader);
        break;
    case FORM_LINE_STRP:
        *text = string_at(decoder, ".debug_line_str", reader_fixed_u32(reader), reader);
        break;
    case FORM_STRP:
        *text = string_at(decoder, ".debug_str", reader_fixed_u32(reader), reader);
        break;
    case FORM_UDATA:
        *number = reader_leb_u64(reader);
        break;
    case FORM_DATA1:
        *number = reader_u8(reader);
        break;
    case FORM_DATA2:
        *number = reader_u8(reader);
        *number |= (uint64_t)reader_u8(reader) << 8;
        break;
    case FORM_DATA4:
        *number = reader_fixed_u32(reader);
        break;
    case FORM_DATA8:
        *number = reader_fixed_u64(reader);
        break;
    case FORM_DATA16:
        reader_bytes(reader, 16);
        break;
    case FORM_BLOCK:
        reader_bytes(reader, reader_leb_u32(reader));
        break;
    default:
        diag_fail(reader->diag, reader_offset(reader), "unknown form");
    }
}

#define CONTENT_PATH      1
#define CONTENT_DIRECTORY 2
#define ENTRY_FORMAT_MAX  16u

/* DWARF 5: a list of entries, each of the same attributes. Directories go to the program,
 * files to the table. */
static void read_entries(struct decoder *decoder, struct reader *reader, struct program *program,
                         bool are_files)
{
    uint64_t formats[ENTRY_FORMAT_MAX][2];
    uint8_t format_count = reader_u8(reader);
    if (format_count > ENTRY_FORMAT_MAX) {
        diag_fail(reader->diag, reader_offset(reader), "too many attributes");
    }
    for (uint8_t i = 0; i < format_count; i++) {
        formats[i][0] = reader_leb_u64(reader);
        formats[i][1] = reader_leb_u64(reader);
    }
    uint64_t count = reader_leb_u64(reader);
    if (count > reader_left(reader) || (format_count == 0 && count != 0)) {
        reader_end_error(reader);
    }
    if (!are_files) {
        program->directories = arena_array(decoder->module->arena, struct name, (size_t)count);
    }
    for (uint64_t i = 0; i < count; i++) {
        struct name path = {NULL, 0};
        uint64_t directory = 0;
        for (uint8_t k = 0; k < format_count; k++) {
            struct name text = {NULL, 0};
            uint64_t number = 0;
            read_form(decoder, reader, formats[k][1], &text, &number);
            path = formats[k][0] == CONTENT_PATH ? text : path;
            directory = formats[k][0] == CONTENT_DIRECTORY ? number : directory;
        }
        if (are_files) {
            add_file(decoder, program, path, directory);
        } else {
            program->directories[program->directory_count++] = path;
        }
    }
}

/* DWARF 2 to 4: strings up to an empty one; directory 0 is the compiler's, not listed. */
static void read_old_lists(struct decoder *decoder, struct reader *reader, struct program *program)
{
    uint32_t capacity = 0;
    struct name directory = {NULL, 0};
    do {
        program->directories =
            arena_grow(decoder->module->arena, program->directories, program->directory_count,
                       &capacity, sizeof(*program->directories));
        program->directories[program->directory_count++] = directory;
        directory = read_string(reader);
    } while (directory.length != 0);
    /* File numbers start at one there. */
    add_file(decoder, program, (struct name){NULL, 0}, 0);
    for (;;) {
        struct name name = read_string(reader);
        if (name.length == 0) {
            return;
        }
        uint64_t in_directory = reader_leb_u64(reader);
        reader_leb_u64(reader);
        reader_leb_u64(reader);
        add_file(decoder, program, name, in_directory);
    }
}

static void read_header(struct decoder *decoder, struct reader *reader, struct program *program)
{
    program->address_bytes = 4;
    if (program->version >= 5) {
        program->address_bytes = reader_u8(reader);
        reader_u8(reader);
    }
    uint32_t header_length = reader_fixed_u32(reader);
    struct reader header = *reader;
    reader_bytes(reader, header_length);
    header.end = reader->next;
    program->min_instruction_bytes = reader_u8(&header);
    if (program->version >= 4) {
        reader_u8(&header);
    }
    reader_u8(&header);
    program->line_base = (int8_t)reader_u8(&header);
    program->line_range = reader_u8(&header);
    program->opcode_base = reader_u8(&header);
    if (program->line_range == 0 || program->opcode_base == 0) {
        diag_fail(reader->diag, reader_offset(reader), "malformed line program");
    }
    program->opcode_lengths = reader_bytes(&header, program->opcode_base - 1u);
    program->first_file = decoder->table->file_count;
    if (program->version >= 5) {
        read_entries(decoder, &header, program, false);
        read_entries(decoder, &header, program, true);
    } else {
        read_old_lists(decoder, &header, program);
    }
}

static void add_row(struct decoder *decoder, const struct program *program,
                    struct registers *registers, bool is_end)
{
    const struct module *module = decoder->module;
    struct line_table *table = decoder->table;
    uint64_t code_bytes = module->code_section_end - module->code_section_start;
    uint64_t file = program->first_file + registers->file;
    bool has_source = !is_end && registers->line <= UINT32_MAX && file < table->file_count &&
                      registers->file < UINT32_MAX;

    /* The linker leaves rows of code it dropped at addresses outside of the section. */
    uint64_t address = registers->address <= code_bytes ? registers->address : 0;
    table->rows = arena_grow(decoder->module->arena, table->rows, table->row_count,
                             &decoder->row_capacity, sizeof(*table->rows));
    table->rows[table->row_count++] = (struct line_row){
        .offset = (uint32_t)(module->code_section_start + address),
        .file = has_source ? (uint32_t)file : 0,
        .line = has_source ? (uint32_t)registers->line : 0,
        .column = registers->column < UINT16_MAX ? (uint16_t)registers->column : 0,
        .is_body = registers->is_body,
    };
    registers->is_body = false;
}

static void start_sequence(struct decoder *decoder, struct registers *registers)
{
    *registers = (struct registers){.file = 1, .line = 1};
    decoder->sequences =
        arena_grow(decoder->module->arena, decoder->sequences, decoder->sequence_count,
                   &decoder->sequence_capacity, sizeof(*decoder->sequences));
    decoder->sequences[decoder->sequence_count].first = decoder->table->row_count;
}

/* Sequences that do not rise, or start where no code can be, are dropped. */
static void end_sequence(struct decoder *decoder)
{
    struct line_table *table = decoder->table;
    struct sequence *sequence = &decoder->sequences[decoder->sequence_count];
    const struct line_row *rows = table->rows + sequence->first;
    sequence->count = table->row_count - sequence->first;
    bool is_good = rows[0].offset > decoder->module->code_section_start;
    for (uint32_t i = 1; i < sequence->count && is_good; i++) {
        is_good = rows[i].offset >= rows[i - 1].offset;
    }
    if (is_good) {
        decoder->sequence_count++;
    } else {
        table->row_count = sequence->first;
    }
}

enum standard_opcode {
    STANDARD_COPY = 1,
    STANDARD_ADVANCE_PC = 2,
    STANDARD_ADVANCE_LINE = 3,
    STANDARD_SET_FILE = 4,
    STANDARD_SET_COLUMN = 5,
    STANDARD_CONST_ADD_PC = 8,
    STANDARD_FIXED_ADVANCE_PC = 9,
    STANDARD_SET_PROLOGUE_END = 10,
};

#define EXTENDED_END_SEQUENCE 1
#define EXTENDED_SET_ADDRESS  2

/* Returns whether a sequence ended. */
static bool run_extended(struct decoder *decoder, struct reader *reader,
                         const struct program *program, struct registers *registers)
{
    uint32_t length = reader_leb_u32(reader);
    struct reader operand = *reader;
    reader_bytes(reader, length);
    operand.end = reader->next;
    if (length == 0) {
        return false;
    }
    uint8_t opcode = reader_u8(&operand);
    if (opcode == EXTENDED_END_SEQUENCE) {
        add_row(decoder, program, registers, true);
        end_sequence(decoder);
        return true;
    }
    if (opcode == EXTENDED_SET_ADDRESS) {
        registers->address = length == 9 ? reader_fixed_u64(&operand) : reader_fixed_u32(&operand);
    }
    return false;
}

static void run_standard(struct decoder *decoder, struct reader *reader,
                         const struct program *program, struct registers *registers, uint8_t opcode)
{
    switch (opcode) {
    case STANDARD_COPY:
        add_row(decoder, program, registers, false);
        break;
    case STANDARD_ADVANCE_PC:
        registers->address += reader_leb_u64(reader) * program->min_instruction_bytes;
        break;
    case STANDARD_ADVANCE_LINE:
        registers->line += (uint64_t)reader_leb_s64(reader);
        break;
    case STANDARD_SET_FILE:
        registers->file = reader_leb_u64(reader);
        break;
    case STANDARD_SET_COLUMN:
        registers->column = reader_leb_u64(reader);
        break;
    case STANDARD_CONST_ADD_PC:
        registers->address += (uint64_t)((255 - program->opcode_base) / program->line_range) *
                              program->min_instruction_bytes;
        break;
    case STANDARD_FIXED_ADVANCE_PC:
        registers->address += reader_u8(reader);
        registers->address += (uint64_t)reader_u8(reader) << 8;
        break;
    case STANDARD_SET_PROLOGUE_END:
        registers->is_body = true;
        break;
    default:
        for (uint8_t i = 0; i < program->opcode_lengths[opcode - 1]; i++) {
            reader_leb_u64(reader);
        }
        break;
    }
}

/* DWARF 5 §6.2.5 */
static void run_program(struct decoder *decoder, struct reader *reader,
                        const struct program *program)
{
    struct registers registers;
    start_sequence(decoder, &registers);
    while (reader_left(reader) != 0) {
        uint8_t opcode = reader_u8(reader);
        if (opcode >= program->opcode_base) {
            int adjusted = opcode - program->opcode_base;
            registers.address +=
                (uint64_t)(adjusted / program->line_range) * program->min_instruction_bytes;
            registers.line += (uint64_t)(program->line_base + adjusted % program->line_range);
            add_row(decoder, program, &registers, false);
        } else if (opcode != 0) {
            run_standard(decoder, reader, program, &registers, opcode);
        } else if (run_extended(decoder, reader, program, &registers)) {
            start_sequence(decoder, &registers);
        }
    }
    /* Rows without an end belong to nothing. */
    decoder->table->row_count = decoder->sequences[decoder->sequence_count].first;
}

static void add_program(struct decoder *decoder, uint32_t offset, uint32_t first_file)
{
    struct line_table *table = decoder->table;
    table->programs = arena_grow(decoder->module->arena, table->programs, table->program_count,
                                 &decoder->program_capacity, sizeof(*table->programs));
    table->programs[table->program_count++] =
        (struct line_program){offset, first_file, table->file_count - first_file};
}

static void read_programs(struct decoder *decoder, struct reader *reader)
{
    const uint8_t *start = reader->next;
    while (reader_left(reader) != 0) {
        struct program program = {0};
        uint32_t offset = (uint32_t)(reader->next - start);
        uint32_t length = reader_fixed_u32(reader);
        struct reader unit = *reader;
        reader_bytes(reader, length);
        unit.end = reader->next;
        program.version = reader_u8(&unit);
        program.version = (uint16_t)(program.version | reader_u8(&unit) << 8);
        if (program.version >= 2 && program.version <= 5) {
            read_header(decoder, &unit, &program);
            add_program(decoder, offset, program.first_file);
            run_program(decoder, &unit, &program);
        }
    }
}

/* Sorting needs the rows, and qsort takes no context: sequences carry their offset. */
struct sequence_key {
    uint32_t offset;
    struct sequence sequence;
};

static int compare_keys(const void *left, const void *right)
{
    const struct sequence_key *a = left;
    const struct sequence_key *b = right;
    if (a->offset != b->offset) {
        return a->offset < b->offset ? -1 : 1;
    }
    return a->sequence.first < b->sequence.first ? -1 : 1;
}

static void sort_rows(struct decoder *decoder)
{
    struct line_table *table = decoder->table;
    struct arena *arena = decoder->module->arena;
    struct sequence_key *keys = arena_array(arena, struct sequence_key, decoder->sequence_count);
    struct line_row *rows = arena_array(arena, struct line_row, table->row_count);
    uint32_t count = 0;

    for (uint32_t i = 0; i < decoder->sequence_count; i++) {
        keys[i].sequence = decoder->sequences[i];
        keys[i].offset = table->rows[decoder->sequences[i].first].offset;
    }
    qsort(keys, decoder->sequence_count, sizeof(*keys), compare_keys);
    for (uint32_t i = 0; i < decoder->sequence_count; i++) {
        const struct line_row *from = table->rows + keys[i].sequence.first;
        for (uint32_t k = 0; k < keys[i].sequence.count; k++) {
            /* Overlapping sequences would break the order: the first one wins. */
            if (count == 0 || from[k].offset > rows[count - 1].offset) {
                rows[count++] = from[k];
            } else if (from[k].offset == rows[count - 1].offset) {
                rows[count - 1] = from[k];
            }
        }
    }
    table->rows = rows;
    table->row_count = count;
}

const struct line_table *debug_lines_decode(struct module *module)
{
    static const char wanted[] = ".debug_line";
    /* In the arena: longjmp leaves changed locals in doubt. */
    struct decoder *decoder = arena_new(module->arena, struct decoder);
    decoder->module = module;
    decoder->table = arena_new(module->arena, struct line_table);

    for (uint32_t i = 0; i < module->custom_count; i++) {
        const struct custom_section *custom = &module->customs[i];
        if (custom->name.length != sizeof(wanted) - 1 ||
            memcmp(custom->name.bytes, wanted, sizeof(wanted) - 1) != 0) {
            continue;
        }
        struct diag diag;
        jmp_buf escape;
        diag_init(&diag, "debug information");
        diag.escape = &escape;
        struct reader reader = {module->bytes, custom->bytes, custom->bytes + custom->length, &diag,
                                "unexpected end"};
        if (setjmp(escape) == 0) {
            read_programs(decoder, &reader);
        }
    }
    sort_rows(decoder);
    return decoder->table->row_count == 0 ? NULL : decoder->table;
}

uint32_t line_table_find(const struct line_table *table, uint32_t offset)
{
    uint32_t low = 0;
    uint32_t high = table->row_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (table->rows[middle].offset <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? table->row_count : low - 1;
}
