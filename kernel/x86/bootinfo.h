/*
 * What the boot loader told us, in one form for every boot protocol.
 *
 * The loader's structures are input: every pointer and length is checked against what
 * `map` can reach, and what does not fit is left out or refused with a sentence. The
 * result points into the loader's memory, which the page allocator never hands out.
 * Runs once, on the boot page tables; hosted builds pass their own map.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/ranges.h"

enum boot_protocol { BOOT_PVH = 1, BOOT_MULTIBOOT2 = 2, BOOT_LINUX64 = 3 };

#define BOOTINFO_MODULES_MAX 8u

struct boot_module {
    uint64_t address;
    uint64_t size_bytes;
};

struct bootinfo {
    struct ranges ram;      /* usable memory, whole pages, above 1 MiB */
    struct ranges reserved; /* command line, modules: inside RAM but taken */
    uint64_t acpi_rsdp;     /* physical; 0: unknown */
    uint64_t cmdline;       /* physical; length without NUL follows */
    size_t cmdline_bytes;
    size_t module_count;
    struct boot_module modules[BOOTINFO_MODULES_MAX];
};

/* A readable pointer to size_bytes at a physical address, or NULL. */
typedef const void *bootinfo_map(uint64_t address, uint64_t size_bytes);

/* NULL on success, else the sentence that says why the machine cannot boot. */
const char *bootinfo_read(uint32_t protocol, uint64_t address, bootinfo_map *map,
                          struct bootinfo *out);
