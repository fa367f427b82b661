/* What the guest has written to, by the dirty bits of its pages. */
#include "kernel/guest_pages.h"
#include "kernel/mem.h"
#include "kernel/x86/paging.h"
#include "wasi/guest_memory.h"

static uint64_t virtual_address(struct guest_addr address)
{
    return (uint64_t)(uintptr_t)guest_memory_attached->base + address.value;
}

void guest_watch(struct guest_addr from, uint32_t size_bytes)
{
    guest_pages_watch(virtual_address(from), size_bytes);
}

uint32_t guest_take_written(struct guest_addr from, uint32_t size_bytes, uint32_t *offset)
{
    uint64_t start = virtual_address(from);
    uint64_t end = start + size_bytes;
    uint64_t page = paging_take_written(start + *offset, end);
    uint64_t page_end = page + PAGE_BYTES;

    if (page > start + *offset) {
        *offset = (uint32_t)(page - start);
    }
    return page_end < end ? (uint32_t)(page_end - start) : size_bytes;
}
