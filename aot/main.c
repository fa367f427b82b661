/* waferc: one WebAssembly module in, one x86-64 object out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aot/codegen.h"
#include "aot/object.h"
#include "aot/options.h"
#include "aot/print.h"
#include "aot/source.h"

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The input's name with the suffix of what is written; the caller frees it. */
static char *output_path(const struct options *options)
{
    static const char *const suffixes[] = {
        [EMIT_OBJECT] = ".o", [EMIT_ASSEMBLY] = ".s", [EMIT_LLVM] = ".ll"};
    const char *base = options->output != NULL ? options->output : options->input;
    char *out = malloc(strlen(base) + 8);

    if (out == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    strcpy(out, base);
    if (options->output == NULL) {
        char *dot = strrchr(out, '.');
        if (dot != NULL && strchr(dot, '/') == NULL && dot != out) {
            *dot = '\0';
        }
        strcat(out, suffixes[options->emit]);
    }
    return out;
}

static void compile(struct module *module, const struct options *options)
{
    struct codegen gen;
    struct codegen_output output;
    char *path = output_path(options);

    target_initialize();
    codegen_plan(&gen, module, options);
    codegen_run(&gen, &output);
    codegen_destroy(&gen);
    object_write(path, options->emit, &output);
    free(path);
}

int main(int argc, char **argv)
{
    struct options options;
    struct source source;
    struct diag diag;
    struct arena arena;

    options_parse(&options, argc, argv);
    source_load(&source, options.input);
    double start = seconds();
    diag_init(&diag, options.input);
    arena_init(&arena, &diag);
    struct module *module =
        module_decode(&arena, &diag, source.bytes, source.length, options.features);
    module_validate(module);
    double validated = seconds();
    if (module->hint_warning != NULL) {
        fprintf(stderr, "waferc: warning: %s: %s\n", options.input, module->hint_warning);
    }
    print_module(module, &options);
    if (!options.validate_only && (options.print == 0 || options.output != NULL)) {
        compile(module, &options);
    }
    if (options.wants_stats) {
        fprintf(stderr, "%s: %zu bytes, %u functions, read %.3f s, compiled %.3f s\n",
                options.input, source.length, module->function_count, validated - start,
                seconds() - validated);
    }
    arena_destroy(&arena);
    source_unload(&source);
    return 0;
}
