/*
 * A sampling profiler: every so often the timer records where the machine was, kernel
 * and Wasm functions alike. Off unless the command line has profile=HZ.
 *
 * The report goes to the log console at the end, one line a stack in the folded form of
 * flame graph tools: `wafer: sample outer;inner;innermost COUNT`. Sampling runs in
 * interrupt context, the rest in normal kernel context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/err.h"

/* ERR_INVAL or ERR_NOMEM leave it off. */
enum err profile_start(uint64_t samples_per_second) WARN_UNUSED;
/* 0 when off. */
uint64_t profile_period_ns(void);
void profile_sample(uint64_t rip, uint64_t rbp, bool idle);
void profile_report(void);
