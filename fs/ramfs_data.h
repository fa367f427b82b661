/*
 * The bytes of a file in RAM above an optional read-only lower copy (a file of the tar
 * image), page by page, sparse.
 *
 * Reading an untouched file hands out the lower bytes themselves; the first write to a page
 * copies that page. Bytes beyond the end of the file are zero wherever memory holds them, so
 * growing a file needs no clearing. The lower bytes must stay mapped and unchanged for ever.
 * Normal kernel context.
 */
#pragma once

#include "fs/budget.h"
#include "fs/vfs.h"

struct ram_data {
    uint64_t size_bytes;
    const uint8_t *lower;
    uint64_t lower_bytes; /* how much of `lower` still shows; only ever shrinks */
    /*
     * A small file that has no lower copy: one heap block instead of a page. Exclusive with
     * the page tree.
     */
    uint8_t *small;
    uint32_t small_capacity;
    /*
     * A radix tree of data pages. height 0: empty; 1: `root` is the page of index 0; above:
     * `root` is a table of 512 subtrees of one less.
     */
    uint32_t height;
    void *root;
    /* A new page that was reserved whole, so it was not cleared; NULL after its commit. */
    uint8_t *unfilled;
};

void ram_data_read_span(struct ram_data *data, uint64_t offset, size_t max_bytes,
                        struct vfs_span *out);
enum err ram_data_reserve(struct ram_data *data, struct fs_budget *budget, uint64_t offset,
                          size_t max_bytes, struct vfs_write_span *out) WARN_UNUSED;
void ram_data_commit(struct ram_data *data, uint64_t offset, size_t size_bytes);
void ram_data_set_size(struct ram_data *data, struct fs_budget *budget, uint64_t size_bytes);
/* Backs the whole range with memory. ERR_NOSPC changes nothing that can be seen. */
enum err ram_data_allocate(struct ram_data *data, struct fs_budget *budget, uint64_t offset,
                           uint64_t size_bytes) WARN_UNUSED;
/* Gives all memory back and leaves an empty file. */
void ram_data_destroy(struct ram_data *data, struct fs_budget *budget);
