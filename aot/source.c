#define _GNU_SOURCE /* memfd_create */
#include "aot/source.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static _Noreturn void source_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void source_fail(const char *format, ...)
{
    va_list arguments;

    fputs("waferc: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static bool path_is_text(const char *path)
{
    size_t length = strlen(path);

    return length > 4 && strcmp(path + length - 4, ".wat") == 0;
}

/* wat2wasm writes to a file without a name that only the two processes hold. */
static int convert_text(const char *path)
{
    int file = memfd_create("waferc-wat", 0);
    char output[64];
    char program[] = "wat2wasm";
    char all[] = "--enable-all";
    char names[] = "--debug-names";
    char output_option[] = "-o";
    char *input = strdup(path);
    char *const arguments[] = {program, all, names, input, output_option, output, NULL};
    pid_t child;
    int status;

    if (file < 0 || input == NULL) {
        source_fail("cannot make a temporary file: %s", strerror(errno));
    }
    snprintf(output, sizeof(output), "/proc/%ld/fd/%d", (long)getpid(), file);
    int error = posix_spawnp(&child, program, NULL, NULL, arguments, environ);
    free(input);
    if (error != 0) {
        source_fail("%s is text, and wat2wasm cannot be started (%s): install the package wabt",
                    path, strerror(error));
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        source_fail("%s: wat2wasm rejected it", path);
    }
    return file;
}

void source_load(struct source *out, const char *path)
{
    struct stat status;
    int file = path_is_text(path) ? convert_text(path) : open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0 || fstat(file, &status) != 0) {
        source_fail("cannot read %s: %s", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        source_fail("cannot read %s: not a regular file", path);
    }
    out->length = (size_t)status.st_size;
    out->bytes = (const uint8_t *)"";
    if (out->length > 0) {
        out->bytes = mmap(NULL, out->length, PROT_READ, MAP_PRIVATE, file, 0);
        if (out->bytes == MAP_FAILED) {
            source_fail("cannot map %s: %s", path, strerror(errno));
        }
    }
    close(file);
}

void source_unload(struct source *source)
{
    if (source->length > 0) {
        union {
            const uint8_t *bytes;
            void *start;
        } mapping = {.bytes = source->bytes};
        munmap(mapping.start, source->length);
    }
}
