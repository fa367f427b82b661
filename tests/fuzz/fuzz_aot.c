/*
 * libFuzzer target: arbitrary bytes as a module. The decoder, the validator and the reader
 * of line tables must end in a message or in success, with memory in proportion to the input.
 */
#include <stddef.h>
#include <stdint.h>

#include "aot/debug_lines.h"
#include "tests/hosted/load_module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a small file may cost at most: the first blocks of the arena, and each byte some
 * hundred times. */
#define FIXED_BYTES    ((size_t)4 << 20)
#define BYTES_PER_BYTE 400u

static void compile(const uint8_t *data, size_t size, uint32_t features)
{
    struct diag diag;
    struct arena arena;

    diag_init(&diag, "fuzz");
    arena_init(&arena, &diag);
    arena.limit_bytes = FIXED_BYTES + size * BYTES_PER_BYTE;
    struct module *module = load_module(&arena, &diag, data, size, features);
    if (module != NULL) {
        debug_lines_decode(module);
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
