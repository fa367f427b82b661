/*
 * describe [-2] FILE...: decodes and validates modules as waferc does and says in JSON, one
 * line each, what they import and export, or why they are refused. The spec tests link
 * modules by it; starting LLVM for each of thousands of small files would take minutes.
 *
 * -2: with the features of WebAssembly 2.0 alone.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/hosted/load_module.h"

static void put_string(const uint8_t *bytes, size_t length)
{
    putchar('"');
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] < 0x20 || bytes[i] == '"' || bytes[i] == '\\' || bytes[i] == 0x7f) {
            printf("\\u%04x", bytes[i]);
        } else {
            putchar(bytes[i]);
        }
    }
    putchar('"');
}

static void put_text(const char *text)
{
    put_string((const uint8_t *)text, strlen(text));
}

static void put_name(const char *key, struct name name)
{
    printf("\"%s\":", key);
    put_string(name.bytes, name.length);
    putchar(',');
}

static void put_signature(const struct module *module, uint32_t type)
{
    size_t length = type_signature(module, type, NULL, 0);
    char *text = malloc(length + 1);
    if (text == NULL) {
        exit(1);
    }
    type_signature(module, type, text, length + 1);
    printf("\"type\":");
    put_text(text);
    free(text);
}

/* One value type, in the letters of type_signature. */
static void put_value_type(const struct module *module, value_type type)
{
    struct defined_type lone = {
        .composite = COMPOSITE_FUNC, .param_count = 1, .params = &type, .is_final = true};
    struct module view = *module;
    struct defined_type *types = calloc(module->type_count + 1u, sizeof(*types));
    if (types == NULL) {
        exit(1);
    }
    if (module->type_count != 0) {
        memcpy(types, module->types, module->type_count * sizeof(*types));
    }
    types[module->type_count] = lone;
    view.types = types;
    put_signature(&view, module->type_count);
    free(types);
}

static void put_limits(const struct limits *limits)
{
    printf("\"min\":%llu,", (unsigned long long)limits->minimum);
    if (limits->has_maximum) {
        printf("\"max\":%llu,", (unsigned long long)limits->maximum);
    }
    printf("\"is64\":%d,\"shared\":%d", limits->is_64, limits->is_shared);
}

static void put_external(const struct module *module, enum external_kind kind, uint32_t index)
{
    static const char *const kinds[] = {"function", "table", "memory", "global", "tag"};
    printf("\"kind\":\"%s\",\"index\":%u,", kinds[kind], index);
    switch (kind) {
    case EXTERNAL_FUNCTION:
        put_signature(module, module->functions[index].type);
        break;
    case EXTERNAL_TABLE:
        put_value_type(module, module->tables[index].element);
        putchar(',');
        put_limits(&module->tables[index].limits);
        break;
    case EXTERNAL_MEMORY:
        put_limits(&module->memories[index].limits);
        break;
    case EXTERNAL_GLOBAL:
        printf("\"mutable\":%d,", module->globals[index].is_mutable);
        put_value_type(module, module->globals[index].type);
        break;
    case EXTERNAL_TAG:
        put_signature(module, module->tags[index].type);
        break;
    }
}

static void put_module(const struct module *module)
{
    printf("{\"memories\":%u,\"imports\":[", module->memory_count);
    for (uint32_t i = 0; i < module->import_count; i++) {
        printf(i == 0 ? "{" : ",{");
        put_name("module", module->imports[i].module);
        put_name("field", module->imports[i].field);
        put_external(module, module->imports[i].kind, module->imports[i].index);
        putchar('}');
    }
    printf("],\"exports\":[");
    for (uint32_t i = 0; i < module->export_count; i++) {
        printf(i == 0 ? "{" : ",{");
        put_name("name", module->exports[i].name);
        put_external(module, module->exports[i].kind, module->exports[i].index);
        putchar('}');
    }
    printf("]}\n");
}

static uint8_t *read_file(const char *path, size_t *length)
{
    int file = open(path, O_RDONLY);
    struct stat stat;
    if (file < 0 || fstat(file, &stat) != 0) {
        perror(path);
        exit(2);
    }
    uint8_t *bytes = malloc((size_t)stat.st_size + 1);
    if (bytes == NULL || read(file, bytes, (size_t)stat.st_size) != stat.st_size) {
        perror(path);
        exit(2);
    }
    close(file);
    *length = (size_t)stat.st_size;
    return bytes;
}

static void describe(const char *path, uint32_t features)
{
    struct diag diag;
    struct arena arena;
    size_t length;
    uint8_t *bytes = read_file(path, &length);

    diag_init(&diag, path);
    arena_init(&arena, &diag);
    struct module *module = load_module(&arena, &diag, bytes, length, features);
    if (module != NULL) {
        put_module(module);
    } else {
        printf("{\"error\":");
        put_text(diag.message);
        printf("}\n");
    }
    arena_destroy(&arena);
    free(bytes);
}

int main(int argc, char **argv)
{
    uint32_t features = FEATURES_ALL;
    int first = 1;
    if (argc > 1 && strcmp(argv[1], "-2") == 0) {
        features = FEATURES_WASM_2;
        first = 2;
    }
    for (int i = first; i < argc; i++) {
        describe(argv[i], features);
    }
    return 0;
}
