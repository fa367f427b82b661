/*
 * Runs one translated .wast file: the modules are linked in, a script on stdin says what to
 * call and what to expect. tests/spec/ writes both. Prints one line for each failure and
 * at the end "<passed> <failed>".
 *
 * Script lines (names in hexadecimal, "-" for the empty one; '_' for a space in texts):
 *   limits LINE EXPORTER NAME MINIMUM   the next module needs an export at least this large
 *   module LINE INSTANCE OUTCOME        instantiate; OUTCOME: ok, unlinkable, trap TEXT
 *   call LINE INSTANCE NAME COUNT ARGUMENT... OUTCOME
 *                                       OUTCOME: any, return COUNT PATTERN..., trap TEXT
 *   get LINE INSTANCE NAME PATTERN      the value of an exported global
 *   memory LINE INSTANCE NAME PAGES HASH
 *                                       size of an exported memory, and FNV-1a over its
 *                                       32-bit words in hex
 * TEXT may hold alternatives between '|'.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/hosted/host.h"
#include "tests/hosted/spec_script.h"

#define VALUE_MAX_COUNT 1100

/* Made by tests/spec/ for each file. */
struct spec_import {
    uint32_t importer;
    uint32_t exporter;
    const char *name; /* in hexadecimal */
    void *target;     /* the exporter's function, once looked up */
};
extern struct wasm_module *const spec_modules[];
extern const uint32_t spec_module_count;
extern struct spec_import spec_imports[];
extern const char spec_leave_stub[];

static unsigned passed;
static unsigned failed;
static bool next_is_unlinkable;

static void report(bool ok, const char *line, const char *what, const char *detail)
{
    if (ok) {
        passed++;
    } else {
        failed++;
        printf("line %s: %s: %s\n", line, what, detail);
    }
}

static _Noreturn void script_error(const char *what)
{
    fprintf(stderr, "script: %s\n", what);
    exit(72);
}

static char *word(void)
{
    char *text = strtok(NULL, " \n");
    if (text == NULL) {
        script_error("line too short");
    }
    return text;
}

static uint32_t number(void)
{
    return (uint32_t)strtoul(word(), NULL, 10);
}

static bool name_is(const struct wasm_export *export, const char *hex)
{
    if (strcmp(hex, "-") == 0) {
        return export->name_bytes == 0;
    }
    if (strlen(hex) != 2u * export->name_bytes) {
        return false;
    }
    for (uint32_t i = 0; i < export->name_bytes; i++) {
        char digits[3];
        snprintf(digits, sizeof(digits), "%02x", (unsigned char)export->name[i]);
        if (memcmp(digits, hex + 2u * i, 2) != 0) {
            return false;
        }
    }
    return true;
}

static const struct wasm_export *find_export(uint32_t instance, const char *hex)
{
    const struct wasm_module *module = spec_modules[instance];
    for (uint32_t i = 0; i < module->export_count; i++) {
        if (name_is(&module->exports[i], hex)) {
            return &module->exports[i];
        }
    }
    script_error("no such export");
}

/*
 * Calls between modules. An import is a thunk that asks spec_enter where to go. When the
 * exporter has another memory, it becomes the active one, and the call returns through
 * spec_leave_stub, whose real return address waits on a stack of our own.
 */
struct return_record {
    void *address;
    struct wasm_memory *memory;
};
#define RETURN_MAX_COUNT 100000
static struct return_record returns[RETURN_MAX_COUNT];
static size_t return_count;

void *spec_enter(uint32_t index, const void **return_slot);
void *spec_leave(void);

void *spec_enter(uint32_t index, const void **return_slot)
{
    struct spec_import *import = &spec_imports[index];
    struct wasm_memory *memory = spec_modules[import->exporter]->memory;
    if (import->target == NULL) {
        import->target = find_export(import->exporter, import->name)->address;
    }
    if (memory != NULL && memory != host_memory_active()) {
        if (return_count == RETURN_MAX_COUNT) {
            script_error("calls between modules are nested too deeply");
        }
        void *address;
        memcpy(&address, return_slot, sizeof(address));
        returns[return_count++] = (struct return_record){address, host_memory_active()};
        *return_slot = spec_leave_stub;
        host_memory_activate(memory);
    }
    return import->target;
}

void *spec_leave(void)
{
    struct return_record record = returns[--return_count];
    host_memory_activate(record.memory);
    return record.address;
}

struct call {
    const struct wasm_export *export;
    union wasm_value arguments[VALUE_MAX_COUNT];
    union wasm_value results[VALUE_MAX_COUNT];
};

static void call_export(void *argument)
{
    struct call *call = argument;
    call->export->invoke(call->arguments, call->results);
}

static void call_instantiate(void *argument)
{
    const struct wasm_module *module = argument;
    module->instantiate();
}

static enum wasm_trap run(uint32_t instance, void (*function)(void *argument), void *argument)
{
    return_count = 0;
    host_memory_activate(spec_modules[instance]->memory);
    return host_call(function, argument);
}

