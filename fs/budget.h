/*
 * All memory that a RAM tree takes goes through one of these, so that a guest which fills
 * its file system gets ERR_NOSPC while the rest of the kernel still has memory.
 *
 * The caller says at release how much it had taken. Normal kernel context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs_budget {
    uint64_t used_bytes;
    uint64_t limit_bytes;
    size_t reserve_pages; /* never let the free pages of the machine fall below this */
    bool is_unreserved;   /* for now: what the machine cannot do without */
};

/* 0 for limit_bytes: as much as leaves an eighth of RAM free, 64 MiB at most. */
void fs_budget_init(struct fs_budget *budget, uint64_t limit_bytes);

/* NULL when the budget or the machine is exhausted. Heap memory is zeroed, pages are not. */
void *fs_budget_heap(struct fs_budget *budget, size_t size_bytes);
/* As heap_resize(): the old block stays as it was when NULL comes back. */
void *fs_budget_heap_resize(struct fs_budget *budget, void *block, size_t old_bytes,
                            size_t new_bytes);
void fs_budget_heap_free(struct fs_budget *budget, void *block, size_t size_bytes);

void *fs_budget_page(struct fs_budget *budget);
void fs_budget_page_free(struct fs_budget *budget, void *page);
