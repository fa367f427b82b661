#include "fs/ext/ext_cache.h"

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/mem.h"

#define STAGING_PAGES   32u
#define BLOCK_COUNT_MIN 64u
#define BLOCK_COUNT_MAX 16384u
/* The share of RAM that a volume's cache may grow to. */
#define RAM_SHARE 8u

size_t ext_cache_staging_blocks(const struct ext_cache *cache)
{
    return (size_t)STAGING_PAGES * PAGE_BYTES / cache->block_bytes;
}

static size_t bucket_count(const struct ext_cache *cache)
{
    return cache->block_count_max; /* a power of two */
}

enum err ext_cache_init(struct ext_cache *cache, struct blockdev *disk, uint32_t block_bytes)
{
    size_t wanted = pages_total_count() / RAM_SHARE;
    size_t count = BLOCK_COUNT_MIN;
    while (count * 2 <= wanted && count < BLOCK_COUNT_MAX) {
        count *= 2;
    }
    *cache = (struct ext_cache){
        .disk = disk,
        .block_bytes = block_bytes,
        .sectors_per_block = block_bytes / BLOCKDEV_SECTOR_BYTES,
        .block_count_max = count,
    };
    struct phys_addr staging;
    cache->buckets = heap_allocate_zeroed(count, sizeof(cache->buckets[0]));
    cache->list = heap_allocate_zeroed(count, sizeof(struct ext_block *));
    if (cache->buckets == NULL || cache->list == NULL ||
        pages_allocate(STAGING_PAGES, &staging) != ERR_OK) {
        heap_free(cache->buckets);
        heap_free(cache->list);
        *cache = (struct ext_cache){0};
        return ERR_NOMEM;
    }
    cache->staging = phys_to_virt(staging);
    return ERR_OK;
}

/* ---- The list by use, and the hash table ------------------------------------------------------
 */

static struct ext_block **bucket_of(const struct ext_cache *cache, uint32_t number)
{
    return &cache->buckets[(number * 0x9e3779b1u) & (bucket_count(cache) - 1)];
}

static struct ext_block *find(const struct ext_cache *cache, uint32_t number)
{
    struct ext_block *block = *bucket_of(cache, number);
    while (block != NULL && block->number != number) {
        block = block->hash_next;
    }
    return block;
}

static void hash_remove(struct ext_cache *cache, struct ext_block *block)
{
    struct ext_block **link = bucket_of(cache, block->number);
    while (*link != block) {
        link = &(*link)->hash_next;
    }
    *link = block->hash_next;
}

static void use_remove(struct ext_cache *cache, struct ext_block *block)
{
    *(block->newer != NULL ? &block->newer->older : &cache->newest) = block->older;
    *(block->older != NULL ? &block->older->newer : &cache->oldest) = block->newer;
}

static void use_add(struct ext_cache *cache, struct ext_block *block)
{
    block->newer = NULL;
    block->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = block;
    cache->newest = block;
}

static void block_set_dirty(struct ext_cache *cache, struct ext_block *block, enum ext_dirty dirty)
{
    cache->data_count -= block->dirty == EXT_DIRTY_DATA;
    cache->metadata_count -= block->dirty == EXT_DIRTY_METADATA;
    block->dirty = dirty;
    cache->data_count += dirty == EXT_DIRTY_DATA;
    cache->metadata_count += dirty == EXT_DIRTY_METADATA;
}

static void block_free(struct ext_cache *cache, struct ext_block *block)
{
    hash_remove(cache, block);
    use_remove(cache, block);
    pages_free(virt_to_phys(block->bytes), 1);
    heap_free(block);
    cache->block_count--;
}

void ext_cache_destroy(struct ext_cache *cache)
{
    while (cache->newest != NULL) {
        block_free(cache, cache->newest);
    }
    heap_free(cache->buckets);
    heap_free(cache->list);
    pages_free(virt_to_phys(cache->staging), STAGING_PAGES);
    *cache = (struct ext_cache){0};
}

