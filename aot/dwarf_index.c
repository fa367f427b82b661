#include "aot/dwarf.h"

#include <stdlib.h>
#include <string.h>

#include "aot/dwarf_abbrevs.h"

/* DWARF 5 §7.5.4, and what GNU and older versions write for the same. */
static const uint8_t attribute_slots[] = {
    [0x02] = ATTRIBUTE_LOCATION,
    [0x03] = ATTRIBUTE_NAME,
    [0x0b] = ATTRIBUTE_BYTE_SIZE,
    [0x0c] = ATTRIBUTE_BIT_OFFSET,
    [0x0d] = ATTRIBUTE_BIT_SIZE,
    [0x10] = ATTRIBUTE_LINE_TABLE,
    [0x11] = ATTRIBUTE_LOW_PC,
    [0x12] = ATTRIBUTE_HIGH_PC,
    [0x13] = ATTRIBUTE_LANGUAGE,
    [0x1b] = ATTRIBUTE_DIRECTORY,
    [0x1c] = ATTRIBUTE_CONST_VALUE,
    [0x25] = ATTRIBUTE_PRODUCER,
    [0x2f] = ATTRIBUTE_UPPER_BOUND,
    [0x31] = ATTRIBUTE_ORIGIN,
    [0x34] = ATTRIBUTE_ARTIFICIAL,
    [0x37] = ATTRIBUTE_COUNT_OF,
    [0x38] = ATTRIBUTE_MEMBER_LOCATION,
    [0x3a] = ATTRIBUTE_FILE,
    [0x3b] = ATTRIBUTE_LINE,
    [0x3c] = ATTRIBUTE_DECLARATION,
    [0x3e] = ATTRIBUTE_ENCODING,
    [0x3f] = ATTRIBUTE_EXTERNAL,
    [0x40] = ATTRIBUTE_FRAME_BASE,
    [0x47] = ATTRIBUTE_SPECIFICATION,
    [0x49] = ATTRIBUTE_TYPE,
    [0x55] = ATTRIBUTE_RANGES,
    [0x57] = ATTRIBUTE_CALL_COLUMN,
    [0x58] = ATTRIBUTE_CALL_FILE,
    [0x59] = ATTRIBUTE_CALL_LINE,
    [0x6b] = ATTRIBUTE_DATA_BIT_OFFSET,
    [0x6e] = ATTRIBUTE_LINKAGE_NAME,
    [0x72] = ATTRIBUTE_STR_OFFSETS,
    [0x73] = ATTRIBUTE_ADDRESSES,
    [0x74] = ATTRIBUTE_RANGE_LISTS,
    [0x8c] = ATTRIBUTE_LOCATION_LISTS,
};

static const char *const section_names[DWARF_SECTIONS] = {
    [DWARF_INFO] = ".debug_info",
    [DWARF_ABBREV] = ".debug_abbrev",
    [DWARF_STR] = ".debug_str",
    [DWARF_LINE_STR] = ".debug_line_str",
    [DWARF_STR_OFFSETS] = ".debug_str_offsets",
    [DWARF_ADDR] = ".debug_addr",
    [DWARF_LOC] = ".debug_loc",
    [DWARF_LOCLISTS] = ".debug_loclists",
    [DWARF_RANGES] = ".debug_ranges",
    [DWARF_RNGLISTS] = ".debug_rnglists",
};

struct decoder {
    struct dwarf *dwarf;
    struct diag diag;
    uint32_t unit_capacity;
    uint32_t function_capacity;
    uint32_t namespace_capacity;
    uint32_t global_capacity;
    struct dwarf_abbrevs **abbrevs;
    uint32_t abbrevs_count;
    uint32_t abbrevs_capacity;
    uint64_t abbrevs_bytes; /* that the tables so far must have taken at least */
    /* Of the DIEs around the one being read. */
    struct {
        uint32_t namespace;
        bool is_namespace;
        bool is_function; /* or inside of one */
    } path[DWARF_MAX_DEPTH + 1];
};

/* Tables that overlap could describe far more than the file is long. */
static void count_abbrev_bytes(struct decoder *decoder, unsigned bytes)
{
    decoder->abbrevs_bytes += bytes;
    if (decoder->abbrevs_bytes > decoder->dwarf->sections[DWARF_ABBREV].length) {
        diag_fail(&decoder->diag, DIAG_NO_OFFSET, "overlapping abbreviations");
    }
}

