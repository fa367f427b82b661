#define _GNU_SOURCE
#include "tests/hosted/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_MAX_COUNT 4096

static struct host_memory {
    struct wasm_memory *memory;
    int file;
} memories[MEMORY_MAX_COUNT];
static size_t memory_count;
static struct wasm_memory *active;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(70);
}

static struct host_memory *find(const struct wasm_memory *memory)
{
    for (size_t i = 0; i < memory_count; i++) {
        if (memories[i].memory == memory) {
            return &memories[i];
        }
    }
    return NULL;
}

static void map(uint8_t *at, int file, uint64_t offset, uint64_t bytes)
{
    if (bytes != 0 && mmap(at + offset, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
                           (off_t)offset) == MAP_FAILED) {
        die("mmap of a linear memory");
    }
}

static uint8_t *reserve(uint8_t *at)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at != NULL ? MAP_FIXED : 0);
    void *base = mmap(at, WASM_MEMORY_RESERVED_BYTES, PROT_NONE, flags, -1, 0);
    if (base == MAP_FAILED) {
        die("mmap of address space");
    }
    return base;
}

static uint8_t *fixed_base(void)
{
    return (uint8_t *)(uintptr_t)HOST_MEMORY_BASE;
}

bool host_memory_create(struct wasm_memory *memory)
{
    if (find(memory) != NULL) {
        return true;
    }
    if (memory->minimum_pages > WASM_MEMORY_RESERVED_BYTES / WASM_PAGE_BYTES ||
        memory_count == MEMORY_MAX_COUNT) {
        return false;
    }
    struct host_memory *host = &memories[memory_count++];
    host->memory = memory;
    host->file = memfd_create("wasm", MFD_CLOEXEC);
    if (host->file < 0) {
        die("memfd_create");
    }
    memory->base = reserve(NULL);
    memory->size_bytes = 0;
    return wasm_rt_memory_grow(memory, memory->minimum_pages) == 0;
}

void host_memory_activate(struct wasm_memory *memory)
{
    if (memory == NULL || memory == active) {
        return;
    }
    reserve(fixed_base());
    map(fixed_base(), find(memory)->file, 0, memory->size_bytes);
    active = memory;
}

struct wasm_memory *host_memory_active(void)
{
    return active;
}

bool host_memory_contains(uintptr_t address)
{
    bool inside = address - HOST_MEMORY_BASE < WASM_MEMORY_RESERVED_BYTES;
    for (size_t i = 0; i < memory_count && !inside; i++) {
        inside = address - (uintptr_t)memories[i].memory->base < WASM_MEMORY_RESERVED_BYTES;
    }
    return inside;
}

uint64_t wasm_rt_memory_grow(struct wasm_memory *memory, uint64_t delta_pages)
{
    struct host_memory *host = find(memory);
    uint64_t old_bytes = memory->size_bytes;
    uint64_t old_pages = old_bytes / WASM_PAGE_BYTES;
    bool is_64 = (memory->flags & WASM_MEMORY_IS_64_BIT) != 0;
    uint64_t most = (is_64 ? WASM_MEMORY_RESERVED_BYTES : 4ull << 30) / WASM_PAGE_BYTES;

    if (memory->maximum_pages < most) {
        most = memory->maximum_pages;
    }
    if (old_pages > most || delta_pages > most - old_pages) {
        return UINT64_MAX;
    }
    uint64_t new_bytes = old_bytes + delta_pages * WASM_PAGE_BYTES;
    if (ftruncate(host->file, (off_t)new_bytes) != 0) {
        return UINT64_MAX;
    }
    map(memory->base, host->file, old_bytes, new_bytes - old_bytes);
    if (memory == active) {
        map(fixed_base(), host->file, old_bytes, new_bytes - old_bytes);
    }
    memory->size_bytes = new_bytes;
    return old_pages;
}

/* More than this many elements are refused, as a machine would that has not the memory. */
#define TABLE_MAX_ELEMENTS (64u << 20)

uint64_t wasm_rt_table_grow(struct wasm_table *table, uint64_t delta)
{
    uint64_t old = table->size;
    uint64_t most = table->maximum < TABLE_MAX_ELEMENTS ? table->maximum : TABLE_MAX_ELEMENTS;

    if (old > most || delta > most - old) {
        return UINT64_MAX;
    }
    if (delta != 0) {
        uint8_t *base = realloc(table->base, (old + delta) * table->element_bytes);
        if (base == NULL) {
            return UINT64_MAX;
        }
        memset(base + old * table->element_bytes, 0, delta * table->element_bytes);
        table->base = base;
        table->size = old + delta;
    }
    return old;
}
