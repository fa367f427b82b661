#include "aot/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTION_NAME_MAX 1024u

static void *layout_alloc(size_t bytes)
{
    void *memory = malloc(bytes);

    if (memory == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static bool is_plain(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* Underscores separate the components, so one that could be taken for a separator is
 * escaped: two names mangle alike only when they are equal. */
char *layout_mangle(char *out, const uint8_t *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < length; i++) {
        uint8_t c = bytes[i];
        bool edge = i == 0 || i + 1 == length || bytes[i - 1] == '_';
        if (is_plain(c) && !(c == '_' && edge)) {
            *out++ = (char)c;
        } else {
            *out++ = '$';
            *out++ = digits[c >> 4];
            *out++ = digits[c & 15];
        }
    }
    return out;
}

char *layout_signature(const struct module *module, uint32_t type)
{
    char small[64];
    size_t length = type_signature(module, type, small, sizeof(small));
    char *text = layout_alloc(length + 1);

    type_signature(module, type, text, length + 1);
    return text;
}

char *layout_value_text(const struct module *module, value_type type)
{
    /* A function type of one parameter holds the letters of its only value. */
    struct module view = *module;
    struct defined_type lone = {.composite = COMPOSITE_FUNC,
                                .param_count = 1,
                                .params = &type,
                                .is_final = true,
                                .group_count = 1};
    struct defined_type *types = layout_alloc((module->type_count + 1) * sizeof(*types));

    if (module->type_count != 0) {
        memcpy(types, module->types, module->type_count * sizeof(*types));
    }
    lone.group_start = module->type_count;
    lone.canonical = module->type_count;
    types[module->type_count] = lone;
    view.types = types;
    view.type_count++;
    char *text = layout_signature(&view, module->type_count);
    free(types);
    text[strlen(text) - 2] = '\0';
    return text;
}

char *layout_global_text(const struct module *module, uint32_t index)
{
    const struct global *global = &module->globals[index];
    char *letters = layout_value_text(module, global->type);
    char *text = layout_alloc(strlen(letters) + 2);

    sprintf(text, "%s%s", letters, global->is_mutable ? "m" : "");
    free(letters);
    return text;
}

static char *append(char *out, const char *text)
{
    size_t length = strlen(text);

    memcpy(out, text, length);
    return out + length;
}

/* The text behind the last separator of an import symbol; NULL for none. */
static char *import_type_text(const struct module *module, const struct import *import)
{
    switch (import->kind) {
    case EXTERNAL_FUNCTION:
        return layout_signature(module, module->functions[import->index].type);
    case EXTERNAL_TAG:
        return layout_signature(module, module->tags[import->index].type);
    case EXTERNAL_GLOBAL:
        return layout_global_text(module, import->index);
    case EXTERNAL_TABLE:
    case EXTERNAL_MEMORY:
        break;
    }
    return NULL;
}

char *layout_import_symbol(const struct module *module, const struct import *import,
                           const char *prefix)
{
    static const char *const kinds[] = {
        [EXTERNAL_FUNCTION] = "wasm_import__",      [EXTERNAL_TABLE] = "wasm_import_table__",
        [EXTERNAL_MEMORY] = "wasm_import_memory__", [EXTERNAL_GLOBAL] = "wasm_import_global__",
        [EXTERNAL_TAG] = "wasm_import_tag__",
    };
    char *type = import_type_text(module, import);
    size_t type_length = type == NULL ? 0 : strlen(type);
    char *symbol =
        layout_alloc(strlen(prefix) + 32 + LAYOUT_MANGLED_MAX(import->module.length) +
                     LAYOUT_MANGLED_MAX(import->field.length) + LAYOUT_MANGLED_MAX(type_length));
    char *out = append(append(symbol, prefix), kinds[import->kind]);

    out = layout_mangle(out, import->module.bytes, import->module.length);
    out = append(out, "__");
    out = layout_mangle(out, import->field.bytes, import->field.length);
    if (type != NULL) {
        out = append(out, "__");
        out = layout_mangle(out, (const uint8_t *)type, type_length);
        free(type);
    }
    *out = '\0';
    return symbol;
}

char *layout_type_symbol(const struct module *module, uint32_t type)
{
    char *signature = layout_signature(module, type);
    char *symbol = layout_alloc(strlen(signature) + 16);

    sprintf(symbol, "wasm_type.%s", signature);
    free(signature);
    return symbol;
}

char *layout_function_symbol(const struct module *module, uint32_t index)
{
    const struct name *name = &module->functions[index].name;
    uint32_t length = name->length < FUNCTION_NAME_MAX ? name->length : FUNCTION_NAME_MAX;
    char *symbol = layout_alloc(length + 32u);
    int at = sprintf(symbol, "wasm.%u.", index);

    for (uint32_t i = 0; i < length; i++) {
        uint8_t c = name->bytes[i];
        /* '@' would be read as a symbol version by the linker. */
        symbol[at++] = c <= ' ' || c == 0x7f || c == '@' ? '_' : (char)c;
    }
    symbol[at] = '\0';
    return symbol;
}
