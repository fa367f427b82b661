/*
 * Bounded printf-style formatting without floating point: %c %s %d %i %u %x %X %p %%
 * with -, 0, width, precision (* too) and the lengths hh h l ll z j t.
 * The caller owns the buffer; the result is always NUL-terminated when size is not
 * 0, and never longer than the buffer. Any context, hosted builds included.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Bytes that the whole text needs without its NUL, as vsnprintf answers. */
size_t fmt_format_list(char *out, size_t size_bytes, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
size_t fmt_format(char *out, size_t size_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