static void add_abbrev_attributes(struct decoder *decoder, struct dwarf_abbrevs *abbrevs,
                                  struct reader *reader, uint32_t *count, uint32_t *capacity)
{
    struct arena *arena = decoder->dwarf->module->arena;
    for (;;) {
        uint64_t number = reader_leb_u64(reader);
        uint64_t form = reader_leb_u64(reader);
        int64_t implicit = form == DWARF_FORM_IMPLICIT_CONST ? reader_leb_s64(reader) : 0;
        if (number == 0 && form == 0) {
            return;
        }
        count_abbrev_bytes(decoder, 2);
        abbrevs->attributes =
            arena_grow(arena, abbrevs->attributes, *count, capacity, sizeof(*abbrevs->attributes));
        abbrevs->attributes[(*count)++] = (struct abbrev_attribute){
            .slot = number < sizeof(attribute_slots) ? attribute_slots[number] : ATTRIBUTE_NONE,
            .form = form > UINT32_MAX ? 0 : (uint32_t)form,
            .implicit = implicit,
        };
    }
}

static int compare_abbrevs(const void *left, const void *right)
{
    const struct abbrev *a = left;
    const struct abbrev *b = right;
    return a->code < b->code ? -1 : a->code > b->code;
}

/* DWARF 5 §7.5.3. Units that share a table get the same one. */
static const struct dwarf_abbrevs *read_abbrevs(struct decoder *decoder, uint32_t offset)
{
    struct arena *arena = decoder->dwarf->module->arena;
    for (uint32_t i = decoder->abbrevs_count; i-- > 0;) {
        if (decoder->abbrevs[i]->offset == offset) {
            return decoder->abbrevs[i];
        }
    }
    struct reader reader = dwarf_section_reader(decoder->dwarf, DWARF_ABBREV, &decoder->diag);
    dwarf_block(&reader, offset);
    struct dwarf_abbrevs *out = arena_new(arena, struct dwarf_abbrevs);
    uint32_t capacity = 0;
    uint32_t attribute_count = 0;
    uint32_t attribute_capacity = 0;
    out->offset = offset;
    for (;;) {
        struct abbrev entry = {.code = reader_leb_u64(&reader)};
        if (entry.code == 0) {
            break;
        }
        count_abbrev_bytes(decoder, 5);
        uint64_t tag = reader_leb_u64(&reader);
        entry.tag = tag > UINT32_MAX ? 0 : (uint32_t)tag;
        entry.has_children = reader_u8(&reader) != 0;
        entry.first = attribute_count;
        add_abbrev_attributes(decoder, out, &reader, &attribute_count, &attribute_capacity);
        entry.count = attribute_count - entry.first;
        out->entries =
            arena_grow(arena, out->entries, out->count, &capacity, sizeof(*out->entries));
        out->entries[out->count++] = entry;
    }
    if (out->count != 0) {
        qsort(out->entries, out->count, sizeof(*out->entries), compare_abbrevs);
    }
    decoder->abbrevs = arena_grow(arena, decoder->abbrevs, decoder->abbrevs_count,
                                  &decoder->abbrevs_capacity, sizeof(*decoder->abbrevs));
    decoder->abbrevs[decoder->abbrevs_count++] = out;
    return out;
}

static void add_function(struct decoder *decoder, const struct dwarf_die *die)
{
    struct dwarf *dwarf = decoder->dwarf;
    uint64_t low;
    uint64_t high;
    if (!dwarf_code_range(dwarf, die, &low, &high)) {
        return;
    }
    dwarf->functions = arena_grow(dwarf->module->arena, dwarf->functions, dwarf->function_count,
                                  &decoder->function_capacity, sizeof(*dwarf->functions));
    dwarf->functions[dwarf->function_count++] =
        (struct dwarf_function){.low = (uint32_t)low,
                                .high = (uint32_t)high,
                                .offset = die->offset,
                                .unit = (uint32_t)(die->unit - dwarf->units)};
}

static void add_global(struct decoder *decoder, const struct dwarf_die *die)
{
    struct dwarf *dwarf = decoder->dwarf;
    if (die->values[ATTRIBUTE_LOCATION].class != CLASS_BLOCK) {
        return;
    }
    dwarf->globals = arena_grow(dwarf->module->arena, dwarf->globals, dwarf->global_count,
                                &decoder->global_capacity, sizeof(*dwarf->globals));
    dwarf->globals[dwarf->global_count++] = die->offset;
}

