/*
 * A kernel that waferc compiled, as a Linux process: linear memory at wasm_memory
 * (0x60000000 by the linker), 8 GiB reserved, nothing else between the code and the CPU.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "bench/aot/time.h"
#include "kernel/base/wasm_abi.h"

extern uint8_t wasm_memory[];
extern const struct wasm_module wasm_module;

uint64_t wasm_rt_memory_grow(struct wasm_memory *memory, uint64_t delta_pages)
{
    (void)memory;
    (void)delta_pages;
    return UINT64_MAX;
}

uint64_t wasm_rt_table_grow(struct wasm_table *table, uint64_t delta)
{
    (void)table;
    (void)delta;
    return UINT64_MAX;
}

int main(void)
{
    struct wasm_memory *memory = wasm_module.memory;
    void *base = mmap(wasm_memory, WASM_MEMORY_RESERVED_BYTES, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    size_t size_bytes = memory->minimum_pages * WASM_PAGE_BYTES;
    if (base == MAP_FAILED || mprotect(base, size_bytes, PROT_READ | PROT_WRITE) != 0) {
        perror("mmap");
        return 1;
    }
    memory->base = base;
    memory->size_bytes = size_bytes;
    wasm_module.instantiate();
    for (uint32_t i = 0; i < wasm_module.export_count; i++) {
        if (strcmp(wasm_module.exports[i].name, "run") == 0) {
            return time_kernel((double (*)(void))(uintptr_t)wasm_module.exports[i].address);
        }
    }
    fprintf(stderr, "the module exports no run\n");
    return 1;
}
