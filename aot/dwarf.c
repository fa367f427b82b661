#include "aot/dwarf.h"

#include <string.h>

#include "aot/dwarf_abbrevs.h"

enum dwarf_form {
    FORM_ADDR = 0x01,
    FORM_BLOCK2 = 0x03,
    FORM_BLOCK4 = 0x04,
    FORM_DATA2 = 0x05,
    FORM_DATA4 = 0x06,
    FORM_DATA8 = 0x07,
    FORM_STRING = 0x08,
    FORM_BLOCK = 0x09,
    FORM_BLOCK1 = 0x0a,
    FORM_DATA1 = 0x0b,
    FORM_FLAG = 0x0c,
    FORM_SDATA = 0x0d,
    FORM_STRP = 0x0e,
    FORM_UDATA = 0x0f,
    FORM_REF_ADDR = 0x10,
    FORM_REF1 = 0x11,
    FORM_REF2 = 0x12,
    FORM_REF4 = 0x13,
    FORM_REF8 = 0x14,
    FORM_REF_UDATA = 0x15,
    FORM_INDIRECT = 0x16,
    FORM_SEC_OFFSET = 0x17,
    FORM_EXPRLOC = 0x18,
    FORM_FLAG_PRESENT = 0x19,
    FORM_STRX = 0x1a,
    FORM_ADDRX = 0x1b,
    FORM_DATA16 = 0x1e,
    FORM_LINE_STRP = 0x1f,
    FORM_REF_SIG8 = 0x20,
    FORM_LOCLISTX = 0x22,
    FORM_RNGLISTX = 0x23,
    FORM_STRX1 = 0x25,
    FORM_STRX2 = 0x26,
    FORM_STRX3 = 0x27,
    FORM_STRX4 = 0x28,
    FORM_ADDRX1 = 0x29,
    FORM_ADDRX2 = 0x2a,
    FORM_ADDRX3 = 0x2b,
    FORM_ADDRX4 = 0x2c,
};

struct reader dwarf_section_reader(const struct dwarf *dwarf, enum dwarf_section section,
                                   struct diag *diag)
{
    const struct name *bytes = &dwarf->sections[section];
    return (struct reader){dwarf->module->bytes, bytes->bytes, bytes->bytes + bytes->length, diag,
                           "unexpected end"};
}

uint64_t dwarf_fixed(struct reader *reader, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)reader_u8(reader) << (8 * i);
    }
    return value;
}

struct name dwarf_block(struct reader *reader, uint64_t length)
{
    if (length > reader_left(reader)) {
        reader_end_error(reader);
    }
    return (struct name){reader_bytes(reader, (size_t)length), (uint32_t)length};
}

static struct name read_string(struct reader *reader)
{
    const uint8_t *start = reader->next;
    const uint8_t *end = memchr(start, 0, reader_left(reader));
    size_t length = end != NULL ? (size_t)(end - start) : reader_left(reader);

    (void)reader_bytes(reader, length + 1); /* the text and its end, or the error */
    return (struct name){start, (uint32_t)length};
}

static bool section_text(const struct dwarf *dwarf, enum dwarf_section section, uint64_t offset,
                         struct name *out)
{
    const struct name *bytes = &dwarf->sections[section];
    if (offset >= bytes->length) {
        return false;
    }
    const uint8_t *start = bytes->bytes + offset;
    const uint8_t *end = memchr(start, 0, bytes->length - (size_t)offset);
    if (end == NULL) {
        return false;
    }
    *out = (struct name){start, (uint32_t)(end - start)};
    return true;
}

static void set(struct dwarf_value *value, enum dwarf_class class, uint64_t number)
{
    value->class = class;
    value->number = number;
}

static void set_reference(struct dwarf_value *value, const struct dwarf_unit *unit, uint64_t number)
{
    /* 0 means none; a number that is too large finds no DIE. */
    uint64_t offset = number > UINT32_MAX ? 0 : number + unit->start;
    set(value, CLASS_REFERENCE, offset > UINT32_MAX ? 0 : offset);
}

static void read_text_form(const struct dwarf *dwarf, struct reader *reader, uint32_t form,
                           struct dwarf_value *value)
{
    enum dwarf_section section = form == FORM_STRP ? DWARF_STR : DWARF_LINE_STR;
    if (form == FORM_STRING) {
        value->bytes = read_string(reader);
        value->class = CLASS_TEXT;
    } else if (section_text(dwarf, section, reader_fixed_u32(reader), &value->bytes)) {
        value->class = CLASS_TEXT;
    }
}

static void read_reference(const struct dwarf_unit *unit, struct reader *reader, uint32_t form,
                           struct dwarf_value *value)
{
    switch (form) {
    case FORM_REF_ADDR:
        set(value, CLASS_REFERENCE,
            dwarf_fixed(reader, unit->version == 2 ? unit->address_bytes : 4u) & UINT32_MAX);
        break;
    case FORM_REF_UDATA:
        set_reference(value, unit, reader_leb_u64(reader));
        break;
    default:
        set_reference(value, unit, dwarf_fixed(reader, 1u << (form - FORM_REF1)));
        break;
    }
}

