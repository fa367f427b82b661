/*
 * The steps of boot that are about memory: what kernel/main.c calls between the boot
 * loader and the first allocation. Each panics, saying what to change, when it fails.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel/x86/bootinfo.h"

/* Reads what the boot loader passed; lives for ever. */
const struct bootinfo *machine_read_bootinfo(uint32_t protocol, uint64_t address);
/* Page allocator, final page tables, protections. */
void machine_start_memory(const struct bootinfo *info);

/* The loader's memory through the direct map; reserved for ever. */
const char *machine_cmdline(const struct bootinfo *info, size_t *out_bytes);
const void *machine_module(const struct bootinfo *info, size_t index, size_t *out_bytes);