static uint32_t add_namespace(struct decoder *decoder, const struct dwarf_die *die, uint32_t parent)
{
    struct dwarf *dwarf = decoder->dwarf;
    struct name name = {NULL, 0};
    dwarf_text(dwarf, die, ATTRIBUTE_NAME, &name);
    dwarf->namespaces = arena_grow(dwarf->module->arena, dwarf->namespaces, dwarf->namespace_count,
                                   &decoder->namespace_capacity, sizeof(*dwarf->namespaces));
    dwarf->namespaces[dwarf->namespace_count] =
        (struct dwarf_namespace){.start = die->offset,
                                 .end = die->unit->end,
                                 .parent = parent,
                                 .unit = (uint32_t)(die->unit - dwarf->units),
                                 .name = name};
    return dwarf->namespace_count++;
}

static void index_dies(struct decoder *decoder, const struct dwarf_die *top)
{
    struct dwarf *dwarf = decoder->dwarf;
    struct dwarf_walk walk;
    struct dwarf_die die;
    uint32_t depth = 0;
    decoder->path[0].namespace = DWARF_NO_NAMESPACE;
    decoder->path[0].is_namespace = false;
    decoder->path[0].is_function = false;
    dwarf_walk_start(&walk, dwarf, &decoder->diag, top);
    while (dwarf_walk_next(&walk, &die)) {
        for (; depth >= walk.depth; depth--) {
            if (decoder->path[depth].is_namespace) {
                dwarf->namespaces[decoder->path[depth].namespace].end = die.offset;
            }
        }
        bool is_in_function = decoder->path[depth].is_function;
        uint32_t namespace = decoder->path[depth].namespace;
        if (die.tag == TAG_SUBPROGRAM) {
            add_function(decoder, &die);
        } else if (die.tag == TAG_VARIABLE && !is_in_function) {
            add_global(decoder, &die);
        }
        if (die.has_children) {
            bool is_namespace = die.tag == TAG_NAMESPACE;
            depth = walk.depth;
            decoder->path[depth].is_namespace = is_namespace;
            decoder->path[depth].is_function = is_in_function || die.tag == TAG_SUBPROGRAM;
            decoder->path[depth].namespace =
                is_namespace ? add_namespace(decoder, &die, namespace) : namespace;
        }
    }
}

/* DWARF 5 §7.5.1 */
static void read_unit_header(struct decoder *decoder, struct reader *reader,
                             struct dwarf_unit *unit)
{
    const uint8_t type_compile = 0x01;
    const uint8_t type_partial = 0x03;
    uint32_t abbrevs;
    unit->version = (uint16_t)dwarf_fixed(reader, 2);
    if (unit->version < 2 || unit->version > 5) {
        diag_fail(reader->diag, reader_offset(reader), "unknown version");
    }
    if (unit->version == 5) {
        uint8_t type = reader_u8(reader);
        unit->address_bytes = reader_u8(reader);
        abbrevs = reader_fixed_u32(reader);
        if (type != type_compile && type != type_partial) {
            diag_fail(reader->diag, reader_offset(reader), "unknown unit type");
        }
    } else {
        abbrevs = reader_fixed_u32(reader);
        unit->address_bytes = reader_u8(reader);
    }
    if (unit->address_bytes != 4 && unit->address_bytes != 8) {
        diag_fail(reader->diag, reader_offset(reader), "unknown size of addresses");
    }
    unit->first = (uint32_t)(reader->next - decoder->dwarf->sections[DWARF_INFO].bytes);
    unit->abbrevs = read_abbrevs(decoder, abbrevs);
}

static void read_unit(struct decoder *decoder, struct reader *reader, struct dwarf_unit *unit)
{
    struct dwarf *dwarf = decoder->dwarf;
    struct dwarf_die die;
    read_unit_header(decoder, reader, unit);
    if (!dwarf_read_in_unit(dwarf, unit, unit->first, &decoder->diag, &die) ||
        (die.tag != TAG_COMPILE_UNIT && die.tag != TAG_PARTIAL_UNIT)) {
        diag_fail(&decoder->diag, reader_offset(reader), "no unit");
    }
    const struct dwarf_value *values = die.values;
    unit->str_offsets = values[ATTRIBUTE_STR_OFFSETS].number;
    unit->addresses = values[ATTRIBUTE_ADDRESSES].number;
    unit->range_lists = values[ATTRIBUTE_RANGE_LISTS].number;
    unit->location_lists = values[ATTRIBUTE_LOCATION_LISTS].number;
    unit->language = (uint32_t)dwarf_number(&die, ATTRIBUTE_LANGUAGE, 0);
    unit->has_lines = dwarf_has(&die, ATTRIBUTE_LINE_TABLE);
    unit->line_offset = (uint32_t)values[ATTRIBUTE_LINE_TABLE].number;
    dwarf_text(dwarf, &die, ATTRIBUTE_NAME, &unit->name);
    dwarf_text(dwarf, &die, ATTRIBUTE_DIRECTORY, &unit->directory);
    dwarf_text(dwarf, &die, ATTRIBUTE_PRODUCER, &unit->producer);
    if (!dwarf_address(dwarf, unit, &values[ATTRIBUTE_LOW_PC], &unit->base)) {
        unit->base = 0;
    }
    index_dies(decoder, &die);
}