/* DWARF 5 §7.5.6. `unit` may still lack what its own first DIE says. */
static void read_form(const struct dwarf *dwarf, const struct dwarf_unit *unit,
                      struct reader *reader, const struct abbrev_attribute *attribute,
                      struct dwarf_value *value)
{
    uint32_t form = attribute->form;
    if (form == FORM_INDIRECT) {
        form = reader_leb_u32(reader);
    }
    value->class = CLASS_NONE;
    switch (form) {
    case FORM_ADDR:
        set(value, CLASS_ADDRESS, dwarf_fixed(reader, unit->address_bytes));
        break;
    case FORM_BLOCK1:
    case FORM_BLOCK2:
    case FORM_BLOCK4:
        value->bytes = dwarf_block(reader, dwarf_fixed(reader, form == FORM_BLOCK1   ? 1u
                                                               : form == FORM_BLOCK2 ? 2u
                                                                                     : 4u));
        value->class = CLASS_BLOCK;
        break;
    case FORM_BLOCK:
    case FORM_EXPRLOC:
        value->bytes = dwarf_block(reader, reader_leb_u64(reader));
        value->class = CLASS_BLOCK;
        break;
    case FORM_DATA16:
        value->bytes = dwarf_block(reader, 16);
        value->class = CLASS_BLOCK;
        break;
    case FORM_DATA1:
    case FORM_FLAG:
        set(value, CLASS_NUMBER, reader_u8(reader));
        break;
    case FORM_DATA2:
        set(value, CLASS_NUMBER, dwarf_fixed(reader, 2));
        break;
    case FORM_DATA4:
        set(value, CLASS_NUMBER, reader_fixed_u32(reader));
        break;
    case FORM_DATA8:
        set(value, CLASS_NUMBER, reader_fixed_u64(reader));
        break;
    case FORM_SDATA:
        set(value, CLASS_NUMBER, (uint64_t)reader_leb_s64(reader));
        break;
    case FORM_UDATA:
        set(value, CLASS_NUMBER, reader_leb_u64(reader));
        break;
    case DWARF_FORM_IMPLICIT_CONST:
        set(value, CLASS_NUMBER, (uint64_t)attribute->implicit);
        break;
    case FORM_FLAG_PRESENT:
        set(value, CLASS_NUMBER, 1);
        break;
    case FORM_STRING:
    case FORM_STRP:
    case FORM_LINE_STRP:
        read_text_form(dwarf, reader, form, value);
        break;
    case FORM_STRX:
        set(value, CLASS_TEXT_INDEX, reader_leb_u64(reader));
        break;
    case FORM_STRX1:
    case FORM_STRX2:
    case FORM_STRX3:
    case FORM_STRX4:
        set(value, CLASS_TEXT_INDEX, dwarf_fixed(reader, form - FORM_STRX1 + 1));
        break;
    case FORM_ADDRX:
        set(value, CLASS_ADDRESS_INDEX, reader_leb_u64(reader));
        break;
    case FORM_ADDRX1:
    case FORM_ADDRX2:
    case FORM_ADDRX3:
    case FORM_ADDRX4:
        set(value, CLASS_ADDRESS_INDEX, dwarf_fixed(reader, form - FORM_ADDRX1 + 1));
        break;
    case FORM_REF_ADDR:
    case FORM_REF1:
    case FORM_REF2:
    case FORM_REF4:
    case FORM_REF8:
    case FORM_REF_UDATA:
        read_reference(unit, reader, form, value);
        break;
    case FORM_REF_SIG8:
        reader_fixed_u64(reader);
        break;
    case FORM_SEC_OFFSET:
        set(value, CLASS_OFFSET, reader_fixed_u32(reader));
        break;
    case FORM_LOCLISTX:
    case FORM_RNGLISTX:
        set(value, CLASS_LIST_INDEX, reader_leb_u64(reader));
        break;
    default:
        diag_fail(reader->diag, reader_offset(reader), "unknown form");
    }
}

