/*
 * The size of pointers in DWARF. A pointer of the module is narrower than one of the machine,
 * and its DIE must say so; LLVM knows sizes only of other types. The abbreviation that all
 * DIEs of one shape share can carry an attribute's value (DW_FORM_implicit_const, DWARF 5
 * §7.5.3): those of pointers and references get DW_AT_byte_size there, and no DIE moves. The
 * new table goes behind the end of the object, where its section header finds it.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/debug.h"

/* What is put into an abbreviation: attribute, form and value, each below 0x80. */
#define ATTRIBUTE_NUMBER_BYTE_SIZE  0x0b
#define FORM_NUMBER_IMPLICIT_CONST  0x21
#define ADDED_BYTES                 3u
#define ABBREVIATION_SMALLEST_BYTES 5u

static bool is_pointer(uint64_t tag)
{
    return tag == TAG_POINTER_TYPE || tag == TAG_REFERENCE_TYPE || tag == TAG_RVALUE_REFERENCE_TYPE;
}

/* Copies up to where `reader` is, from `*from`. */
static uint8_t *copy(uint8_t *out, const uint8_t **from, const struct reader *reader)
{
    size_t length = (size_t)(reader->next - *from);

    memcpy(out, *from, length);
    *from = reader->next;
    return out + length;
}

/* One list of abbreviations, or several. `out` has room for what may be added to each. */
static size_t rewrite(struct reader *reader, uint8_t *out, uint8_t pointer_bytes)
{
    const uint8_t *copied = reader->next;
    uint8_t *start = out;

    while (reader_left(reader) != 0) {
        if (reader_leb_u64(reader) == 0) {
            continue;
        }
        bool is_widened = is_pointer(reader_leb_u64(reader));
        reader_u8(reader);
        for (;;) {
            if (is_widened) {
                out = copy(out, &copied, reader);
                is_widened = false;
                *out++ = ATTRIBUTE_NUMBER_BYTE_SIZE;
                *out++ = FORM_NUMBER_IMPLICIT_CONST;
                *out++ = pointer_bytes;
            }
            uint64_t attribute = reader_leb_u64(reader);
            uint64_t form = reader_leb_u64(reader);
            if (form == FORM_NUMBER_IMPLICIT_CONST) {
                reader_leb_s64(reader);
            }
            if (attribute == 0 && form == 0) {
                break;
            }
        }
    }
    return (size_t)(copy(out, &copied, reader) - start);
}

/* Finds a section of LLVM's object, which is well-formed: where its header is, or 0. */
static size_t find_section(const uint8_t *object, const char *wanted, Elf64_Shdr *out)
{
    Elf64_Ehdr header;
    Elf64_Shdr names;

    memcpy(&header, object, sizeof(header));
    memcpy(&names, object + header.e_shoff + header.e_shstrndx * sizeof(names), sizeof(names));
    for (unsigned i = 0; i < header.e_shnum; i++) {
        size_t at = header.e_shoff + i * sizeof(*out);
        memcpy(out, object + at, sizeof(*out));
        if (strcmp((const char *)(object + names.sh_offset + out->sh_name), wanted) == 0) {
            return at;
        }
    }
    return 0;
}

LLVMMemoryBufferRef debug_size_pointers(LLVMMemoryBufferRef object, unsigned pointer_bytes)
{
    const uint8_t *old = (const uint8_t *)LLVMGetBufferStart(object);
    size_t size = LLVMGetBufferSize(object);
    struct diag diag;
    Elf64_Shdr section;
    size_t header = find_section(old, ".debug_abbrev", &section);

    if (header == 0) {
        return object;
    }
    size_t most =
        size + section.sh_size + section.sh_size / ABBREVIATION_SMALLEST_BYTES * ADDED_BYTES;
    uint8_t *grown = malloc(most);
    if (grown == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    diag_init(&diag, "waferc's own debug information");
    const uint8_t *table = old + section.sh_offset;
    struct reader reader = {old, table, table + section.sh_size, &diag, "unexpected end"};
    size_t new_bytes = rewrite(&reader, grown + size, (uint8_t)pointer_bytes);
    section.sh_offset = size;
    section.sh_size = new_bytes;
    memcpy(grown, old, size);
    memcpy(grown + header, &section, sizeof(section));
    LLVMMemoryBufferRef out =
        LLVMCreateMemoryBufferWithMemoryRangeCopy((const char *)grown, size + new_bytes, "object");
    free(grown);
    LLVMDisposeMemoryBuffer(object);
    return out;
}
