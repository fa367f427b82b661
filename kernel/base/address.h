/*
 * Physical addresses and the page sizes of the machine. Plain types; any context,
 * hosted builds included.
 */
#pragma once

#include <stdint.h>

#define PAGE_BYTES       4096u
#define LARGE_PAGE_BYTES (2u << 20)

struct phys_addr {
    uint64_t value;
};

/* All usable RAM is mapped, writable and no-execute, from here up. */
#define DIRECT_MAP_BASE 0xffff800000000000ull

static inline void *phys_to_virt(struct phys_addr address)
{
    return (void *)(uintptr_t)(DIRECT_MAP_BASE + address.value);
}
