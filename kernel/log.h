/*
 * The kernel's log: whole lines with a subsystem tag, on the log console.
 *
 * Quiet by default: only LOG_ERROR and LOG_WARNING appear unless the command line
 * has log=info or log=debug. Any context but fault handlers (those use panic.h).
 */
#pragma once

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
void log_write(enum log_level level, const char *tag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(tag, ...)   log_write(LOG_ERROR, tag, __VA_ARGS__)
#define log_warning(tag, ...) log_write(LOG_WARNING, tag, __VA_ARGS__)
#define log_info(tag, ...)    log_write(LOG_INFO, tag, __VA_ARGS__)
#define log_debug(tag, ...)   log_write(LOG_DEBUG, tag, __VA_ARGS__)
