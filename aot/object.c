#include "aot/object.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static _Noreturn void object_fail(const char *path, const char *why)
{
    fprintf(stderr, "waferc: cannot write %s: %s\n", path, why);
    exit(1);
}

static void write_buffers(const char *path, LLVMMemoryBufferRef *buffers, uint32_t count)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL) {
        object_fail(path, strerror(errno));
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t size = LLVMGetBufferSize(buffers[i]);
        if (fwrite(LLVMGetBufferStart(buffers[i]), 1, size, file) != size) {
            int error = errno;
            fclose(file);
            unlink(path);
            object_fail(path, strerror(error));
        }
    }
    if (fclose(file) != 0) {
        int error = errno;
        unlink(path);
        object_fail(path, strerror(error));
    }
}

static char *part_path(const char *path, uint32_t index)
{
    char *out = malloc(strlen(path) + 32);

    if (out == NULL) {
        object_fail(path, "out of memory");
    }
    sprintf(out, "%s.part%u.o", path, index);
    return out;
}

/* ld -r, looked up in PATH: binutils is there wherever an image is linked. */
static bool run_linker(char *const *arguments)
{
    pid_t child;
    int status;

    return posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ) == 0 &&
           waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void join_objects(const char *path, struct codegen_output *output)
{
    char program[] = "ld";
    char relocatable[] = "-r";
    char output_option[] = "-o";
    char *target = strdup(path);
    char **arguments = calloc(output->count + 5u, sizeof(*arguments));

    if (arguments == NULL || target == NULL) {
        object_fail(path, "out of memory");
    }
    arguments[0] = program;
    arguments[1] = relocatable;
    arguments[2] = output_option;
    arguments[3] = target;
    for (uint32_t i = 0; i < output->count; i++) {
        arguments[4 + i] = part_path(path, i);
        write_buffers(arguments[4 + i], &output->buffers[i], 1);
    }
    bool joined = run_linker(arguments);
    for (uint32_t i = 0; i < output->count; i++) {
        unlink(arguments[4 + i]);
        free(arguments[4 + i]);
    }
    free(arguments);
    free(target);
    if (!joined) {
        unlink(path);
        object_fail(path, "ld -r failed (is binutils installed?)");
    }
}

void object_write(const char *path, enum emit_kind kind, struct codegen_output *output)
{
    if (kind == EMIT_OBJECT && output->count > 1) {
        join_objects(path, output);
    } else {
        write_buffers(path, output->buffers, output->count);
    }
    for (uint32_t i = 0; i < output->count; i++) {
        LLVMDisposeMemoryBuffer(output->buffers[i]);
    }
    free(output->buffers);
}
