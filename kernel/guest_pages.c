#include "kernel/guest_pages.h"

#include <stddef.h>

#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "kernel/base/wasm_abi.h"
#include "kernel/console.h"
#include "kernel/pages.h"
#include "kernel/panic.h"
#include "kernel/x86/idt.h"
#include "kernel/x86/paging.h"

#define BYTES_PER_TABLE     ((uint64_t)LARGE_PAGE_BYTES)
#define BYTES_PER_DIRECTORY (BYTES_PER_TABLE * 512)

static struct {
    size_t count;
    struct guest_region *regions[GUEST_REGIONS_MAX];
    uint64_t resident_bytes;
    bool populating;
} guest;

enum err guest_pages_register(struct guest_region *region)
{
    if (guest.count == GUEST_REGIONS_MAX) {
        return ERR_NOSPC;
    }
    region->size_bytes = 0;
    guest.regions[guest.count++] = region;
    return ERR_OK;
}

static uint64_t round_up_divide(uint64_t value, uint64_t unit)
{
    return value / unit + (value % unit != 0 ? 1 : 0);
}

/* Pages that a size may need at worst: data, page tables and directories. */
static uint64_t pages_for(uint64_t size_bytes)
{
    if (size_bytes == 0) {
        return 0;
    }
    return round_up_divide(size_bytes, PAGE_BYTES) + round_up_divide(size_bytes, BYTES_PER_TABLE) +
           round_up_divide(size_bytes, BYTES_PER_DIRECTORY) + 1;
}

enum err guest_pages_set_size(struct guest_region *region, uint64_t size_bytes)
{
    if (size_bytes < region->size_bytes || size_bytes > region->window_bytes) {
        return ERR_INVAL;
    }
    enum err error = pages_reserve((size_t)(pages_for(size_bytes) - pages_for(region->size_bytes)));
    if (error == ERR_OK) {
        region->size_bytes = size_bytes;
    }
    return error;
}

enum err guest_pages_table_page(struct phys_addr *out)
{
    return guest.populating ? pages_take_reserved(out) : pages_allocate(1, out);
}

static struct guest_region *region_of(uint64_t address)
{
    for (size_t i = 0; i < guest.count; i++) {
        if (address - guest.regions[i]->start < guest.regions[i]->window_bytes) {
            return guest.regions[i];
        }
    }
    return NULL;
}

static bool populate_large(const struct guest_region *region, uint64_t offset)
{
    uint64_t start = offset & ~(uint64_t)(LARGE_PAGE_BYTES - 1);
    struct phys_addr page;
    if (start + LARGE_PAGE_BYTES > region->size_bytes || paging_has_table(region->start + start) ||
        pages_take_reserved_large(&page) != ERR_OK) {
        return false;
    }
    memset(phys_to_virt(page), 0, LARGE_PAGE_BYTES);
    if (paging_map(region->start + start, page, LARGE_PAGE_BYTES, region->flags) != ERR_OK) {
        panic("no page table for guest memory that was promised");
    }
    guest.resident_bytes += LARGE_PAGE_BYTES;
    return true;
}

static void populate_small(const struct guest_region *region, uint64_t offset)
{
    uint64_t start = offset & ~(uint64_t)(WASM_PAGE_BYTES - 1);
    uint64_t end = start + WASM_PAGE_BYTES;
    end = end < region->size_bytes ? end : region->size_bytes;
    for (uint64_t at = start; at < end; at += PAGE_BYTES) {
        struct phys_addr page;
        if (pages_take_reserved(&page) != ERR_OK) {
            panic("no page for guest memory that was promised");
        }
        memset(phys_to_virt(page), 0, PAGE_BYTES);
        if (paging_map(region->start + at, page, PAGE_BYTES, region->flags) != ERR_OK) {
            panic("no page table for guest memory that was promised");
        }
        guest.resident_bytes += PAGE_BYTES;
    }
}

bool guest_pages_populate(uint64_t address, uint64_t error_code)
{
    if ((error_code & (PAGE_FAULT_PRESENT_BIT | PAGE_FAULT_FETCH_BIT)) != 0) {
        return false;
    }
    const struct guest_region *region = region_of(address);
    if (region == NULL || address - region->start >= region->size_bytes) {
        return false;
    }
    guest.populating = true;
    uint64_t offset = address - region->start;
    if (!populate_large(region, offset)) {
        populate_small(region, offset);
    }
    guest.populating = false;
    return true;
}

/* A table for each 2 MiB was promised with the memory, and a large page has not used it. */
void guest_pages_watch(uint64_t address, uint64_t size_bytes)
{
    guest.populating = true;
    (void)paging_cut(address, size_bytes);
    guest.populating = false;
}

bool guest_pages_in_window(uint64_t address)
{
    /* An access that begins in the window may end, and fault, just behind it. */
    for (size_t i = 0; i < guest.count; i++) {
        const struct guest_region *region = guest.regions[i];
        if ((region->flags & PAGE_USER_BIT) != 0 &&
            address - region->start < region->window_bytes + PAGE_BYTES) {
            return true;
        }
    }
    return false;
}

void guest_pages_describe(uint64_t address)
{
    const struct guest_region *region = region_of(address);
    if (region == NULL) {
        return;
    }
    char line[128];
    size_t length = fmt_format(line, sizeof(line), "  address 0x%llx, memory size 0x%llx\n",
                               (unsigned long long)(address - region->start),
                               (unsigned long long)region->size_bytes);
    console_write(CONSOLE_LOG, line, length);
}

uint64_t guest_pages_resident_bytes(void)
{
    return guest.resident_bytes;
}
