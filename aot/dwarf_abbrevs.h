/*
 * What the two halves of the reader of DIEs share: dwarf.c reads one, dwarf_index.c all of
 * them. For these two only.
 */
#pragma once

#include "aot/dwarf.h"

#define DWARF_FORM_IMPLICIT_CONST 0x21u

struct abbrev_attribute {
    uint32_t slot;
    uint32_t form;
    int64_t implicit;
};

struct abbrev {
    uint64_t code;
    uint32_t tag;
    uint32_t first; /* of its attributes */
    uint32_t count;
    bool has_children;
};

struct dwarf_abbrevs {
    uint32_t offset;
    struct abbrev *entries; /* by ascending code */
    uint32_t count;
    struct abbrev_attribute *attributes;
};

struct reader dwarf_section_reader(const struct dwarf *dwarf, enum dwarf_section section,
                                   struct diag *diag);
uint64_t dwarf_fixed(struct reader *reader, unsigned bytes);
struct name dwarf_block(struct reader *reader, uint64_t length);
/* As dwarf_read, of a DIE known to lie in this unit, which may not be in the index yet. */
bool dwarf_read_in_unit(const struct dwarf *dwarf, const struct dwarf_unit *unit, uint32_t offset,
                        struct diag *diag, struct dwarf_die *out);
