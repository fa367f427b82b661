#include "fs/ext/ext_file.h"

#include "fs/ext/ext_node.h"
#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/mem.h"

/* How far ahead of a sequential reader the disk is read. */
#define READ_AHEAD_BLOCKS 32u

/* What a hole reads as. */
static const uint8_t zero_block[PAGE_BYTES];

static void touch_modified(struct ext_node *node)
{
    ext_node_set_time(node, EXT_TIME_MODIFY | EXT_TIME_CHANGE, clock_realtime_ns());
}

/* Marks a change that an fdatasync must bring to the disk: size or mapping, not just times. */
static void changed_shape(struct ext_node *node)
{
    node->changed_sequence = node->volume->journal.sequence;
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

/* Fetches the neighbours of a block together, as far as they lie in one run on the disk. */
static enum err read_ahead(struct ext_node *node, uint32_t index, uint32_t block)
{
    uint64_t last = (ext_node_size(node) - 1) / node->volume->block_bytes;
    uint32_t count = 1;
    while (count < READ_AHEAD_BLOCKS && index + count <= last) {
        uint32_t next;
        enum err err = ext_map_find(node, index + count, &next);
        if (err != ERR_OK) {
            return err;
        }
        if (next != block + count || ext_cache_has(&node->volume->cache, next)) {
            break;
        }
        count++;
    }
    ext_cache_read_ahead(&node->volume->cache, block, count);
    return ERR_OK;
}

/* Like Linux's relatime: the first read after a change shows, the others write nothing. */
static enum err touch_accessed(struct ext_node *node)
{
    if (ext_node_time(node, EXT_TIME_ACCESS) > ext_node_time(node, EXT_TIME_MODIFY) ||
        ext_begin(node->volume) != ERR_OK) {
        return ERR_OK; /* A volume that cannot be written can still be read. */
    }
    ext_node_set_time(node, EXT_TIME_ACCESS, clock_realtime_ns());
    return ext_node_store(node);
}

enum err ext_read_span(struct vfs_node *vfs, uint64_t offset, size_t max_bytes,
                       struct vfs_span *out)
{
    struct ext_node *node = ext_node_of(vfs);
    uint32_t block_bytes = node->volume->block_bytes;
    uint64_t size_bytes = ext_node_size(node);
    uint32_t number;
    if (offset >= size_bytes || offset / block_bytes > UINT32_MAX) {
        return ERR_OK;
    }
    uint32_t index = (uint32_t)(offset / block_bytes);
    enum err err = touch_accessed(node);
    if (err == ERR_OK) {
        err = ext_map_find(node, index, &number);
    }
    if (err != ERR_OK) {
        return err;
    }
    size_t start = (size_t)(offset % block_bytes);
    size_t count = block_bytes - start;
    count = count < max_bytes ? count : max_bytes;
    count = count < size_bytes - offset ? count : (size_t)(size_bytes - offset);
    if (number == 0) {
        *out = (struct vfs_span){.data = zero_block, .size_bytes = count, .permanent = true};
        return ERR_OK;
    }
    if (index == node->next_index && !ext_cache_has(&node->volume->cache, number)) {
        err = read_ahead(node, index, number);
    }
    node->next_index = index + 1;
    struct ext_block *block;
    if (err == ERR_OK) {
        err = ext_cache_get(&node->volume->cache, number, EXT_GET_READ, &block);
    }
    if (err == ERR_OK) {
        *out = (struct vfs_span){.data = block->bytes + start, .size_bytes = count};
        ext_cache_put(block);
    }
    return err;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

/*
 * Hands out a page beside the cache: space on the disk is taken at the commit, when it is
 * certain that bytes will come, so that no block hangs behind the end of a file.
 */
enum err ext_write_reserve(struct vfs_node *vfs, uint64_t offset, size_t max_bytes,
                           struct vfs_write_span *out)
{
    struct ext_volume *volume = ext_node_of(vfs)->volume;
    enum err err = ext_begin(volume);
    if (err != ERR_OK) {
        return err;
    }
    if (offset >= ext_map_size_max(volume)) {
        return ERR_FBIG;
    }
    size_t room = volume->block_bytes - (size_t)(offset % volume->block_bytes);
    *out = (struct vfs_write_span){volume->scratch, max_bytes < room ? max_bytes : room};
    return ERR_OK;
}

/* The disk block of a file's block, new if need be. */
static enum err block_make(struct ext_node *node, uint32_t index, uint32_t *number, bool *is_new)
{
    enum err err = ext_map_make(node, index, false, number, is_new);
    if (err != ERR_OK) {
        /* Indirect blocks may have been added all the same. */
        enum err stored = ext_node_store(node);
        return stored == ERR_OK ? err : stored;
    }
    return ERR_OK;
}

/* Pins the cached block of a file's block for writing, allocating it if need be. */
static enum err block_for_write(struct ext_node *node, uint32_t index, bool whole,
                                struct ext_block **out)
{
    struct ext_volume *volume = node->volume;
    uint32_t number;
    bool is_new;
    enum err err = block_make(node, index, &number, &is_new);
    if (err == ERR_NOSPC && ext_commit_for_space(volume)) {
        err = block_make(node, index, &number, &is_new);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (is_new) {
        changed_shape(node);
    }
    err = ext_cache_get(&volume->cache, number, is_new || whole ? EXT_GET_ZERO : EXT_GET_READ, out);
    if (err != ERR_OK && is_new) {
        return ext_fail(volume, "no memory for file data");
    }
    return err;
}

enum err ext_write_commit(struct vfs_node *vfs, uint64_t offset, size_t size_bytes)
{
    struct ext_node *node = ext_node_of(vfs);
    struct ext_volume *volume = node->volume;
    struct ext_block *block;
    bool whole = size_bytes == volume->block_bytes;
    enum err err = block_for_write(node, (uint32_t)(offset / volume->block_bytes), whole, &block);
    if (err != ERR_OK) {
        return err;
    }
    memcpy(block->bytes + offset % volume->block_bytes, volume->scratch, size_bytes);
    ext_cache_mark_data(&volume->cache, block);
    ext_cache_put(block);
    if (offset + size_bytes > ext_node_size(node)) {
        ext_node_set_size(node, offset + size_bytes);
        changed_shape(node);
    }
    touch_modified(node);
    return ext_node_store(node);
}

/* Clears what lies behind the end in the last block, so that growing finds zeros. */
static enum err tail_clear(struct ext_node *node, uint64_t size_bytes)
{
    struct ext_volume *volume = node->volume;
    struct ext_block *block;
    uint32_t start = (uint32_t)(size_bytes % volume->block_bytes);
    uint32_t number = 0;
    enum err err = ERR_OK;
    if (start != 0) {
        err = ext_map_find(node, (uint32_t)(size_bytes / volume->block_bytes), &number);
    }
    if (err != ERR_OK || number == 0) {
        return err;
    }
    err = ext_cache_get(&volume->cache, number, EXT_GET_READ, &block);
    if (err == ERR_OK) {
        memset(block->bytes + start, 0, volume->block_bytes - start);
        ext_cache_mark_data(&volume->cache, block);
        ext_cache_put(block);
    }
    return err;
}

static enum err file_cut(struct ext_node *node, uint64_t size_bytes)
{
    uint32_t block_bytes = node->volume->block_bytes;
    enum err err = tail_clear(node, size_bytes);
    if (err != ERR_OK) {
        return err;
    }
    uint64_t kept = (size_bytes + block_bytes - 1) / block_bytes;
    ext_node_set_size(node, size_bytes);
    return ext_map_cut(node, (uint32_t)kept, false);
}

enum err ext_set_size(struct vfs_node *vfs, uint64_t size_bytes)
{
    struct ext_node *node = ext_node_of(vfs);
    enum err err = ext_begin(node->volume);
    if (err != ERR_OK) {
        return err;
    }
    if (size_bytes > ext_map_size_max(node->volume)) {
        return ERR_FBIG;
    }
    if (size_bytes < ext_node_size(node)) {
        err = file_cut(node, size_bytes);
    } else {
        ext_node_set_size(node, size_bytes);
    }
    if (err == ERR_OK) {
        changed_shape(node);
        touch_modified(node);
        err = ext_node_store(node);
    }
    return err;
}

/* Makes one block of the range real; new ones are zero. */
static enum err block_back(struct ext_node *node, uint32_t index, uint64_t end)
{
    struct ext_volume *volume = node->volume;
    struct ext_block *block;
    uint32_t number;
    uint64_t block_end = ((uint64_t)index + 1) * volume->block_bytes;
    enum err err = ext_begin(volume);
    if (err == ERR_OK) {
        err = ext_map_find(node, index, &number);
    }
    if (err == ERR_OK && number == 0) {
        err = block_for_write(node, index, true, &block);
        if (err == ERR_OK) {
            ext_cache_mark_data(&volume->cache, block);
            ext_cache_put(block);
        }
    }
    /* The size follows block by block: a commit may come at any time. */
    uint64_t size_bytes = block_end < end ? block_end : end;
    if (err == ERR_OK && size_bytes > ext_node_size(node)) {
        ext_node_set_size(node, size_bytes);
        changed_shape(node);
    }
    return err == ERR_OK ? ext_node_store(node) : err;
}

enum err ext_allocate(struct vfs_node *vfs, uint64_t offset, uint64_t size_bytes)
{
    struct ext_node *node = ext_node_of(vfs);
    struct ext_volume *volume = node->volume;
    uint64_t end = offset + size_bytes;
    uint64_t old_size = ext_node_size(node);
    if (end > ext_map_size_max(volume)) {
        return ERR_FBIG;
    }
    enum err err = ERR_OK;
    for (uint64_t index = offset / volume->block_bytes;
         index * volume->block_bytes < end && err == ERR_OK; index++) {
        err = block_back(node, (uint32_t)index, end);
    }
    if (err == ERR_NOSPC && ext_node_size(node) > old_size) {
        enum err cut = file_cut(node, old_size);
        cut = cut == ERR_OK ? ext_node_store(node) : cut;
        return cut == ERR_OK ? err : cut;
    }
    if (err == ERR_OK) {
        touch_modified(node);
        err = ext_node_store(node);
    }
    return err;
}

enum err ext_sync(struct vfs_node *vfs, bool data_only)
{
    struct ext_node *node = ext_node_of(vfs);
    struct ext_volume *volume = node->volume;
    if (volume->failed) {
        return ERR_IO;
    }
    bool has_journal = volume->journal.map != NULL;
    if (!data_only || !has_journal || node->changed_sequence == volume->journal.sequence) {
        return ext_commit(volume);
    }
    /* Only contents and times differ from what is committed, and times may wait. */
    enum err err = ext_cache_write(&volume->cache, EXT_DIRTY_DATA);
    if (err == ERR_OK) {
        err = ext_disk_flush(&volume->cache);
    }
    return err == ERR_OK ? ERR_OK : ext_fail(volume, "file data could not be written");
}
