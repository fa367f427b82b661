/*
 * The names behind WASI's numbers. A number without a name is shown as it is. Any context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "trace/text.h"

void trace_text_clock(struct trace_text *text, uint64_t value);
void trace_text_filetype(struct trace_text *text, uint64_t value);
void trace_text_event(struct trace_text *text, uint64_t value);
/* `kind` as in trace/calls.def: o, d, T, i, h or l. */
void trace_text_flags(struct trace_text *text, char kind, uint64_t value);
void trace_text_whence(struct trace_text *text, uint64_t value, bool is_snapshot0);
/* preview 1's name of an errno number in capitals; NULL for none. */
const char *trace_errno_name(uint32_t number);
