/*
 * The page tables (SDM 3A §4.5), the only ones for the life of the machine.
 *
 *   0x0000000000000000  linear memory 0: 8 GiB, user-accessible, no-execute
 *   0xffff800000000000  direct map of RAM
 *   0xffff900000000000  device memory, uncached
 *   0xffffb00000000000  the Wasm stack between unmapped gaps
 *   0xffffc00000000000  further linear memories
 *   0xffffffffc0000000  kernel image and compiled code
 *
 * Tables take their pages from the allocator given to paging_initialize and are never
 * freed. Normal kernel context, except paging_lookup and paging_map_page, which
 * the page fault handler calls too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/address.h"
#include "kernel/base/err.h"
#include "kernel/x86/io.h"

#define MMIO_AREA_BASE        0xffff900000000000ull
#define WASM_STACK_AREA_BASE  0xffffb00000000000ull
#define WASM_MEMORY_AREA_BASE 0xffffc00000000000ull
#define KERNEL_IMAGE_BASE     0xffffffffc0000000ull

/* Bits of an entry that callers choose (SDM 3A table 4-20). */
enum page_flag {
    PAGE_WRITABLE_BIT = 1u << 1,
    PAGE_USER_BIT = 1u << 2,
    PAGE_UNCACHED_BIT = 1u << 3,
    PAGE_EXECUTABLE_BIT = 1u << 4,
};

/*
 * Makes [address, address + size) of device memory accessible. Any alignment; may be
 * called again for the same registers. ERR_INVAL for an impossible range, ERR_NOMEM.
 */
enum err mmio_map(struct phys_addr address, uint64_t size_bytes, struct mmio *out) WARN_UNUSED;
