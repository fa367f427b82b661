/*
 * Time. Nanoseconds everywhere; monotonic time starts near 0 at boot and never
 * steps; real time is Unix time. Any context; never blocks.
 */
#pragma once

#include <stdint.h>

uint64_t clock_monotonic_ns(void);
uint64_t clock_realtime_ns(void);
/* The smallest difference either clock can show, in ns, at least 1. */
uint64_t clock_resolution_ns(void);
/* CPU time used since boot: monotonic time less the time spent halted. */
uint64_t clock_cpu_ns(void);
