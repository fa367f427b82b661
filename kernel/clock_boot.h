/*
 * Start-up of kernel/clock.h and the account of halted time that wait.c keeps. Normal
 * kernel context.
 */
#pragma once

#include <stdint.h>

/* Panics, saying what to change, on a machine without a usable clock. */
void clock_initialize(void);
void clock_add_halted_ns(uint64_t ns);
