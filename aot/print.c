#include "aot/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "aot/layout.h"

/* Names may hold anything; a line must stay a line of words. */
static void print_name(const struct name *name)
{
    for (uint32_t i = 0; i < name->length; i++) {
        uint8_t c = name->bytes[i];
        if (c <= ' ' || c == '$' || c == 0x7f) {
            printf("$%02x", c);
        } else {
            putchar(c);
        }
    }
}

static const char *const kind_texts[] = {
    [EXTERNAL_FUNCTION] = "function", [EXTERNAL_TABLE] = "table", [EXTERNAL_MEMORY] = "memory",
    [EXTERNAL_GLOBAL] = "global",     [EXTERNAL_TAG] = "tag",
};

/* Functions show their signature; other kinds their kind. */
static void print_type(const struct module *module, enum external_kind kind, uint32_t index)
{
    if (kind == EXTERNAL_FUNCTION) {
        char *text = layout_signature(module, module->functions[index].type);
        fputs(text, stdout);
        free(text);
    } else {
        fputs(kind_texts[kind], stdout);
    }
}

static void print_imports(const struct module *module)
{
    for (uint32_t i = 0; i < module->import_count; i++) {
        const struct import *import = &module->imports[i];
        char *symbol = layout_import_symbol(module, import, "");
        print_name(&import->module);
        putchar(' ');
        print_name(&import->field);
        putchar(' ');
        print_type(module, import->kind, import->index);
        printf(" %s\n", symbol);
        free(symbol);
    }
}

static void print_exports(const struct module *module)
{
    for (uint32_t i = 0; i < module->export_count; i++) {
        const struct export *export = &module->exports[i];
        print_name(&export->name);
        putchar(' ');
        print_type(module, export->kind, export->index);
        printf(" %" PRIu32 "\n", export->index);
    }
}

static void print_layout(const struct module *module)
{
    uint64_t data_bytes = 0;

    for (uint32_t i = 0; i < module->data_count; i++) {
        data_bytes += module->datas[i].length;
    }
    printf("functions %" PRIu32 " imported %" PRIu32 "\n", module->function_count,
           module->imported_function_count);
    printf("code_bytes %" PRIu32 "\n", module->code_section_end - module->code_section_start);
    printf("data_segments %" PRIu32 " data_bytes %" PRIu64 "\n", module->data_count, data_bytes);
    for (uint32_t i = 0; i < module->memory_count; i++) {
        const struct limits *limits = &module->memories[i].limits;
        printf("memory %" PRIu32 " minimum_pages %" PRIu64 " maximum_pages %" PRIu64 "\n", i,
               limits->minimum, limits->maximum);
    }
    for (uint32_t i = 0; i < module->table_count; i++) {
        const struct limits *limits = &module->tables[i].limits;
        printf("table %" PRIu32 " minimum %" PRIu64 " maximum %" PRIu64 "\n", i, limits->minimum,
               limits->maximum);
    }
}

void print_module(const struct module *module, const struct options *options)
{
    if ((options->print & PRINT_IMPORTS_BIT) != 0) {
        print_imports(module);
    }
    if ((options->print & PRINT_EXPORTS_BIT) != 0) {
        print_exports(module);
    }
    if ((options->print & PRINT_FEATURES_BIT) != 0) {
        for (unsigned i = 0; i < FEATURE_COUNT; i++) {
            if ((module->features & 1u << i) != 0) {
                puts(feature_text((enum feature)i));
            }
        }
    }
    if ((options->print & PRINT_LAYOUT_BIT) != 0) {
        print_layout(module);
    }
}