/* ---- Getting blocks ---------------------------------------------------------------------------
 */

/* A block whose memory may serve another number, or NULL. */
static struct ext_block *find_unused(const struct ext_cache *cache)
{
    struct ext_block *block = cache->oldest;
    while (block != NULL && (block->pin_count != 0 || block->dirty != EXT_CLEAN)) {
        block = block->newer;
    }
    return block;
}

static struct ext_block *block_allocate(struct ext_cache *cache)
{
    struct phys_addr page;
    struct ext_block *block = heap_allocate_zeroed(1, sizeof(*block));
    if (block == NULL) {
        return NULL;
    }
    if (pages_allocate(1, &page) != ERR_OK) {
        heap_free(block);
        return NULL;
    }
    block->bytes = phys_to_virt(page);
    cache->block_count++;
    return block;
}

/* Memory for one more block, in no list yet. Dirty data is written to make room. */
static enum err block_obtain(struct ext_cache *cache, struct ext_block **out)
{
    if (cache->block_count < cache->block_count_max) {
        *out = block_allocate(cache);
        if (*out != NULL) {
            return ERR_OK;
        }
    }
    struct ext_block *unused = find_unused(cache);
    if (unused == NULL && cache->data_count != 0) {
        enum err err = ext_cache_write(cache, EXT_DIRTY_DATA);
        if (err != ERR_OK) {
            return err;
        }
        unused = find_unused(cache);
    }
    if (unused == NULL) {
        return ERR_NOMEM;
    }
    hash_remove(cache, unused);
    use_remove(cache, unused);
    *out = unused;
    return ERR_OK;
}

static void block_enter(struct ext_cache *cache, struct ext_block *block, uint32_t number)
{
    struct ext_block **bucket = bucket_of(cache, number);
    block->number = number;
    block->hash_next = *bucket;
    *bucket = block;
    use_add(cache, block);
}

static void block_discard(struct ext_cache *cache, struct ext_block *block)
{
    pages_free(virt_to_phys(block->bytes), 1);
    heap_free(block);
    cache->block_count--;
}

enum err ext_cache_get(struct ext_cache *cache, uint32_t number, enum ext_get how,
                       struct ext_block **out)
{
    struct ext_block *block = find(cache, number);
    if (block == NULL) {
        enum err err = block_obtain(cache, &block);
        if (err != ERR_OK) {
            return err;
        }
        if (how == EXT_GET_READ) {
            err = ext_disk_read(cache, number, 1, block->bytes);
        }
        if (err != ERR_OK) {
            block_discard(cache, block);
            return err;
        }
        block_enter(cache, block, number);
    } else {
        use_remove(cache, block);
        use_add(cache, block);
    }
    if (how == EXT_GET_ZERO) {
        memset(block->bytes, 0, cache->block_bytes);
    }
    block->pin_count++;
    *out = block;
    return ERR_OK;
}

bool ext_cache_has(const struct ext_cache *cache, uint32_t number)
{
    return find(cache, number) != NULL;
}

void ext_cache_put(struct ext_block *block)
{
    if (block != NULL) {
        ASSERT(block->pin_count != 0);
        block->pin_count--;
    }
}

void ext_cache_read_ahead(struct ext_cache *cache, uint32_t number, uint32_t count)
{
    size_t most = ext_cache_staging_blocks(cache);
    if (most > cache->block_count_max / 4) {
        most = cache->block_count_max / 4;
    }
    if (count > most) {
        count = (uint32_t)most;
    }
    if (count < 2 || ext_disk_read(cache, number, count, cache->staging) != ERR_OK) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct ext_block *block;
        /* Writing dirty data to make room would use the staging memory. */
        if (find(cache, number + i) != NULL) {
            continue;
        }
        if (cache->block_count == cache->block_count_max && find_unused(cache) == NULL) {
            return;
        }
        if (block_obtain(cache, &block) != ERR_OK) {
            return;
        }
        memcpy(block->bytes, cache->staging + (size_t)i * cache->block_bytes, cache->block_bytes);
        block_enter(cache, block, number + i);
    }
}

