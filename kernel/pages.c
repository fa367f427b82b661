#include "kernel/pages.h"

#include "kernel/base/string.h"

#include "kernel/base/assert.h"

#define CHUNK_PAGES 512u
#define CHUNK_WORDS (CHUNK_PAGES / 64u)
#define NO_CHUNK    UINT32_MAX
/* Broken chunks looked at for a run before a whole one is broken. */
#define RUN_SEARCH_MAX 32u

/*
 * A chunk is on the whole list with 512 free pages, on the broken list with fewer, on no
 * list with none.
 */
struct chunk {
    uint64_t free[CHUNK_WORDS];
    uint32_t free_count;
    uint32_t next;
    uint32_t previous;
    uint32_t padding;
};
_Static_assert(sizeof(struct chunk) == 80, "pages.h promises this");

static struct {
    struct chunk *chunks;
    uint32_t chunk_count;
    uint32_t whole;
    uint32_t broken;
    size_t free_count;
    size_t total_count;
    size_t reserved_count;
} pages;

static uint32_t *list_of(const struct chunk *chunk)
{
    return chunk->free_count == CHUNK_PAGES ? &pages.whole : &pages.broken;
}

static void list_remove(uint32_t index)
{
    struct chunk *chunk = &pages.chunks[index];
    if (chunk->free_count == 0) {
        return;
    }
    if (chunk->previous != NO_CHUNK) {
        pages.chunks[chunk->previous].next = chunk->next;
    } else {
        *list_of(chunk) = chunk->next;
    }
    if (chunk->next != NO_CHUNK) {
        pages.chunks[chunk->next].previous = chunk->previous;
    }
}

static void list_insert(uint32_t index)
{
    struct chunk *chunk = &pages.chunks[index];
    if (chunk->free_count == 0) {
        return;
    }
    uint32_t *list = list_of(chunk);
    chunk->previous = NO_CHUNK;
    chunk->next = *list;
    if (*list != NO_CHUNK) {
        pages.chunks[*list].previous = index;
    }
    *list = index;
}

/* Sets or clears `count` bits; the state before must be the opposite. */
static void mark(uint32_t index, uint32_t start, uint32_t count, bool free)
{
    struct chunk *chunk = &pages.chunks[index];
    list_remove(index);
    for (uint32_t page = start; page < start + count;) {
        uint32_t bit = page % 64;
        uint32_t bits = 64 - bit < start + count - page ? 64 - bit : start + count - page;
        uint64_t mask = (bits == 64 ? UINT64_MAX : (1ull << bits) - 1) << bit;
        uint64_t *word = &chunk->free[page / 64];
        ASSERT((*word & mask) == (free ? 0 : mask));
        *word ^= mask;
        page += bits;
    }
    chunk->free_count = free ? chunk->free_count + count : chunk->free_count - count;
    pages.free_count = free ? pages.free_count + count : pages.free_count - count;
    list_insert(index);
}

/* The first page at or after `from` that is free (or taken), or CHUNK_PAGES. */
static uint32_t next_page(const struct chunk *chunk, uint32_t from, bool free)
{
    while (from < CHUNK_PAGES) {
        uint64_t word = free ? chunk->free[from / 64] : ~chunk->free[from / 64];
        word >>= from % 64;
        if (word != 0) {
            return from + (uint32_t)__builtin_ctzll(word);
        }
        from = (from / 64 + 1) * 64;
    }
    return CHUNK_PAGES;
}

/* A run of `count` free pages at a multiple of `align`, or CHUNK_PAGES. */
static uint32_t find_run(const struct chunk *chunk, uint32_t count, uint32_t align)
{
    uint32_t at = 0;
    while (at + count <= CHUNK_PAGES) {
        uint32_t start = next_page(chunk, at, true);
        start = (start + align - 1) & ~(align - 1);
        if (start + count > CHUNK_PAGES) {
            break;
        }
        uint32_t end = next_page(chunk, start, false);
        if (end >= start + count) {
            return start;
        }
        at = end + 1;
    }
    return CHUNK_PAGES;
}

static struct phys_addr page_address(uint32_t index, uint32_t page)
{
    return (struct phys_addr){(uint64_t)index * LARGE_PAGE_BYTES + (uint64_t)page * PAGE_BYTES};
}

static bool take_from_broken(uint32_t count, uint32_t align, uint32_t search_max,
                             struct phys_addr *out)
{
    for (uint32_t index = pages.broken; index != NO_CHUNK && search_max != 0; search_max--) {
        const struct chunk *chunk = &pages.chunks[index];
        uint32_t page = chunk->free_count >= count ? find_run(chunk, count, align) : CHUNK_PAGES;
        if (page != CHUNK_PAGES) {
            mark(index, page, count, false);
            *out = page_address(index, page);
            return true;
        }
        index = chunk->next;
    }
    return false;
}

static enum err take_in_chunk(uint32_t count, uint32_t align, struct phys_addr *out)
{
    if (count < CHUNK_PAGES && take_from_broken(count, align, RUN_SEARCH_MAX, out)) {
        return ERR_OK;
    }
    if (pages.whole != NO_CHUNK) {
        uint32_t index = pages.whole;
        mark(index, 0, count, false);
        *out = page_address(index, 0);
        return ERR_OK;
    }
    if (count < CHUNK_PAGES && take_from_broken(count, align, pages.chunk_count, out)) {
        return ERR_OK;
    }
    return ERR_NOMEM;
}

