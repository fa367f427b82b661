/*
 * The end of the machine by our own fault or by a machine we cannot run on: prints
 * the sentence and a backtrace, then machine_exit(EXIT_CODE_PANIC). Boot code says
 * what to change. Any context.
 */
#pragma once

#include <stdarg.h>

_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