void ext_cache_mark_data(struct ext_cache *cache, struct ext_block *block)
{
    block_set_dirty(cache, block, EXT_DIRTY_DATA);
}

void ext_cache_mark_metadata(struct ext_cache *cache, struct ext_block *block)
{
    block_set_dirty(cache, block, EXT_DIRTY_METADATA);
}

void ext_cache_forget(struct ext_cache *cache, uint32_t number)
{
    struct ext_block *block = find(cache, number);
    if (block != NULL) {
        block_set_dirty(cache, block, EXT_CLEAN);
        if (block->pin_count == 0) {
            block_free(cache, block);
        }
    }
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

/* Heap sort: no recursion, no extra memory, no bad case. */
static void sift_down(struct ext_block **list, size_t root, size_t count)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && list[child + 1]->number > list[child]->number) {
            child++;
        }
        if (list[root]->number >= list[child]->number) {
            return;
        }
        struct ext_block *other = list[root];
        list[root] = list[child];
        list[child] = other;
        root = child;
    }
}

static void list_sort(struct ext_block **list, size_t count)
{
    for (size_t i = count / 2; i > 0; i--) {
        sift_down(list, i - 1, count);
    }
    for (size_t end = count; end > 1; end--) {
        struct ext_block *largest = list[0];
        list[0] = list[end - 1];
        list[end - 1] = largest;
        sift_down(list, 0, end - 1);
    }
}

size_t ext_cache_collect(struct ext_cache *cache, enum ext_dirty dirty)
{
    size_t count = 0;
    size_t expected = dirty == EXT_DIRTY_DATA ? cache->data_count : cache->metadata_count;
    for (struct ext_block *block = cache->newest; block != NULL && count < expected;
         block = block->older) {
        if (block->dirty == dirty) {
            cache->list[count++] = block;
        }
    }
    list_sort(cache->list, count);
    return count;
}

/* How many of the sorted blocks from `start` on are neighbours that fit one transfer. */
static size_t run_length(const struct ext_cache *cache, size_t start, size_t count)
{
    size_t most = ext_cache_staging_blocks(cache);
    size_t length = 1;
    while (length < most && start + length < count &&
           cache->list[start + length]->number == cache->list[start]->number + length) {
        length++;
    }
    return length;
}

enum err ext_cache_write(struct ext_cache *cache, enum ext_dirty dirty)
{
    size_t count = ext_cache_collect(cache, dirty);
    size_t length;
    for (size_t start = 0; start < count; start += length) {
        length = run_length(cache, start, count);
        const uint8_t *bytes = cache->list[start]->bytes;
        if (length > 1) {
            for (size_t i = 0; i < length; i++) {
                memcpy(cache->staging + i * cache->block_bytes, cache->list[start + i]->bytes,
                       cache->block_bytes);
            }
            bytes = cache->staging;
        }
        enum err err = ext_disk_write(cache, cache->list[start]->number, (uint32_t)length, bytes);
        if (err != ERR_OK) {
            return err;
        }
        for (size_t i = 0; i < length; i++) {
            block_set_dirty(cache, cache->list[start + i], EXT_CLEAN);
        }
    }
    return ERR_OK;
}

/* ---- The disk ---------------------------------------------------------------------------------
 */

enum err ext_disk_read(struct ext_cache *cache, uint32_t number, uint32_t count, void *bytes)
{
    return cache->disk->ops->read(cache->disk, (uint64_t)number * cache->sectors_per_block, bytes,
                                  (size_t)count * cache->sectors_per_block);
}

enum err ext_disk_write(struct ext_cache *cache, uint32_t number, uint32_t count, const void *bytes)
{
    return cache->disk->ops->write(cache->disk, (uint64_t)number * cache->sectors_per_block, bytes,
                                   (size_t)count * cache->sectors_per_block);
}

enum err ext_disk_flush(struct ext_cache *cache)
{
    return cache->disk->ops->flush(cache->disk);
}
