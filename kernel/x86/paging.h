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
 * The image's text and rodata are not in the direct map: no page has a writable alias
 * of code. Tables take their pages from the allocator given to paging_initialize and are never
 * freed. Normal kernel context, except paging_lookup and paging_map_page, which
 * the page fault handler calls too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/address.h"
#include "kernel/base/err.h"
#include "kernel/base/ranges.h"
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

/* One 4 KiB page, not cleared; below 4 GiB until paging_initialize has returned. */
typedef enum err paging_page_source(struct phys_addr *out);

/*
 * Builds the tables for the direct map of `ram` and for the image, then loads them:
 * the low half of the address space is empty afterwards. ERR_NOMEM.
 */
enum err paging_initialize(const struct ranges *ram, paging_page_source *source) WARN_UNUSED;

/*
 * Maps whole pages, with the largest page size that both addresses allow. What was
 * mapped there before must not be (ERR_EXIST). ERR_NOMEM may leave a part mapped.
 */
enum err paging_map(uint64_t virtual_address, struct phys_addr address, uint64_t size_bytes,
                    unsigned flags) WARN_UNUSED;

/* Whether the 2 MiB around the address are cut into 4 KiB pages. */
bool paging_has_table(uint64_t virtual_address);

/*
 * Cuts the 2 MiB pages in the range into 4 KiB pages, which paging_take_written can tell apart.
 * ERR_NOMEM leaves a part as it was.
 */
enum err paging_cut(uint64_t virtual_address, uint64_t size_bytes) WARN_UNUSED;

/*
 * The first 4 KiB page between the addresses that was written to since this function last
 * returned it, by the processor's dirty bits (SDM 3A §4.8); `end` when there is none. What is
 * not mapped, or not by 4 KiB pages, counts as written every time. Writes through another
 * mapping of the same memory, and by devices, do not show.
 */
uint64_t paging_take_written(uint64_t start, uint64_t end);

/* One translation, for reports and self-tests. */
struct paging_entry {
    uint64_t page_bytes; /* 4 KiB, 2 MiB or 1 GiB */
    struct phys_addr address;
    unsigned flags; /* enum page_flag */
};
bool paging_lookup(uint64_t virtual_address, struct paging_entry *out);

/* Visits every mapping in order; for self-tests and `log=debug`. */
typedef void paging_visitor(void *context, uint64_t virtual_address,
                            const struct paging_entry *entry);
void paging_visit(paging_visitor *visitor, void *context);
