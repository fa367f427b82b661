/*
 * libFuzzer target: arbitrary bytes through the whole compiler at -O0. A valid module must
 * become an object; code generation that stops with a message, or LLVM's verifier, is
 * our bug and ends the process.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "aot/codegen.h"
#include "tests/hosted/load_module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger modules only take longer. */
#define CODE_BYTES_MAX (16u << 10)

static void generate(struct module *module)
{
    struct options options = {
        .input = "fuzz.wasm",
        .symbol_prefix = "",
        .optimization = 0,
        .cpu = CPU_X86_64_V2,
        .thread_count = 1,
        .unit_count = 1,
        .wants_exports = true,
        .debug_info = DEBUG_INFO_ALL,
        .features = FEATURES_ALL,
    };
    struct codegen gen;
    struct codegen_output output;

    codegen_plan(&gen, module, &options);
    codegen_run(&gen, &output);
    for (uint32_t i = 0; i < output.count; i++) {
        LLVMDisposeMemoryBuffer(output.buffers[i]);
    }
    free(output.buffers);
    codegen_destroy(&gen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_ready;
    struct diag diag;
    struct arena arena;

    if (!is_ready) {
        target_initialize();
        is_ready = true;
    }
    diag_init(&diag, "fuzz");
    arena_init(&arena, &diag);
    struct module *module = load_module(&arena, &diag, data, size, FEATURES_ALL);
    if (module != NULL && module->code_section_end - module->code_section_start < CODE_BYTES_MAX &&
        module->function_count < 1000) {
        generate(module);
    }
    arena_destroy(&arena);
    return 0;
}
