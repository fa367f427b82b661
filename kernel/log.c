#include "kernel/log.h"

#include <stdarg.h>

#include "kernel/base/fmt.h"
#include "kernel/clock.h"
#include "kernel/console.h"

#define LINE_MAX_BYTES 512u

static enum log_level threshold = LOG_WARNING;

void log_set_level(enum log_level level)
{
    threshold = level;
}

void log_write(enum log_level level, const char *tag, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    if (level > threshold) {
        return;
    }
    char line[LINE_MAX_BYTES];
    uint64_t now = clock_monotonic_ns();
    size_t used =
        fmt_format(line, sizeof(line), "[%3u.%06u] %s %s: ", (unsigned)(now / 1000000000u),
                   (unsigned)(now / 1000u % 1000000u), names[level], tag);
    used = used < sizeof(line) ? used : sizeof(line) - 1;
    va_list arguments;
    va_start(arguments, format);
    used += fmt_format_list(line + used, sizeof(line) - used, format, arguments);
    va_end(arguments);
    /* A line too long loses its tail, never its end. */
    used = used < sizeof(line) ? used : sizeof(line) - 1;
    line[used] = '\n';
    console_write(CONSOLE_LOG, line, used + 1);
}
