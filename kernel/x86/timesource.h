/*
 * Where time comes from on this machine: the time stamp counter, its frequency, and
 * one reading of the wall clock. Initialised once at boot; the readings in any context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Finds the TSC's frequency. Needs paging. Names its source, or NULL: none found. */
const char *timesource_initialize(void);
uint64_t timesource_hz(void);
/* Nanoseconds since timesource_initialize. */
uint64_t timesource_ns(void);
/*
 * Makes a measured frequency exact once enough time has passed; called now and then from
 * normal kernel context. Time neither jumps nor goes back.
 */
void timesource_refine(void);
/* The TSC value at which timesource_ns will show `ns`. */
uint64_t timesource_tsc_at(uint64_t ns);
void timesource_spin_ns(uint64_t ns);
/* Unix time now in nanoseconds from the host; false when the machine has no such clock. */
bool timesource_wall_ns(uint64_t *out);
