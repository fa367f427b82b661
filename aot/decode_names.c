#include "aot/decode.h"

#include <string.h>

/*
 * Name section, Wasm core §7.4.1. Names only help people: a malformed section must not
 * reject the module, so it is read with a diag of its own and ends where it goes wrong.
 */

enum name_subsection { NAMES_MODULE = 0, NAMES_FUNCTIONS = 1 };

static void read_function_names(struct module *module, struct reader *reader)
{
    uint32_t count = reader_leb_u32(reader);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = reader_leb_u32(reader);
        struct name name = read_name(reader);
        if (index < module->function_count && name.length != 0) {
            module->functions[index].name = name;
        }
    }
}

static void read_subsections(struct module *module, struct reader *reader)
{
    while (reader_left(reader) != 0) {
        uint8_t id = reader_u8(reader);
        struct reader content = *reader;
        uint32_t length = reader_leb_u32(reader);
        content.next = reader_bytes(reader, length);
        content.end = reader->next;
        if (id == NAMES_MODULE) {
            module->name = read_name(&content);
        } else if (id == NAMES_FUNCTIONS) {
            read_function_names(module, &content);
        }
    }
}

void decode_names(struct module *module)
{
    static const char wanted[] = "name";
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const struct custom_section *custom = &module->customs[i];
        if (custom->name.length != sizeof(wanted) - 1 ||
            memcmp(custom->name.bytes, wanted, sizeof(wanted) - 1) != 0) {
            continue;
        }
        struct diag diag;
        jmp_buf escape;
        diag_init(&diag, "name section");
        diag.escape = &escape;
        struct reader reader = {module->bytes, custom->bytes, custom->bytes + custom->length, &diag,
                                "unexpected end"};
        if (setjmp(escape) == 0) {
            read_subsections(module, &reader);
        }
    }
}
