#include "fs/ramfs_data.h"

#include "kernel/base/string.h"
#include "kernel/mem.h"

#include <stdbool.h>

#define TABLE_BITS    9u
#define TABLE_ENTRIES (1u << TABLE_BITS)
/* 2^63 bytes are 2^51 pages, which six levels of tables above the pages reach. */
#define HEIGHT_MAX 7u

#define SMALL_BYTES_MIN 64u
#define SMALL_BYTES_MAX 2048u

/* What a hole reads as. */
static const uint8_t zero_page[PAGE_BYTES];

struct page_table {
    void *entries[TABLE_ENTRIES];
};
_Static_assert(sizeof(struct page_table) == PAGE_BYTES, "a table fills a page");

static uint64_t minimum(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

/* ---- The tree of pages ---------------------------------------------------------------------- */

/* How many pages a subtree of this height spans, as a shift. */
static unsigned span_bits(unsigned height)
{
    return (height - 1) * TABLE_BITS;
}

static bool tree_reaches(const struct ram_data *data, uint64_t index)
{
    return data->height != 0 && index >> span_bits(data->height) == 0;
}

/*
 * The first page at or after *index, whose index it stores; NULL when there is none before
 * `limit`. Every turn either returns or steps over a missing subtree.
 */
static void *tree_find(const struct ram_data *data, uint64_t *index, uint64_t limit)
{
    while (*index < limit && tree_reaches(data, *index)) {
        void *subtree = data->root;
        unsigned height = data->height;
        while (height > 1 && subtree != NULL) {
            height--;
            const struct page_table *table = subtree;
            subtree = table->entries[(*index >> span_bits(height)) % TABLE_ENTRIES];
        }
        if (subtree != NULL) {
            return subtree;
        }
        *index = ((*index >> span_bits(height)) + 1) << span_bits(height);
    }
    return NULL;
}

static struct page_table *table_create(struct fs_budget *budget)
{
    struct page_table *table = fs_budget_page(budget);
    if (table != NULL) {
        memset(table, 0, sizeof(*table));
    }
    return table;
}

static enum err tree_grow(struct ram_data *data, struct fs_budget *budget, uint64_t index)
{
    if (data->root == NULL) {
        data->height = 1;
    }
    while (!tree_reaches(data, index)) {
        if (data->root != NULL) {
            struct page_table *table = table_create(budget);
            if (table == NULL) {
                return ERR_NOSPC;
            }
            table->entries[0] = data->root;
            data->root = table;
        }
        data->height++;
    }
    return ERR_OK;
}

/* Where the pointer to page `index` stands; makes the tables on the way. */
static enum err tree_slot(struct ram_data *data, struct fs_budget *budget, uint64_t index,
                          void ***slot)
{
    enum err err = tree_grow(data, budget, index);
    if (err != ERR_OK) {
        return err;
    }
    void **link = &data->root;
    for (unsigned height = data->height - 1; height > 0; height--) {
        if (*link == NULL) {
            *link = table_create(budget);
            if (*link == NULL) {
                return ERR_NOSPC;
            }
        }
        struct page_table *table = *link;
        link = &table->entries[(index >> span_bits(height)) % TABLE_ENTRIES];
    }
    *slot = link;
    return ERR_OK;
}

/*
 * Frees all pages from index `first` on, and the tables that lie wholly behind it: a post-order
 * walk with a stack of one frame a level.
 */
static void tree_cut(struct ram_data *data, struct fs_budget *budget, uint64_t first)
{
    struct {
        void **link;
        uint64_t base;
        unsigned slot;
    } stack[HEIGHT_MAX];
    unsigned depth = 0;

    stack[0].link = &data->root;
    stack[0].base = 0;
    stack[0].slot = 0;
    while (data->height != 0) {
        unsigned height = data->height - depth;
        void *subtree = *stack[depth].link;
        if (subtree != NULL && height > 1 && stack[depth].slot < TABLE_ENTRIES) {
            unsigned slot = stack[depth].slot++;
            uint64_t base = stack[depth].base + ((uint64_t)slot << span_bits(height - 1));
            struct page_table *table = subtree;
            bool behind = base + (1ull << span_bits(height - 1)) > first;
            if (behind && table->entries[slot] != NULL) {
                depth++;
                stack[depth].link = &table->entries[slot];
                stack[depth].base = base;
                stack[depth].slot = 0;
            }
            continue;
        }
        if (subtree != NULL && stack[depth].base >= first) {
            fs_budget_page_free(budget, subtree);
            *stack[depth].link = NULL;
        }
        if (depth == 0) {
            break;
        }
        depth--;
    }
    if (data->root == NULL) {
        data->height = 0;
    }
}

/* ---- Pages ------------------------------------------------------------------------------------
 */

/* Whoever reserved a page and did not commit it gets no say about what is in it. */
static void unfilled_clear(struct ram_data *data)
{
    if (data->unfilled != NULL) {
        memset(data->unfilled, 0, PAGE_BYTES);
        data->unfilled = NULL;
    }
}

/*
 * The writable page of an index, made from the lower bytes if it is not there yet. `whole`: all
 * of it is about to be written, so what it holds first does not matter.
 */
static enum err page_get(struct ram_data *data, struct fs_budget *budget, uint64_t index,
                         bool whole, uint8_t **out)
{
    void **slot;
    enum err err = tree_slot(data, budget, index, &slot);
    if (err == ERR_OK && *slot == NULL) {
        uint8_t *page = fs_budget_page(budget);
        if (page == NULL) {
            err = ERR_NOSPC;
            goto out;
        }
        uint64_t start = index * PAGE_BYTES;
        size_t copied = 0;
        if (start >= data->lower_bytes && whole) {
            data->unfilled = page;
            copied = PAGE_BYTES;
        } else if (start < data->lower_bytes) {
            copied = (size_t)minimum(data->lower_bytes - start, PAGE_BYTES);
            memcpy(page, data->lower + start, copied);
        }
        memset(page + copied, 0, PAGE_BYTES - copied);
        *slot = page;
    }
out:
    if (err == ERR_OK) {
        *out = *slot;
    } else if (data->root == NULL) {
        data->height = 0;
    }
    return err;
}

/* Moves a small file's bytes to a page. */
static enum err small_to_page(struct ram_data *data, struct fs_budget *budget)
{
    if (data->small == NULL) {
        return ERR_OK;
    }
    uint8_t *page;
    enum err err = page_get(data, budget, 0, false, &page);
    if (err == ERR_OK) {
        memcpy(page, data->small, data->small_capacity);
        fs_budget_heap_free(budget, data->small, data->small_capacity);
        data->small = NULL;
        data->small_capacity = 0;
    }
    return err;
}

static enum err small_reserve(struct ram_data *data, struct fs_budget *budget, uint32_t end)
{
    uint32_t capacity = data->small_capacity == 0 ? SMALL_BYTES_MIN : data->small_capacity;
    while (capacity < end) {
        capacity *= 2;
    }
    if (capacity != data->small_capacity) {
        uint8_t *block = fs_budget_heap_resize(budget, data->small, data->small_capacity, capacity);
        if (block == NULL) {
            return ERR_NOSPC;
        }
        memset(block + data->small_capacity, 0, capacity - data->small_capacity);
        data->small = block;
        data->small_capacity = capacity;
    }
    return ERR_OK;
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

void ram_data_read_span(struct ram_data *data, uint64_t offset, size_t max_bytes,
                        struct vfs_span *out)
{
    *out = (struct vfs_span){.permanent = true};
    unfilled_clear(data);
    if (offset >= data->size_bytes) {
        return;
    }
    uint64_t end = offset + minimum(max_bytes, data->size_bytes - offset);
    uint64_t index = offset / PAGE_BYTES;
    uint64_t next = index;
    const uint8_t *page = tree_find(data, &next, (end + PAGE_BYTES - 1) / PAGE_BYTES);
    if (offset < data->small_capacity) {
        out->data = data->small + offset;
        end = minimum(end, data->small_capacity);
        out->permanent = false;
    } else if (page != NULL && next == index) {
        out->data = page + offset % PAGE_BYTES;
        end = minimum(end, (index + 1) * PAGE_BYTES);
        out->permanent = false;
    } else {
        if (page != NULL) {
            end = next * PAGE_BYTES;
        }
        if (offset < data->lower_bytes) {
            out->data = data->lower + offset;
            end = minimum(end, data->lower_bytes);
        } else {
            out->data = zero_page;
            end = minimum(end, offset + PAGE_BYTES);
        }
    }
    out->size_bytes = (size_t)(end - offset);
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

enum err ram_data_reserve(struct ram_data *data, struct fs_budget *budget, uint64_t offset,
                          size_t max_bytes, struct vfs_write_span *out)
{
    unfilled_clear(data);
    if (data->height == 0 && data->lower_bytes == 0 && offset < SMALL_BYTES_MAX &&
        max_bytes <= SMALL_BYTES_MAX - offset) {
        enum err err = small_reserve(data, budget, (uint32_t)(offset + max_bytes));
        if (err == ERR_OK) {
            *out = (struct vfs_write_span){data->small + offset, max_bytes};
        }
        return err;
    }
    uint8_t *page;
    bool whole = offset % PAGE_BYTES == 0 && max_bytes >= PAGE_BYTES;
    enum err err = small_to_page(data, budget);
    if (err == ERR_OK) {
        err = page_get(data, budget, offset / PAGE_BYTES, whole, &page);
    }
    if (err == ERR_OK) {
        size_t start = offset % PAGE_BYTES;
        size_t room = PAGE_BYTES - start;
        *out = (struct vfs_write_span){page + start, max_bytes < room ? max_bytes : room};
    }
    return err;
}

void ram_data_commit(struct ram_data *data, uint64_t offset, size_t size_bytes)
{
    if (data->unfilled != NULL) {
        memset(data->unfilled + size_bytes, 0, PAGE_BYTES - size_bytes);
        data->unfilled = NULL;
    }
    if (offset + size_bytes > data->size_bytes) {
        data->size_bytes = offset + size_bytes;
    }
}

void ram_data_set_size(struct ram_data *data, struct fs_budget *budget, uint64_t size_bytes)
{
    unfilled_clear(data);
    if (size_bytes < data->size_bytes) {
        data->lower_bytes = minimum(data->lower_bytes, size_bytes);
        uint64_t kept_pages = size_bytes / PAGE_BYTES + (size_bytes % PAGE_BYTES != 0 ? 1 : 0);
        tree_cut(data, budget, kept_pages);
        uint64_t last = size_bytes / PAGE_BYTES;
        uint8_t *page = tree_find(data, &last, last + 1);
        if (page != NULL) {
            size_t used = size_bytes % PAGE_BYTES;
            memset(page + used, 0, PAGE_BYTES - used);
        }
        if (size_bytes == 0) {
            fs_budget_heap_free(budget, data->small, data->small_capacity);
            data->small = NULL;
            data->small_capacity = 0;
        } else if (size_bytes < data->small_capacity) {
            memset(data->small + size_bytes, 0, data->small_capacity - (size_t)size_bytes);
        }
    }
    data->size_bytes = size_bytes;
}

enum err ram_data_allocate(struct ram_data *data, struct fs_budget *budget, uint64_t offset,
                           uint64_t size_bytes)
{
    uint64_t end = offset + size_bytes;
    uint64_t old_pages = data->size_bytes / PAGE_BYTES + (data->size_bytes % PAGE_BYTES != 0);
    if (size_bytes / PAGE_BYTES > pages_total_count()) {
        return ERR_NOSPC;
    }
    unfilled_clear(data);
    enum err err = small_to_page(data, budget);
    for (uint64_t index = offset / PAGE_BYTES; err == ERR_OK && index <= (end - 1) / PAGE_BYTES;
         index++) {
        uint8_t *page;
        err = page_get(data, budget, index, false, &page);
    }
    if (err != ERR_OK) {
        tree_cut(data, budget, old_pages);
    } else if (end > data->size_bytes) {
        data->size_bytes = end;
    }
    return err;
}

void ram_data_destroy(struct ram_data *data, struct fs_budget *budget)
{
    tree_cut(data, budget, 0);
    fs_budget_heap_free(budget, data->small, data->small_capacity);
    *data = (struct ram_data){0};
}
