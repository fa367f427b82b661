/*
 * The observing part: traces and statistics for images that are linked with it (image.mk's
 * OBSERVE), which replaces some symbols of the kernel by ld's --wrap (trace/wrap.list) and the
 * import thunks by its own. A plain image contains nothing of it and pays nothing.
 *
 * Command line: trace=wasi,net,disk,memory (or all), and stats=1. A trace line on the log
 * console is
 *
 *     [  1.234567] trace wasi: fd_close(fd=5) = 0 <3 us>
 *
 * and statistics are one line at the end, `wafer: stats ` and a JSON object. Normal kernel
 * context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "trace/text.h"

enum trace_category { TRACE_WASI, TRACE_NET, TRACE_DISK, TRACE_MEMORY, TRACE_CATEGORY_COUNT };

/* For kernel/config.c: that the words are known. */
extern const char trace_is_linked[1];

bool trace_is_on(enum trace_category category);
bool trace_stats_are_on(void);

/* Writes the text as one line; a call that is in progress is shown as unfinished before it. */
void trace_line(enum trace_category category, const struct trace_text *text);

/* calls.c: the text of a call that has not returned yet, once; NULL for none. */
const struct trace_text *trace_take_unfinished(void);
