/*
 * The kernel that fs/ sees in host tests: memory, clock, log and randomness, all under the
 * test's control. Memory comes from malloc, so the sanitizers watch every byte.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

extern uint64_t fake_now_ns;         /* advances by 1 with each look at the clock */
extern size_t fake_allocations_left; /* allocations fail once it is 0; SIZE_MAX: never */
extern size_t fake_free_pages;
extern size_t fake_live_pages; /* allocated and not freed */
extern unsigned fake_warning_count;
extern unsigned fake_error_count;

void fake_reset(void);
