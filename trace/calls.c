/*
 * Every call of an imported function, before and after: kernel/x86/trace_entry.S calls the two
 * functions below around it, with the call's place in wasi/imports.def and its arguments.
 */
#include "trace/calls.h"

#include <stddef.h>

#include "kernel/base/assert.h"
#include "kernel/clock.h"
#include "trace/decode.h"
#include "trace/formats.h"
#include "trace/stats.h"
#include "trace/trace.h"

static const struct call {
    const char *name;
    const char *signature;
    const char *format;
} calls[] = {
#define IMPORT(module, field, signature, function) {#field, #signature, format_##function},
#include "wasi/imports.def"
#undef IMPORT
};
#define CALL_COUNT (sizeof(calls) / sizeof(calls[0]))

static struct {
    uint64_t count;
    uint64_t error_count;
    uint64_t ns;
} counts[CALL_COUNT];

static struct {
    uint64_t arguments[TRACE_ARGUMENTS_MAX];
    uint64_t start_ns;
    struct trace_text text;
    bool has_text;       /* it waits for its result */
    bool is_interrupted; /* its beginning has been written already */
} current;

const struct trace_text *trace_take_unfinished(void)
{
    if (!current.has_text) {
        return NULL;
    }
    current.has_text = false;
    current.is_interrupted = true;
    return &current.text;
}

/* The upper halves of registers that hold i32 are what compiled code left there. */
static void read_arguments(const char *signature, const uint64_t *arguments)
{
    for (size_t i = 0; i < TRACE_ARGUMENTS_MAX && signature[i] != '_'; i++) {
        current.arguments[i] = signature[i] == 'I' ? arguments[i] : (uint32_t)arguments[i];
    }
}

void trace_call_begin(uint32_t index, const uint64_t *arguments)
{
    ASSERT(index < CALL_COUNT);
    counts[index].count++;
    if (trace_is_on(TRACE_WASI)) {
        const struct call *call = &calls[index];
        read_arguments(call->signature, arguments);
        trace_text_clear(&current.text);
        trace_decode_call(&current.text, call->name, call->format, current.arguments);
        current.has_text = true;
        current.is_interrupted = false;
    }
    current.start_ns = clock_monotonic_ns();
}

void trace_call_end(uint32_t index, uint64_t result)
{
    uint64_t ns = clock_monotonic_ns() - current.start_ns;

    counts[index].ns += ns;
    counts[index].error_count += (uint32_t)result != 0 ? 1 : 0;
    if (!trace_is_on(TRACE_WASI)) {
        return;
    }
    if (current.is_interrupted) {
        trace_text_clear(&current.text);
        trace_text_add(&current.text, "... %s", calls[index].name);
    }
    current.has_text = false;
    trace_decode_result(&current.text, calls[index].format, current.arguments, (uint32_t)result);
    trace_text_add(&current.text, " <%llu us>", (unsigned long long)(ns / 1000));
    trace_line(TRACE_WASI, &current.text);
}

void trace_calls_report(void (*call)(const char *name, uint64_t count, uint64_t error_count,
                                     uint64_t ns))
{
    for (size_t i = 0; i < CALL_COUNT; i++) {
        if (counts[i].count != 0) {
            call(calls[i].name, counts[i].count, counts[i].error_count, counts[i].ns);
        }
    }
}
