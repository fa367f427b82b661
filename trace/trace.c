#include "trace/trace.h"

#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/config.h"
#include "kernel/console.h"
#include "kernel/panic.h"
#include "kernel/poweroff.h"
#include "trace/stats.h"
#include "trace/wrap.h"

const char trace_is_linked[1];

static const char *const category_names[] = {"wasi", "net", "disk", "memory"};

static struct {
    uint32_t categories; /* bits by enum trace_category */
    bool has_stats;
    bool has_ended;
} trace;

bool trace_is_on(enum trace_category category)
{
    return (trace.categories >> category & 1) != 0;
}

bool trace_stats_are_on(void)
{
    return trace.has_stats;
}

static void write_line(enum trace_category category, const struct trace_text *text,
                       const char *tail)
{
    char start[64];
    uint64_t now = clock_monotonic_ns();
    size_t length =
        fmt_format(start, sizeof(start), "[%3u.%06u] trace %s: ", (unsigned)(now / 1000000000u),
                   (unsigned)(now / 1000u % 1000000u), category_names[category]);

    console_write(CONSOLE_LOG, start, length);
    console_write(CONSOLE_LOG, text->bytes, text->used_bytes);
    console_write(CONSOLE_LOG, tail, strlen(tail));
}

static void flush_unfinished(void)
{
    const struct trace_text *unfinished = trace_take_unfinished();

    if (unfinished != NULL) {
        write_line(TRACE_WASI, unfinished, " ...\n");
    }
}

void trace_line(enum trace_category category, const struct trace_text *text)
{
    flush_unfinished();
    write_line(category, text, "\n");
}

/* ---- The command line --------------------------------------------------------------------------
 */

static void add_category(const char *list, const char *name, size_t length)
{
    if (length == 3 && strncmp(name, "all", length) == 0) {
        trace.categories = (1u << TRACE_CATEGORY_COUNT) - 1;
        return;
    }
    for (unsigned i = 0; i < TRACE_CATEGORY_COUNT; i++) {
        if (strlen(category_names[i]) == length && strncmp(name, category_names[i], length) == 0) {
            trace.categories |= 1u << i;
            return;
        }
    }
    panic("trace=%s: write a list of wasi, net, disk, memory, or all", list);
}

static void read_categories(const char *list)
{
    const char *at = list;

    for (;;) {
        size_t length = 0;
        while (at[length] != '\0' && at[length] != ',') {
            length++;
        }
        add_category(list, at, length);
        if (at[length] == '\0') {
            return;
        }
        at += length + 1;
    }
}

/* The host learns from this line that the image has what was asked for. */
static void announce(void)
{
    static const char line[] = "wafer: observing\n";

    console_write(CONSOLE_LOG, line, sizeof(line) - 1);
}

const struct config *__wrap_config_read(const char *boot_line, size_t boot_line_bytes)
{
    const struct config *config = __real_config_read(boot_line, boot_line_bytes);
    const char *categories = cmdline_value(&config->line, "trace");
    const char *counting = cmdline_value(&config->line, "stats");

    if (categories != NULL) {
        read_categories(categories);
    }
    trace.has_stats = counting != NULL && strcmp(counting, "0") != 0;
    if (trace.has_stats || trace.categories != 0) {
        announce();
    }
    return config;
}

_Noreturn void __wrap_machine_exit(uint32_t code)
{
    /* Once, whatever goes wrong in it. */
    if (!trace.has_ended) {
        trace.has_ended = true;
        flush_unfinished();
        if (trace.has_stats) {
            stats_report(code);
        }
    }
    __real_machine_exit(code);
}
