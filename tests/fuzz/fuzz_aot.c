/*
 * libFuzzer target: arbitrary bytes as a module. The decoder, the validator and the readers
 * of debug information must end in a message or in success, with memory in proportion to the input.
 */
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include "aot/debug_lines.h"
#include "aot/debug_scopes.h"
#include "tests/hosted/load_module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a small file may cost at most: the first blocks of the arena, and each byte some
 * hundred times. */
#define FIXED_BYTES    ((size_t)4 << 20)
#define BYTES_PER_BYTE 400u

/* What a function's variables may cost comes on top, and is given back. Want of memory ends
 * it all, as it would end the compiler. */
static void read_debug_information(struct module *module)
{
    jmp_buf escape;
    module->diag->escape = &escape;
    if (setjmp(escape) != 0) {
        return;
    }
    debug_lines_decode(module);
    const struct dwarf *dwarf = dwarf_decode(module);
    for (uint32_t i = 0; dwarf != NULL && i < module->function_count; i++) {
        if (module->functions[i].import == NULL) {
            struct arena arena;
            arena_init(&arena, module->diag);
            debug_function_read(dwarf, &module->functions[i], &arena);
            arena_destroy(&arena);
        }
    }
}

static void compile(const uint8_t *data, size_t size, uint32_t features)
{
    struct diag diag;
    struct arena arena;

    diag_init(&diag, "fuzz");
    arena_init(&arena, &diag);
    arena.limit_bytes = FIXED_BYTES + size * BYTES_PER_BYTE;
    struct module *module = load_module(&arena, &diag, data, size, features);
    if (module != NULL) {
        read_debug_information(module);
    } else if (diag.message[0] == 0) {
        __builtin_trap();
    }
    arena_destroy(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    compile(data, size, FEATURES_ALL);
    compile(data, size, FEATURES_WASM_2);
    return 0;
}
