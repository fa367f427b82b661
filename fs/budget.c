#include "fs/budget.h"

#include "kernel/mem.h"

/* What the network and the application's memory need to go on: an eighth of RAM, or 64 MiB. */
#define RESERVE_SHARE     8u
#define RESERVE_PAGES_MAX ((64u << 20) / PAGE_BYTES)

void fs_budget_init(struct fs_budget *budget, uint64_t limit_bytes)
{
    size_t reserve = pages_total_count() / RESERVE_SHARE;
    reserve = reserve < RESERVE_PAGES_MAX ? reserve : RESERVE_PAGES_MAX;
    *budget = (struct fs_budget){
        .limit_bytes = limit_bytes != 0 ? limit_bytes : UINT64_MAX,
        .reserve_pages = limit_bytes != 0 ? 0 : reserve,
    };
}

static bool budget_allows(const struct fs_budget *budget, size_t more_bytes)
{
    return more_bytes <= budget->limit_bytes - budget->used_bytes &&
           (budget->is_unreserved || pages_free_count() > budget->reserve_pages);
}

void *fs_budget_heap(struct fs_budget *budget, size_t size_bytes)
{
    if (!budget_allows(budget, size_bytes)) {
        return NULL;
    }
    void *block = heap_allocate_zeroed(1, size_bytes);
    if (block != NULL) {
        budget->used_bytes += size_bytes;
    }
    return block;
}

void *fs_budget_heap_resize(struct fs_budget *budget, void *block, size_t old_bytes,
                            size_t new_bytes)
{
    if (new_bytes > old_bytes && !budget_allows(budget, new_bytes - old_bytes)) {
        return NULL;
    }
    void *resized = heap_resize(block, new_bytes);
    if (resized != NULL) {
        budget->used_bytes += new_bytes;
        budget->used_bytes -= old_bytes;
    }
    return resized;
}

void fs_budget_heap_free(struct fs_budget *budget, void *block, size_t size_bytes)
{
    if (block != NULL) {
        heap_free(block);
        budget->used_bytes -= size_bytes;
    }
}

void *fs_budget_page(struct fs_budget *budget)
{
    struct phys_addr address;
    if (!budget_allows(budget, PAGE_BYTES) || pages_allocate(1, &address) != ERR_OK) {
        return NULL;
    }
    budget->used_bytes += PAGE_BYTES;
    return phys_to_virt(address);
}

void fs_budget_page_free(struct fs_budget *budget, void *page)
{
    pages_free(virt_to_phys(page), 1);
    budget->used_bytes -= PAGE_BYTES;
}
