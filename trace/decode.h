/*
 * A WASI call as text, as strace would show it.
 *
 * The arguments are the guest's: every pointer among them is followed through
 * wasi/guest_memory.h alone, and what lies outside its memory is shown as such. Formats are
 * those of trace/calls.def. Normal kernel context, or a test; nothing is kept.
 */
#pragma once

#include <stdint.h>

#include "trace/text.h"

#define TRACE_ARGUMENTS_MAX 10u

/* name(arguments: what goes in, to the closing parenthesis. */
void trace_decode_call(struct trace_text *text, const char *name, const char *format,
                       const uint64_t *arguments);
/* " = 0 results" or " = 44 NOENT". */
void trace_decode_result(struct trace_text *text, const char *format, const uint64_t *arguments,
                         uint32_t result);