/* More than one chunk's worth: neighbouring whole chunks, and the start of one more. */
static enum err take_chunks(size_t count, struct phys_addr *out)
{
    size_t chunks = (count + CHUNK_PAGES - 1) / CHUNK_PAGES;
    size_t run = 0;
    for (uint32_t index = 0; index < pages.chunk_count; index++) {
        run = pages.chunks[index].free_count == CHUNK_PAGES ? run + 1 : 0;
        if (run < chunks) {
            continue;
        }
        uint32_t first = index + 1 - (uint32_t)chunks;
        *out = page_address(first, 0);
        for (uint32_t i = first; i <= index; i++) {
            uint32_t part = count < CHUNK_PAGES ? (uint32_t)count : CHUNK_PAGES;
            mark(i, 0, part, false);
            count -= part;
        }
        return ERR_OK;
    }
    return ERR_NOMEM;
}

size_t pages_metadata_bytes(const struct ranges *ram)
{
    uint64_t end = ram->count == 0 ? 0 : ram->list[ram->count - 1].end;
    return (size_t)((end + LARGE_PAGE_BYTES - 1) / LARGE_PAGE_BYTES) * sizeof(struct chunk);
}

void pages_initialize(const struct ranges *ram, void *metadata)
{
    size_t bytes = pages_metadata_bytes(ram);
    memset(metadata, 0, bytes);
    memset(&pages, 0, sizeof(pages));
    pages.chunks = metadata;
    pages.chunk_count = (uint32_t)(bytes / sizeof(struct chunk));
    pages.whole = NO_CHUNK;
    pages.broken = NO_CHUNK;
    /* From the top down: the lists then start with the lowest addresses. */
    for (size_t i = ram->count; i-- > 0;) {
        uint64_t start = ram->list[i].start / PAGE_BYTES;
        uint64_t end = ram->list[i].end / PAGE_BYTES;
        while (end > start) {
            uint64_t chunk_start = (end - 1) / CHUNK_PAGES * CHUNK_PAGES;
            uint64_t from = chunk_start > start ? chunk_start : start;
            mark((uint32_t)(chunk_start / CHUNK_PAGES), (uint32_t)(from - chunk_start),
                 (uint32_t)(end - from), true);
            end = from;
        }
    }
    pages.total_count = pages.free_count;
}

enum err pages_allocate_aligned(size_t count, size_t align, struct phys_addr *out)
{
    if (count == 0 || align == 0 || align > CHUNK_PAGES || (align & (align - 1)) != 0) {
        return ERR_INVAL;
    }
    if (count > pages.free_count - pages.reserved_count) {
        return ERR_NOMEM;
    }
    if (count > CHUNK_PAGES) {
        return take_chunks(count, out);
    }
    return take_in_chunk((uint32_t)count, (uint32_t)align, out);
}

enum err pages_allocate(size_t count, struct phys_addr *out)
{
    return pages_allocate_aligned(count, 1, out);
}

enum err pages_allocate_large(struct phys_addr *out)
{
    return pages_allocate_aligned(CHUNK_PAGES, CHUNK_PAGES, out);
}

void pages_free(struct phys_addr address, size_t count)
{
    uint64_t page = address.value / PAGE_BYTES;
    ASSERT(address.value % PAGE_BYTES == 0);
    while (count != 0) {
        uint64_t index = page / CHUNK_PAGES;
        ASSERT(index < pages.chunk_count);
        uint32_t start = (uint32_t)(page % CHUNK_PAGES);
        uint32_t part = count < CHUNK_PAGES - start ? (uint32_t)count : CHUNK_PAGES - start;
        mark((uint32_t)index, start, part, true);
        page += part;
        count -= part;
    }
}

size_t pages_free_count(void)
{
    return pages.free_count - pages.reserved_count;
}

size_t pages_total_count(void)
{
    return pages.total_count;
}

enum err pages_reserve(size_t count)
{
    if (count > pages.free_count - pages.reserved_count) {
        return ERR_NOMEM;
    }
    pages.reserved_count += count;
    return ERR_OK;
}

void pages_unreserve(size_t count)
{
    ASSERT(count <= pages.reserved_count);
    pages.reserved_count -= count;
}

enum err pages_take_reserved(struct phys_addr *out)
{
    if (pages.reserved_count == 0) {
        return ERR_NOMEM;
    }
    enum err error = take_in_chunk(1, 1, out);
    if (error == ERR_OK) {
        pages.reserved_count--;
    }
    return error;
}

enum err pages_take_reserved_large(struct phys_addr *out)
{
    if (pages.reserved_count < CHUNK_PAGES) {
        return ERR_NOMEM;
    }
    enum err error = take_in_chunk(CHUNK_PAGES, CHUNK_PAGES, out);
    if (error == ERR_OK) {
        pages.reserved_count -= CHUNK_PAGES;
    }
    return error;
}
