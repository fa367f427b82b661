/*
 * waferc for many small modules in one process: starting LLVM costs more than compiling one
 * of them. Reads "LEVEL CPU PREFIX INPUT OUTPUT" from each line of stdin, CPU being 2, 3 or 4
 * (enum cpu_level). Answers each line with "ok" or with the sentence that refuses the module.
 * Where waferc would end the process, it ends, and the line has no answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/codegen.h"
#include "aot/object.h"
#include "tests/hosted/load_module.h"

#define LINE_BYTES 4096

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "compile_batch: %s\n", what);
    exit(2);
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        give_up(path);
    }
    long length = ftell(file);
    uint8_t *bytes = malloc((size_t)length + 1);
    rewind(file);
    if (length < 0 || bytes == NULL || fread(bytes, 1, (size_t)length, file) != (size_t)length) {
        give_up(path);
    }
    fclose(file);
    *size = (size_t)length;
    return bytes;
}

static void compile(const struct options *options)
{
    struct diag diag;
    struct arena arena;
    size_t size;
    uint8_t *bytes = read_file(options->input, &size);

    diag_init(&diag, options->input);
    arena_init(&arena, &diag);
    struct module *module = load_module(&arena, &diag, bytes, size, FEATURES_ALL);
    if (module != NULL) {
        struct codegen gen;
        struct codegen_output output;
        codegen_plan(&gen, module, options);
        codegen_run(&gen, &output);
        codegen_destroy(&gen);
        object_write(options->output, EMIT_OBJECT, &output);
    }
    puts(module != NULL ? "ok" : diag.message);
    fflush(stdout);
    arena_destroy(&arena);
    free(bytes);
}

int main(void)
{
    static char line[LINE_BYTES];

    target_initialize();
    while (fgets(line, sizeof(line), stdin) != NULL) {
        struct options options = {
            .thread_count = 1, .unit_count = 1, .wants_exports = true, .features = FEATURES_ALL};
        const char *level = strtok(line, " \n");
        const char *cpu = strtok(NULL, " \n");
        options.symbol_prefix = strtok(NULL, " \n");
        options.input = strtok(NULL, " \n");
        options.output = strtok(NULL, " \n");
        if (options.output == NULL) {
            give_up("a line is too short");
        }
        options.optimization = (unsigned)atoi(level);
        options.cpu = (enum cpu_level)atoi(cpu);
        compile(&options);
    }
    return 0;
}
