/* Ranges of code and places of variables, in both layouts: DWARF 4 §2.17.3, §2.6.2 and
 * DWARF 5 §7.25, §7.29. */
#include <string.h>

#include "aot/dwarf_abbrevs.h"

/* DWARF 5 numbers the two kinds of entries differently; these are meant. */
enum list_entry {
    ENTRY_END,
    ENTRY_BASE_INDEX,
    ENTRY_START_INDEX_END_INDEX,
    ENTRY_START_INDEX_LENGTH,
    ENTRY_OFFSETS,
    ENTRY_DEFAULT,
    ENTRY_BASE,
    ENTRY_START_END,
    ENTRY_START_LENGTH,
    ENTRY_COUNT
};

static bool start_at(struct dwarf_list *list, enum dwarf_section section, uint64_t offset,
                     struct diag *diag)
{
    list->reader = dwarf_section_reader(list->dwarf, section, diag);
    if (offset >= reader_left(&list->reader)) {
        return false;
    }
    reader_bytes(&list->reader, (size_t)offset);
    return true;
}

/* An index counts in the table of offsets at `base`. */
static bool start_at_index(struct dwarf_list *list, enum dwarf_section section, uint64_t base,
                           uint64_t index, struct diag *diag)
{
    if (index > UINT32_MAX || base > UINT32_MAX ||
        !start_at(list, section, base + index * 4, diag)) {
        return false;
    }
    return start_at(list, section, base + reader_fixed_u32(&list->reader), diag);
}

static bool start(struct dwarf_list *list, enum dwarf_section section, uint64_t base,
                  const struct dwarf_value *value, struct diag *diag)
{
    if (value->class == CLASS_LIST_INDEX) {
        return start_at_index(list, section, base, value->number, diag);
    }
    /* Before DWARF 4 an offset was a number like any other. */
    return (value->class == CLASS_OFFSET || value->class == CLASS_NUMBER) &&
           start_at(list, section, value->number, diag);
}

bool dwarf_ranges_start(struct dwarf_list *list, const struct dwarf *dwarf, struct diag *diag,
                        const struct dwarf_die *die)
{
    const struct dwarf_unit *unit = die->unit;
    enum dwarf_section section = unit->version == 5 ? DWARF_RNGLISTS : DWARF_RANGES;
    const struct dwarf_value *value = &die->values[ATTRIBUTE_RANGES];
    *list = (struct dwarf_list){.dwarf = dwarf, .unit = unit, .base = unit->base};
    return start(list, section, unit->range_lists, value, diag);
}

bool dwarf_locations_start(struct dwarf_list *list, const struct dwarf *dwarf, struct diag *diag,
                           const struct dwarf_die *die)
{
    const struct dwarf_unit *unit = die->unit;
    enum dwarf_section section = unit->version == 5 ? DWARF_LOCLISTS : DWARF_LOC;
    const struct dwarf_value *value = &die->values[ATTRIBUTE_LOCATION];
    *list = (struct dwarf_list){
        .dwarf = dwarf, .unit = unit, .base = unit->base, .has_expressions = true};
    return start(list, section, unit->location_lists, value, diag);
}

static uint64_t indexed_address(struct dwarf_list *list)
{
    struct dwarf_value value = {.class = CLASS_ADDRESS_INDEX};
    uint64_t address;
    value.number = reader_leb_u64(&list->reader);
    if (!dwarf_address(list->dwarf, list->unit, &value, &address)) {
        diag_fail(list->reader.diag, reader_offset(&list->reader), "no such address");
    }
    return address;
}

static enum list_entry read_kind(struct dwarf_list *list)
{
    static const uint8_t range_kinds[] = {ENTRY_END,
                                          ENTRY_BASE_INDEX,
                                          ENTRY_START_INDEX_END_INDEX,
                                          ENTRY_START_INDEX_LENGTH,
                                          ENTRY_OFFSETS,
                                          ENTRY_BASE,
                                          ENTRY_START_END,
                                          ENTRY_START_LENGTH};
    uint8_t kind = reader_u8(&list->reader);
    if (kind >= (list->has_expressions ? ENTRY_COUNT : sizeof(range_kinds))) {
        diag_fail(list->reader.diag, reader_offset(&list->reader), "unknown entry");
    }
    return list->has_expressions ? (enum list_entry)kind : (enum list_entry)range_kinds[kind];
}

/* Returns false at the end. */
static bool next_new(struct dwarf_list *list, struct dwarf_range *out)
{
    struct reader *reader = &list->reader;
    unsigned address_bytes = list->unit->address_bytes;
    for (;;) {
        switch (read_kind(list)) {
        case ENTRY_END:
        case ENTRY_COUNT:
            return false;
        case ENTRY_BASE_INDEX:
            list->base = indexed_address(list);
            continue;
        case ENTRY_BASE:
            list->base = dwarf_fixed(reader, address_bytes);
            continue;
        case ENTRY_START_INDEX_END_INDEX:
            out->low = indexed_address(list);
            out->high = indexed_address(list);
            break;
        case ENTRY_START_INDEX_LENGTH:
            out->low = indexed_address(list);
            out->high = out->low + reader_leb_u64(reader);
            break;
        case ENTRY_OFFSETS:
            out->low = list->base + reader_leb_u64(reader);
            out->high = list->base + reader_leb_u64(reader);
            break;
        case ENTRY_DEFAULT:
            out->low = 0;
            out->high = 0;
            break;
        case ENTRY_START_END:
            out->low = dwarf_fixed(reader, address_bytes);
            out->high = dwarf_fixed(reader, address_bytes);
            break;
        case ENTRY_START_LENGTH:
            out->low = dwarf_fixed(reader, address_bytes);
            out->high = out->low + reader_leb_u64(reader);
            break;
        }
        if (list->has_expressions) {
            out->expression = dwarf_block(reader, reader_leb_u64(reader));
        }
        return true;
    }
}

static bool next_old(struct dwarf_list *list, struct dwarf_range *out)
{
    struct reader *reader = &list->reader;
    unsigned address_bytes = list->unit->address_bytes;
    uint64_t largest = address_bytes == 8 ? UINT64_MAX : UINT32_MAX;
    for (;;) {
        uint64_t low = dwarf_fixed(reader, address_bytes);
        uint64_t high = dwarf_fixed(reader, address_bytes);
        if (low == 0 && high == 0) {
            return false;
        }
        if (low == largest) {
            list->base = high;
            continue;
        }
        out->low = list->base + low;
        out->high = list->base + high;
        if (list->has_expressions) {
            out->expression = dwarf_block(reader, dwarf_fixed(reader, 2));
        }
        return true;
    }
}

bool dwarf_list_next(struct dwarf_list *list, struct dwarf_range *out)
{
    uint64_t code_bytes =
        list->dwarf->module->code_section_end - list->dwarf->module->code_section_start;
    out->expression = (struct name){NULL, 0};
    while (list->unit->version == 5 ? next_new(list, out) : next_old(list, out)) {
        /* Empty ones count for nothing, and neither does code that the linker dropped. */
        if (out->low < out->high && out->low != 0 && out->high <= code_bytes) {
            return true;
        }
    }
    return false;
}
