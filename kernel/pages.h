/*
 * The page allocator behind kernel/mem.h, and the part of it that only kernel/ uses.
 *
 * RAM is kept as 2 MiB chunks of 512 pages, each with a bitmap of free pages outside
 * the pages themselves: nothing is written into free memory, and a machine of any size
 * starts by clearing 80 bytes a chunk. Single pages come from chunks already broken
 * into, so whole chunks stay whole for 2 MiB pages.
 *
 * Guest memory is promised before it is there: pages_reserve sets pages aside for
 * later pages_take_reserved, and nobody else gets them. Normal kernel context, and the
 * page fault handler for the reserved pages of the guest.
 */
#pragma once

#include "kernel/base/ranges.h"
#include "kernel/mem.h"

/* What pages_initialize needs for this RAM; to be taken out of `ram` by the caller. */
size_t pages_metadata_bytes(const struct ranges *ram);
/* `metadata` lives for ever; 16-byte aligned, cleared here. Each range: whole pages. */
void pages_initialize(const struct ranges *ram, void *metadata);

/* As pages_allocate, with the first page's number a multiple of `align` (power of 2 <= 512). */
enum err pages_allocate_aligned(size_t count, size_t align, struct phys_addr *out) WARN_UNUSED;

/* Sets `count` pages aside; ERR_NOMEM changes nothing. */
enum err pages_reserve(size_t count) WARN_UNUSED;
void pages_unreserve(size_t count);
/* Takes pages out of the reservation; 1 page, or one 2 MiB page (512) if there is one. */
enum err pages_take_reserved(struct phys_addr *out) WARN_UNUSED;
enum err pages_take_reserved_large(struct phys_addr *out) WARN_UNUSED;
