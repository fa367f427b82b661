#include "kernel/wasm_runtime.h"

#include <stddef.h>

#include "kernel/base/exception_pool.h"
#include "kernel/base/string.h"
#include "kernel/guest_pages.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/page_check.h"
#include "kernel/panic.h"
#include "kernel/wasm_stack.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/wasm_entry.h"

#define STACK_MIN_BYTES (256u << 10)
#define STACK_MAX_BYTES (8u << 20)
#define STACK_RAM_SHARE 16u
/* Wasm core, limits of 32-bit memories: 65536 pages. */
#define PAGES_MAX_32_BIT     65536u
#define MEMORY_SPACING_BYTES (2 * WASM_MEMORY_RESERVED_BYTES)
/* Entries beyond this cannot be indexed by a 32-bit table. */
#define TABLE_MAX_ELEMENTS UINT32_MAX

static struct guest_region stack_region = {.flags = PAGE_WRITABLE_BIT};
static struct guest_region memory_regions[GUEST_REGIONS_MAX - 1];
static const struct wasm_module *running;

bool wasm_stack_contains(uint64_t address)
{
    return address - stack_region.start < stack_region.size_bytes;
}

bool wasm_stack_guard_contains(uint64_t address)
{
    return stack_region.start - 1 - address < WASM_STACK_GUARD_BYTES;
}

static enum err prepare_stack(void)
{
    uint64_t bytes = (uint64_t)pages_total_count() * PAGE_BYTES / STACK_RAM_SHARE;
    bytes = bytes < STACK_MIN_BYTES ? STACK_MIN_BYTES : bytes;
    bytes = bytes > STACK_MAX_BYTES ? STACK_MAX_BYTES : bytes;
    bytes &= ~(uint64_t)(WASM_PAGE_BYTES - 1);
    stack_region.start = WASM_STACK_AREA_BASE + LARGE_PAGE_BYTES;
    stack_region.window_bytes = bytes;
    enum err error = guest_pages_register(&stack_region);
    return error == ERR_OK ? guest_pages_set_size(&stack_region, bytes) : error;
}

static enum err prepare_memory(struct wasm_memory *memory, size_t number)
{
    struct guest_region *region = &memory_regions[number];
    region->start = number == 0 ? 0 : WASM_MEMORY_AREA_BASE + number * MEMORY_SPACING_BYTES;
    region->window_bytes = WASM_MEMORY_RESERVED_BYTES;
    region->flags = PAGE_WRITABLE_BIT | PAGE_USER_BIT;
    enum err error = guest_pages_register(region);
    uint64_t bytes;
    if (error != ERR_OK || __builtin_mul_overflow(memory->minimum_pages, WASM_PAGE_BYTES, &bytes) ||
        bytes > region->window_bytes) {
        return ERR_NOMEM;
    }
    error = guest_pages_set_size(region, bytes);
    if (error == ERR_OK) {
        memory->base = (uint8_t *)(uintptr_t)region->start;
        memory->size_bytes = bytes;
    }
    return error;
}

enum err wasm_runtime_prepare(const struct wasm_module *module)
{
    if (module->abi_version != WASM_ABI_VERSION) {
        panic("the application was compiled for another version of Wafer; compile it again");
    }
    if (module->cpu_level > cpu_info.level) {
        panic("the application was compiled with --cpu x86-64-v%u, but this processor lacks: %s; "
              "compile for a lower level or choose a CPU model that has them (QEMU: -cpu max)",
              module->cpu_level, cpu_info.missing);
    }
    if ((module->flags & WASM_MODULE_IMPORTS_MEMORY_BIT) != 0) {
        return ERR_NOTSUP;
    }
    if (module->memory_count >= GUEST_REGIONS_MAX) {
        return ERR_NOMEM;
    }
    running = module;
    enum err error = prepare_stack();
    for (size_t i = 0; i < module->memory_count && error == ERR_OK; i++) {
        error = prepare_memory(module->memories[i], i);
    }
    return error;
}

void wasm_call(void (*function)(void))
{
    uint64_t top = stack_region.start + stack_region.size_bytes;
    wasm_enter(function, (void *)(uintptr_t)top);
}

uint64_t wasm_runtime_resident_bytes(void)
{
    return guest_pages_resident_bytes();
}

static struct guest_region *region_of(const struct wasm_memory *memory)
{
    for (size_t i = 0; i < running->memory_count; i++) {
        if (running->memories[i] == memory) {
            return &memory_regions[i];
        }
    }
    return NULL;
}

uint64_t wasm_runtime_memory_grow(struct wasm_memory *memory, uint64_t delta_pages)
{
    uint64_t old_pages = memory->size_bytes / WASM_PAGE_BYTES;
    uint64_t limit = WASM_MEMORY_RESERVED_BYTES / WASM_PAGE_BYTES;
    if ((memory->flags & WASM_MEMORY_IS_64_BIT) == 0) {
        limit = PAGES_MAX_32_BIT;
    }
    limit = memory->maximum_pages < limit ? memory->maximum_pages : limit;
    struct guest_region *region = region_of(memory);
    if (region == NULL || old_pages > limit || delta_pages > limit - old_pages) {
        return UINT64_MAX;
    }
    uint64_t bytes = (old_pages + delta_pages) * WASM_PAGE_BYTES;
    if (guest_pages_set_size(region, bytes) != ERR_OK) {
        return UINT64_MAX;
    }
    memory->size_bytes = bytes;
    page_check_run("memory.grow");
    return old_pages;
}

static bool is_in_image(const void *pointer)
{
    return (const char *)pointer >= image_start && (const char *)pointer < image_end;
}

/* Room grows by powers of two, so that a table that grows by one stays cheap. */
static uint64_t table_room(uint64_t elements)
{
    uint64_t room = 16;
    while (room < elements) {
        room *= 2;
    }
    return room;
}

uint64_t wasm_runtime_table_grow(struct wasm_table *table, uint64_t delta)
{
    uint64_t old = table->size;
    uint64_t limit = table->maximum < TABLE_MAX_ELEMENTS ? table->maximum : TABLE_MAX_ELEMENTS;
    size_t bytes;
    if (old > limit || delta > limit - old ||
        __builtin_mul_overflow(table_room(old + delta), table->element_bytes, &bytes)) {
        return UINT64_MAX;
    }
    if (delta == 0) {
        return old;
    }
    bool is_ours = table->base != NULL && !is_in_image(table->base);
    if (!is_ours || table_room(old + delta) != table_room(old)) {
        void *grown = is_ours ? heap_resize(table->base, bytes) : heap_allocate(bytes);
        if (grown == NULL) {
            return UINT64_MAX;
        }
        if (!is_ours && old != 0 && table->base != NULL) {
            memcpy(grown, table->base, old * table->element_bytes);
        }
        table->base = grown;
    }
    memset((char *)table->base + old * table->element_bytes, 0, delta * table->element_bytes);
    table->size = old + delta;
    return old;
}

uint64_t wasm_runtime_exception_refill(struct wasm_exception_pool *pool, const uint64_t *stack)
{
    const uint64_t *end =
        (const uint64_t *)(uintptr_t)(stack_region.start + stack_region.size_bytes);

    return exception_pool_refill(pool, stack, end, wasm_runtime_table_grow);
}