static const struct abbrev *find_abbrev(const struct dwarf_abbrevs *abbrevs, uint64_t code)
{
    /* Producers count from one; anything else is searched for. */
    if (code - 1 < abbrevs->count && abbrevs->entries[code - 1].code == code) {
        return &abbrevs->entries[code - 1];
    }
    uint32_t low = 0;
    uint32_t high = abbrevs->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (abbrevs->entries[middle].code == code) {
            return &abbrevs->entries[middle];
        }
        if (abbrevs->entries[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

bool dwarf_read_in_unit(const struct dwarf *dwarf, const struct dwarf_unit *unit, uint32_t offset,
                        struct diag *diag, struct dwarf_die *out)
{
    struct reader reader = dwarf_section_reader(dwarf, DWARF_INFO, diag);
    reader.end = reader.next + unit->end;
    reader.next += offset;
    out->unit = unit;
    out->offset = offset;
    uint64_t code = reader_leb_u64(&reader);
    if (code == 0) {
        out->next = (uint32_t)(reader.next - dwarf->sections[DWARF_INFO].bytes);
        return false;
    }
    const struct abbrev *abbrev = find_abbrev(unit->abbrevs, code);
    if (abbrev == NULL) {
        diag_fail(diag, reader_offset(&reader), "unknown abbreviation");
    }
    out->tag = abbrev->tag;
    out->has_children = abbrev->has_children;
    memset(out->values, 0, sizeof(out->values));
    for (uint32_t i = 0; i < abbrev->count; i++) {
        const struct abbrev_attribute *attribute = &unit->abbrevs->attributes[abbrev->first + i];
        read_form(dwarf, unit, &reader, attribute, &out->values[attribute->slot]);
    }
    out->values[ATTRIBUTE_NONE].class = CLASS_NONE;
    out->next = (uint32_t)(reader.next - dwarf->sections[DWARF_INFO].bytes);
    return true;
}

const struct dwarf_unit *dwarf_find_unit(const struct dwarf *dwarf, uint32_t offset)
{
    uint32_t low = 0;
    uint32_t high = dwarf->unit_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct dwarf_unit *unit = &dwarf->units[middle];
        if (offset >= unit->first && offset < unit->end) {
            return unit;
        }
        if (offset < unit->first) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

bool dwarf_read(const struct dwarf *dwarf, uint32_t offset, struct diag *diag,
                struct dwarf_die *out)
{
    const struct dwarf_unit *unit = dwarf_find_unit(dwarf, offset);
    return unit != NULL && dwarf_read_in_unit(dwarf, unit, offset, diag, out);
}

void dwarf_walk_start(struct dwarf_walk *walk, const struct dwarf *dwarf, struct diag *diag,
                      const struct dwarf_die *top)
{
    *walk = (struct dwarf_walk){.dwarf = dwarf,
                                .diag = diag,
                                .unit = top->unit,
                                .next = top->next,
                                .depth = 0,
                                .is_inside = top->has_children};
}

bool dwarf_walk_next(struct dwarf_walk *walk, struct dwarf_die *out)
{
    walk->depth += walk->is_inside;
    while (walk->depth != 0 && walk->next < walk->unit->end) {
        bool is_entry = dwarf_read_in_unit(walk->dwarf, walk->unit, walk->next, walk->diag, out);
        walk->next = out->next;
        if (is_entry) {
            walk->is_inside = out->has_children;
            if (walk->depth + walk->is_inside > DWARF_MAX_DEPTH) {
                diag_fail(walk->diag, DIAG_NO_OFFSET, "nested too deeply");
            }
            return true;
        }
        walk->depth--;
    }
    walk->is_inside = false;
    walk->depth = 0;
    return false;
}

static bool table_u32(const struct dwarf *dwarf, enum dwarf_section section, uint64_t base,
                      uint64_t index, uint64_t *out)
{
    const struct name *bytes = &dwarf->sections[section];
    if (index > UINT32_MAX || base > bytes->length || index * 4 + 4 > bytes->length - base) {
        return false;
    }
    const uint8_t *at = bytes->bytes + base + index * 4;
    *out = at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24;
    return true;
}

bool dwarf_text(const struct dwarf *dwarf, const struct dwarf_die *die,
                enum dwarf_attribute attribute, struct name *out)
{
    const struct dwarf_value *value = &die->values[attribute];
    uint64_t offset;
    if (value->class == CLASS_TEXT) {
        *out = value->bytes;
        return true;
    }
    return value->class == CLASS_TEXT_INDEX &&
           table_u32(dwarf, DWARF_STR_OFFSETS, die->unit->str_offsets, value->number, &offset) &&
           section_text(dwarf, DWARF_STR, offset, out);
}

bool dwarf_address(const struct dwarf *dwarf, const struct dwarf_unit *unit,
                   const struct dwarf_value *value, uint64_t *out)
{
    if (value->class == CLASS_ADDRESS) {
        *out = value->number;
        return true;
    }
    /* Modules of 64-bit memories too have 32-bit offsets into their code. */
    return value->class == CLASS_ADDRESS_INDEX && unit->address_bytes == 4 &&
           table_u32(dwarf, DWARF_ADDR, unit->addresses, value->number, out);
}

bool dwarf_code_range(const struct dwarf *dwarf, const struct dwarf_die *die, uint64_t *low,
                      uint64_t *high)
{
    const struct module *module = dwarf->module;
    const struct dwarf_value *end = &die->values[ATTRIBUTE_HIGH_PC];
    if (!dwarf_address(dwarf, die->unit, &die->values[ATTRIBUTE_LOW_PC], low)) {
        return false;
    }
    if (end->class == CLASS_NUMBER) {
        *high = *low + end->number;
    } else if (!dwarf_address(dwarf, die->unit, end, high)) {
        return false;
    }
    /* The linker leaves 0 or an address outside of the section for code it dropped. */
    return *low != 0 && *low < *high &&
           *high <= module->code_section_end - module->code_section_start;
}
