/*
 * The battery-backed clock of a PC (Motorola MC146818A). Takes up to a millisecond; any
 * context, once at boot.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Unix time in nanoseconds, to the second; false without such a clock. */
bool rtc_read_ns(uint64_t *out);
