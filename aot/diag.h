/*
 * The one place where bad input ends a compilation.
 *
 * diag_fail formats "file: offset 0x1f: function 12 (name): rule text", then jumps
 * to diag->escape when the caller set one (tests, fuzzers, a driver that wants to
 * clean up; the text stays in diag->message), else prints the text to stderr and
 * exits with status 1. One struct diag per thread.
 */
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIAG_NO_OFFSET   UINT64_MAX
#define DIAG_NO_FUNCTION UINT32_MAX

struct diag {
    const char *file;
    jmp_buf *escape; /* NULL: print and exit */
    /* The function being read, for the text; DIAG_NO_FUNCTION outside of one. */
    uint32_t function;
    /* Writes the name of a function; NULL when names are not known. */
    void (*function_name)(const void *context, uint32_t function, char *text, size_t text_bytes);
    const void *function_name_context;
    char message[1024];
};

void diag_init(struct diag *diag, const char *file);

/* `offset` is a byte offset in the file or DIAG_NO_OFFSET. */
_Noreturn void diag_fail(struct diag *diag, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