/* One unit after the other; what a malformed one has yielded before its fault is taken back. */
static void read_units(struct decoder *decoder, struct reader *reader)
{
    struct dwarf *dwarf = decoder->dwarf;
    const uint8_t *start = dwarf->sections[DWARF_INFO].bytes;
    while (reader_left(reader) != 0) {
        uint32_t offset = (uint32_t)(reader->next - start);
        uint32_t length = reader_fixed_u32(reader);
        struct reader content = *reader;
        reader_bytes(reader, length);
        content.end = reader->next;
        dwarf->units = arena_grow(dwarf->module->arena, dwarf->units, dwarf->unit_count,
                                  &decoder->unit_capacity, sizeof(*dwarf->units));
        struct dwarf_unit *unit = &dwarf->units[dwarf->unit_count];
        *unit = (struct dwarf_unit){.start = offset, .end = (uint32_t)(reader->next - start)};
        uint32_t function_count = dwarf->function_count;
        uint32_t namespace_count = dwarf->namespace_count;
        uint32_t global_count = dwarf->global_count;
        jmp_buf *outer = decoder->diag.escape;
        jmp_buf escape;
        decoder->diag.escape = &escape;
        if (setjmp(escape) == 0) {
            read_unit(decoder, &content, unit);
            dwarf->unit_count++;
        } else {
            dwarf->function_count = function_count;
            dwarf->namespace_count = namespace_count;
            dwarf->global_count = global_count;
        }
        decoder->diag.escape = outer;
    }
}

static int compare_functions(const void *left, const void *right)
{
    const struct dwarf_function *a = left;
    const struct dwarf_function *b = right;
    if (a->low != b->low) {
        return a->low < b->low ? -1 : 1;
    }
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static void find_sections(struct dwarf *dwarf)
{
    const struct module *module = dwarf->module;
    for (int k = 0; k < DWARF_SECTIONS; k++) {
        dwarf->sections[k] = (struct name){module->bytes, 0};
    }
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const struct custom_section *custom = &module->customs[i];
        for (int k = 0; k < DWARF_SECTIONS; k++) {
            if (custom->name.length == strlen(section_names[k]) &&
                memcmp(custom->name.bytes, section_names[k], custom->name.length) == 0) {
                dwarf->sections[k] = (struct name){custom->bytes, custom->length};
            }
        }
    }
}

const struct dwarf *dwarf_decode(struct module *module)
{
    /* In the arena: longjmp leaves changed locals in doubt. */
    struct decoder *decoder = arena_new(module->arena, struct decoder);
    struct dwarf *dwarf = arena_new(module->arena, struct dwarf);
    jmp_buf escape;
    decoder->dwarf = dwarf;
    dwarf->module = module;
    find_sections(dwarf);
    if (dwarf->sections[DWARF_INFO].length == 0 || dwarf->sections[DWARF_ABBREV].length == 0) {
        return NULL;
    }
    diag_init(&decoder->diag, "debug information");
    decoder->diag.escape = &escape;
    if (setjmp(escape) == 0) {
        struct reader reader = dwarf_section_reader(dwarf, DWARF_INFO, &decoder->diag);
        read_units(decoder, &reader);
    }
    if (dwarf->function_count != 0) {
        qsort(dwarf->functions, dwarf->function_count, sizeof(*dwarf->functions),
              compare_functions);
    }
    return dwarf->unit_count == 0 ? NULL : dwarf;
}

const struct dwarf_function *dwarf_find_function(const struct dwarf *dwarf, uint32_t address)
{
    uint32_t low = 0;
    uint32_t high = dwarf->function_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (dwarf->functions[middle].low <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const struct dwarf_function *function = low == 0 ? NULL : &dwarf->functions[low - 1];
    return function != NULL && address < function->high ? function : NULL;
}

uint32_t dwarf_find_namespace(const struct dwarf *dwarf, uint32_t offset)
{
    uint32_t low = 0;
    uint32_t high = dwarf->namespace_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (dwarf->namespaces[middle].start < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    uint32_t namespace = low == 0 ? DWARF_NO_NAMESPACE : low - 1;
    while (namespace != DWARF_NO_NAMESPACE && offset >= dwarf->namespaces[namespace].end) {
        namespace = dwarf->namespaces[namespace].parent;
    }
    return namespace;
}