static bool trap_matches(enum wasm_trap trap, char *text)
{
    for (char *c = text; *c != 0; c++) {
        *c = *c == '_' ? ' ' : *c;
    }
    const char *have = host_trap_text(trap);
    char *rest = NULL;
    bool matches = false;
    for (char *one = strtok_r(text, "|", &rest); one != NULL; one = strtok_r(NULL, "|", &rest)) {
        size_t length = strlen(have) < strlen(one) ? strlen(have) : strlen(one);
        matches |= strncmp(have, one, length) == 0;
    }
    return trap != WASM_TRAP_NONE && matches;
}

static void do_limits(void)
{
    word();
    uint32_t exporter = number();
    const struct wasm_export *export = find_export(exporter, word());
    uint64_t minimum = strtoull(word(), NULL, 10);
    uint64_t size;
    if (export->kind == 2) {
        size = ((const struct wasm_memory *)export->address)->size_bytes / WASM_PAGE_BYTES;
    } else {
        size = ((const struct wasm_table *)export->address)->size;
    }
    next_is_unlinkable |= size < minimum;
}

static void do_module(void)
{
    const char *line = word();
    uint32_t instance = number();
    const char *outcome = word();
    bool is_unlinkable = next_is_unlinkable;
    next_is_unlinkable = false;
    if (is_unlinkable || strcmp(outcome, "unlinkable") == 0) {
        report(is_unlinkable && strcmp(outcome, "unlinkable") == 0, line, "module",
               is_unlinkable ? "does not link" : "links, but should not");
        return;
    }
    struct wasm_module *module = spec_modules[instance];
    for (uint64_t i = 0; i < module->memory_count; i++) {
        if (!host_memory_create(module->memories[i])) {
            report(false, line, "module", "its memory is too large for this host");
            return;
        }
    }
    enum wasm_trap trap = run(instance, call_instantiate, module);
    if (strcmp(outcome, "trap") == 0) {
        report(trap_matches(trap, word()), line, "module", host_trap_text(trap));
    } else {
        report(trap == WASM_TRAP_NONE, line, "module", host_trap_text(trap));
    }
}

static void check_results(const char *line, const struct call *call)
{
    uint32_t count = number();
    bool ok = true;
    char detail[160] = "";
    for (uint32_t i = 0; i < count && ok; i++) {
        char *pattern = word();
        uint64_t words[2];
        memcpy(words, &call->results[i], sizeof(words));
        snprintf(detail, sizeof(detail), "result %u: expected %s, found %llx (high half %llx)", i,
                 pattern, (unsigned long long)words[0], (unsigned long long)words[1]);
        ok = script_matches(pattern, &call->results[i]);
    }
    report(ok, line, "call", detail);
}

static void do_call(void)
{
    static struct call call;
    const char *line = word();
    uint32_t instance = number();
    call.export = find_export(instance, word());
    uint32_t count = number();
    if (count > VALUE_MAX_COUNT) {
        script_error("too many arguments");
    }
    for (uint32_t i = 0; i < count; i++) {
        call.arguments[i] = script_argument(word());
    }
    memset(call.results, 0x5a, sizeof(call.results[0]) * 16);
    const char *outcome = word();
    enum wasm_trap trap = run(instance, call_export, &call);
    if (strcmp(outcome, "trap") == 0) {
        report(trap_matches(trap, word()), line, "call", host_trap_text(trap));
    } else if (trap != WASM_TRAP_NONE) {
        report(false, line, "call", host_trap_text(trap));
    } else if (strcmp(outcome, "return") == 0) {
        check_results(line, &call);
    } else {
        report(true, line, "call", "");
    }
}

static void do_get(void)
{
    const char *line = word();
    uint32_t instance = number();
    const struct wasm_export *export = find_export(instance, word());
    union wasm_value value;
    memset(&value, 0, sizeof(value));
    bool is_small = export->type[0] == 'i' || export->type[0] == 'f';
    size_t bytes = is_small ? 4 : export->type[0] == 'V' ? 16 : 8;
    memcpy(&value, export->address, bytes);
    report(script_matches(word(), &value), line, "get", "a different value");
}

static void do_memory(void)
{
    const char *line = word();
    uint32_t instance = number();
    const struct wasm_memory *memory = find_export(instance, word())->address;
    uint32_t pages = number();
    uint32_t expected = (uint32_t)strtoul(word(), NULL, 16);
    uint32_t hash = 2166136261u;
    for (uint64_t at = 0; at < memory->size_bytes; at += sizeof(uint32_t)) {
        uint32_t word_value;
        memcpy(&word_value, memory->base + at, sizeof(word_value));
        hash = (hash ^ word_value) * 16777619u;
    }
    report(memory->size_bytes / WASM_PAGE_BYTES == pages && hash == expected, line, "memory",
           "other content or size");
}

int main(void)
{
    static char text[1 << 16];
    setvbuf(stdout, NULL, _IOLBF, 0);
    host_init();
    while (fgets(text, sizeof(text), stdin) != NULL) {
        const char *verb = strtok(text, " \n");
        if (verb == NULL) {
            continue;
        }
        if (strcmp(verb, "limits") == 0) {
            do_limits();
        } else if (strcmp(verb, "module") == 0) {
            do_module();
        } else if (strcmp(verb, "call") == 0) {
            do_call();
        } else if (strcmp(verb, "get") == 0) {
            do_get();
        } else if (strcmp(verb, "memory") == 0) {
            do_memory();
        } else {
            script_error("unknown verb");
        }
    }
    printf("%u %u\n", passed, failed);
    return 0;
}
