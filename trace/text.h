/*
 * One line of a trace, put together piece by piece in a buffer of its own.
 *
 * A line too long loses its tail. Nothing that came from the guest or the network reaches it as
 * it is: trace_text_quote writes what is not printable ASCII as an escape, so that a line is a
 * line and a terminal stays what it is. The caller owns the buffer; any context; hosted builds
 * included.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_TEXT_BYTES 768u

struct trace_text {
    size_t used_bytes;
    char bytes[TRACE_TEXT_BYTES]; /* not terminated */
};

void trace_text_clear(struct trace_text *text);
void trace_text_add(struct trace_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "like this\n"; `is_cut` puts ... behind it: there was more. */
void trace_text_quote(struct trace_text *text, const void *data, size_t size_bytes, bool is_cut);
/* Names of the bits of `value`, lowest first, separated by |; what has no name in hexadecimal. */
void trace_text_bits(struct trace_text *text, uint64_t value, const char *const *names,
                     size_t name_count);
