/*
 * The blocks of a volume that are in memory.
 *
 * A block is pinned between ext_cache_get() and ext_cache_put(); its bytes may be changed
 * while pinned, if one of the two ext_cache_mark functions is called in the same operation.
 * Changed metadata stays in memory until ext_commit() has logged it; changed file data may be
 * written at any time. Unpinned clean blocks make room for others. Normal kernel context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/blockdev.h"
#include "kernel/base/err.h"

enum ext_dirty {
    EXT_CLEAN,
    EXT_DIRTY_DATA,
    EXT_DIRTY_METADATA, /* part of the running transaction */
};

struct ext_block {
    struct ext_block *hash_next;
    struct ext_block *newer; /* towards the most recently used */
    struct ext_block *older;
    union {
        uint8_t *bytes;
        uint32_t *words; /* of an indirect block */
    };
    uint32_t number;
    uint32_t pin_count;
    enum ext_dirty dirty;
};

struct ext_cache {
    struct blockdev *disk;
    uint32_t block_bytes;
    uint32_t sectors_per_block;
    struct ext_block **buckets;
    struct ext_block *newest;
    struct ext_block *oldest;
    struct ext_block **list; /* room for block_count_max pointers, to sort */
    size_t block_count;
    size_t block_count_max;
    size_t data_count;     /* blocks that are EXT_DIRTY_DATA */
    size_t metadata_count; /* blocks that are EXT_DIRTY_METADATA */
    uint8_t *staging;      /* contiguous memory for transfers of several blocks */
};

/* How many blocks one transfer takes at most. */
size_t ext_cache_staging_blocks(const struct ext_cache *cache);

enum err ext_cache_init(struct ext_cache *cache, struct blockdev *disk,
                        uint32_t block_bytes) WARN_UNUSED;
/* Drops everything, changed or not. Nothing may be pinned. */
void ext_cache_destroy(struct ext_cache *cache);

enum ext_get {
    EXT_GET_READ, /* with the bytes on the disk */
    EXT_GET_ZERO, /* all zero: a block just allocated */
};
enum err ext_cache_get(struct ext_cache *cache, uint32_t number, enum ext_get how,
                       struct ext_block **out) WARN_UNUSED;
/* NULL is allowed. */
void ext_cache_put(struct ext_block *block);
bool ext_cache_has(const struct ext_cache *cache, uint32_t number);
/* Fetches `count` neighbouring blocks with as few transfers as possible. A hint: fails quietly. */
void ext_cache_read_ahead(struct ext_cache *cache, uint32_t number, uint32_t count);

void ext_cache_mark_data(struct ext_cache *cache, struct ext_block *block);
void ext_cache_mark_metadata(struct ext_cache *cache, struct ext_block *block);
/* The block was freed: what is in memory must never be written. */
void ext_cache_forget(struct ext_cache *cache, uint32_t number);

/*
 * Collects the blocks in that state into cache->list, sorted by number, and returns how many.
 * Valid until the next call to any function of this file.
 */
size_t ext_cache_collect(struct ext_cache *cache, enum ext_dirty dirty);
/* Writes all blocks in that state to their places and makes them clean. */
enum err ext_cache_write(struct ext_cache *cache, enum ext_dirty dirty) WARN_UNUSED;

/* Transfers around the cache, for the journal: `count` at most ext_cache_staging_blocks(). */
enum err ext_disk_read(struct ext_cache *cache, uint32_t number, uint32_t count,
                       void *bytes) WARN_UNUSED;
enum err ext_disk_write(struct ext_cache *cache, uint32_t number, uint32_t count,
                        const void *bytes) WARN_UNUSED;
enum err ext_disk_flush(struct ext_cache *cache) WARN_UNUSED;
