/*
 * Physical pages and the kernel heap.
 *
 * Pages belong to whoever allocated them until freed; nothing here sleeps.
 * Callable from normal kernel context only, never from an interrupt handler,
 * and never touches guest memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/address.h"
#include "kernel/base/err.h"

/* Of a pointer into the direct map or into the kernel image. */
struct phys_addr virt_to_phys(const void *pointer);

/* `count` contiguous 4 KiB pages, not cleared. ERR_NOMEM leaves *out alone. */
enum err pages_allocate(size_t count, struct phys_addr *out) WARN_UNUSED;
/* One 2 MiB page, 2 MiB aligned, not cleared. */
enum err pages_allocate_large(struct phys_addr *out) WARN_UNUSED;
void pages_free(struct phys_addr address, size_t count);
size_t pages_free_count(void);
size_t pages_total_count(void);

/* 16-byte aligned; NULL when memory is exhausted or size is 0. */
void *heap_allocate(size_t size_bytes);
void *heap_allocate_zeroed(size_t count, size_t size_bytes);
/* As realloc: the old block stays valid when NULL comes back. */
void *heap_resize(void *block, size_t size_bytes);
void heap_free(void *block);
