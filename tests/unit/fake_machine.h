/*
 * The kernel services that drivers use, on the host: pages, heap, log, clock, random.
 *
 * Physical addresses are host addresses less DIRECT_MAP_BASE, so that phys_to_virt works
 * as it stands. Pages and heap blocks are counted; fake_pages_limit makes memory short.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct fake_machine {
    size_t pages_in_use;
    size_t pages_limit; /* pages_allocate fails beyond */
    size_t pages_total; /* what pages_total_count answers */
    size_t heap_blocks;
    uint64_t now_ns; /* each look at the clock adds clock_step_ns */
    uint64_t clock_step_ns;
    unsigned log_errors;
    unsigned log_warnings;
    char last_log[256];
    unsigned seeded_bytes;
    unsigned line_handlers;
};

extern struct fake_machine fake_machine;

/* Frees all pages and heap blocks and forgets everything. */
void fake_machine_reset(void);
