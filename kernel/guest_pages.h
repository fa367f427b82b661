/*
 * The pages behind linear memories and the Wasm stack: promised when the size grows,
 * given on first touch, cleared.
 *
 * A region's pages are reserved (kernel/pages.h) before its size says that they are
 * there, so a touch inside the size always succeeds and memory.grow alone can fail. A
 * 2 MiB chunk that lies inside the size when first touched gets one large page; else
 * 64 KiB, the Wasm page, come at a time. Normal kernel context; populate, in_window
 * and describe in the exception handler.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/base/address.h"

#define GUEST_REGIONS_MAX 17u

struct guest_region {
    uint64_t start;        /* virtual, 2 MiB aligned */
    uint64_t window_bytes; /* addresses that belong to it, mapped or not */
    uint64_t size_bytes;   /* accessible now */
    unsigned flags;        /* enum page_flag */
};

/* Registers a region of size 0; it lives for ever. ERR_NOSPC beyond GUEST_REGIONS_MAX. */
enum err guest_pages_register(struct guest_region *region) WARN_UNUSED;
/* Only upwards; whole 4 KiB pages. ERR_NOMEM changes nothing. */
enum err guest_pages_set_size(struct guest_region *region, uint64_t size_bytes) WARN_UNUSED;

/* Maps the page of a fault, if it lies inside a region's size and was merely absent. */
bool guest_pages_populate(uint64_t address, uint64_t error_code);
/*
 * Makes what paging_take_written says about the range as fine as 4 KiB, where there are pages
 * for the tables.
 */
void guest_pages_watch(uint64_t address, uint64_t size_bytes);
/* Whether the address belongs to a linear memory's window. */
bool guest_pages_in_window(uint64_t address);
/* One log line on where an out-of-bounds address lies. */
void guest_pages_describe(uint64_t address);

uint64_t guest_pages_resident_bytes(void);
/* The source of page tables: reserved pages while populating, else any. */
enum err guest_pages_table_page(struct phys_addr *out) WARN_UNUSED;
