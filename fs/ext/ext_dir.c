#include "fs/ext/ext_node.h"
#include "kernel/base/string.h"

/*
 * Directories: a file of blocks, each filled with entries end to end. Removing an entry gives
 * its bytes to the one before it in the block (or clears its inode at the start), so entries
 * never move, and an offset works as a cookie for as long as the directory exists.
 */

#define ENTRY_ALIGNMENT 4u

static uint32_t entry_bytes(size_t name_bytes)
{
    uint32_t bytes = (uint32_t)(sizeof(struct ext_entry) + name_bytes);
    return (bytes + ENTRY_ALIGNMENT - 1) / ENTRY_ALIGNMENT * ENTRY_ALIGNMENT;
}

struct ext_entry *ext_entry_at(const struct ext_volume *volume, uint8_t *block, uint32_t offset)
{
    uint32_t rest = volume->block_bytes - offset;
    void *at = block + offset;
    struct ext_entry *entry = at;
    if (rest < sizeof(*entry) || entry->record_bytes % ENTRY_ALIGNMENT != 0 ||
        entry->record_bytes > rest || entry->record_bytes < sizeof(*entry) ||
        (entry->inode != 0 && entry->record_bytes < entry_bytes(entry->name_bytes)) ||
        entry->inode > volume->super->inodes_count) {
        return NULL;
    }
    return entry;
}

enum err ext_dir_block(struct ext_node *directory, uint32_t index, struct ext_block **out)
{
    uint32_t number;
    enum err err = ext_map_find(directory, index, &number);
    if (err == ERR_OK && number == 0) {
        return ext_fail(directory->volume, "a directory has a hole; run e2fsck");
    }
    return err == ERR_OK ? ext_metadata_get(directory->volume, number, EXT_GET_READ, out) : err;
}

static uint32_t block_count(const struct ext_node *directory)
{
    return (uint32_t)(ext_node_size(directory) / directory->volume->block_bytes);
}

static void entry_fill(const struct ext_volume *volume, struct ext_entry *entry,
                       struct vfs_name name, const struct ext_node *node)
{
    static const uint8_t types[] = {
        [VFS_TYPE_UNKNOWN] = EXT_ENTRY_UNKNOWN,
        [VFS_TYPE_DIRECTORY] = EXT_ENTRY_DIRECTORY,
        [VFS_TYPE_REGULAR] = EXT_ENTRY_REGULAR,
        [VFS_TYPE_SYMLINK] = EXT_ENTRY_SYMLINK,
    };
    bool has_type = (volume->super->feature_incompat & EXT_INCOMPAT_FILETYPE) != 0;
    entry->inode = node->number;
    entry->type = has_type ? types[node->vfs.type] : EXT_ENTRY_UNKNOWN;
    entry->name_bytes = (uint8_t)name.size_bytes;
    memcpy(entry + 1, name.bytes, name.size_bytes);
}

static void directory_changed(struct ext_node *directory, struct ext_block *block)
{
    ext_metadata_changed(directory->volume, block);
    /* The hash tree that Linux may have built over the list is no longer right. */
    directory->inode.flags &= ~EXT_FLAG_INDEX;
}

enum err ext_dir_find(struct ext_node *directory, struct vfs_name name, struct ext_place *out)
{
    return ext_names_find(directory, name, out);
}

/* ---- Adding -----------------------------------------------------------------------------------
 */

/* Splits an entry that has room behind its name, or takes one that is unused. */
static bool block_insert(struct ext_volume *volume, struct ext_block *block, struct vfs_name name,
                         const struct ext_node *node, uint32_t *out)
{
    uint32_t needed = entry_bytes(name.size_bytes);
    struct ext_entry *entry;
    for (uint32_t offset = 0; offset < volume->block_bytes; offset += entry->record_bytes) {
        entry = ext_entry_at(volume, block->bytes, offset);
        if (entry == NULL) {
            return false;
        }
        uint32_t used = entry->inode == 0 ? 0 : entry_bytes(entry->name_bytes);
        if (entry->record_bytes < used + needed) {
            continue;
        }
        if (used != 0) {
            uint32_t room = entry->record_bytes - used;
            entry->record_bytes = (uint16_t)used;
            offset += used;
            void *at = block->bytes + offset;
            entry = at;
            entry->record_bytes = (uint16_t)room;
        }
        entry_fill(volume, entry, name, node);
        *out = offset;
        return true;
    }
    return false;
}

/* One more block at the end, holding a single unused entry. */
static enum err directory_grow(struct ext_node *directory)
{
    struct ext_volume *volume = directory->volume;
    uint64_t size_bytes = ext_node_size(directory) + volume->block_bytes;
    struct ext_block *block;
    uint32_t number;
    bool is_new;
    if (size_bytes > INT32_MAX) {
        return ERR_NOSPC;
    }
    enum err err = ext_map_make(directory, block_count(directory), true, &number, &is_new);
    if (err == ERR_OK) {
        err = ext_metadata_get(volume, number, EXT_GET_ZERO, &block);
    }
    if (err != ERR_OK) {
        enum err stored = ext_node_store(directory);
        return stored == ERR_OK ? err : stored;
    }
    struct ext_entry *entry = (void *)block->bytes;
    entry->record_bytes = (uint16_t)volume->block_bytes;
    ext_metadata_changed(volume, block);
    ext_cache_put(block);
    ext_node_set_size(directory, size_bytes);
    return ext_node_store(directory);
}

enum err ext_dir_add(struct ext_node *directory, struct vfs_name name, const struct ext_node *node)
{
    struct ext_volume *volume = directory->volume;
    uint32_t index = directory->insert_index;
    for (bool grown = false;; index++) {
        if (index >= block_count(directory)) {
            enum err err = grown ? ERR_IO : directory_grow(directory);
            if (err != ERR_OK) {
                return err;
            }
            grown = true;
        }
        struct ext_block *block;
        uint32_t offset;
        enum err err = ext_dir_block(directory, index, &block);
        if (err != ERR_OK) {
            return err;
        }
        bool inserted = block_insert(volume, block, name, node, &offset);
        if (inserted) {
            directory_changed(directory, block);
            ext_names_add(directory, name, index * volume->block_bytes + offset);
        }
        ext_cache_put(block);
        if (inserted) {
            return ERR_OK;
        }
        /* Long names may leave room here for shorter ones, which is not worth a search. */
        directory->insert_index = index + 1;
    }
}

enum err ext_dir_init(struct ext_node *directory, const struct ext_node *parent)
{
    struct ext_volume *volume = directory->volume;
    struct ext_block *block;
    enum err err = directory_grow(directory);
    if (err == ERR_OK) {
        err = ext_dir_block(directory, 0, &block);
    }
    if (err != ERR_OK) {
        return err;
    }
    struct ext_entry *dot = (void *)block->bytes;
    entry_fill(volume, dot, (struct vfs_name){".", 1}, directory);
    dot->record_bytes = (uint16_t)entry_bytes(1);
    struct ext_entry *dot_dot = (void *)(block->bytes + EXT_DOT_DOT_OFFSET);
    entry_fill(volume, dot_dot, (struct vfs_name){"..", 2}, parent);
    dot_dot->record_bytes = (uint16_t)(volume->block_bytes - EXT_DOT_DOT_OFFSET);
    ext_metadata_changed(volume, block);
    ext_cache_put(block);
    return ERR_OK;
}

/* ---- Removing and replacing --------------------------------------------------------------------
 */

enum err ext_dir_remove(struct ext_node *directory, struct vfs_name name, uint32_t offset)
{
    struct ext_volume *volume = directory->volume;
    uint32_t index = offset / volume->block_bytes;
    uint32_t target = offset % volume->block_bytes;
    struct ext_block *block;
    enum err err = ext_dir_block(directory, index, &block);
    if (err != ERR_OK) {
        return err;
    }
    struct ext_entry *before = NULL;
    uint32_t at = 0;
    struct ext_entry *entry = ext_entry_at(volume, block->bytes, at);
    while (entry != NULL && at < target) {
        before = entry;
        at += entry->record_bytes;
        entry = at < volume->block_bytes ? ext_entry_at(volume, block->bytes, at) : NULL;
    }
    if (entry == NULL || at != target) {
        err = ext_fail(volume, "a directory block is damaged; run e2fsck");
    } else {
        entry->inode = 0;
        if (before != NULL) {
            before->record_bytes = (uint16_t)(before->record_bytes + entry->record_bytes);
        }
        directory_changed(directory, block);
        ext_names_remove(directory, name, offset);
        if (index < directory->insert_index) {
            directory->insert_index = index;
        }
    }
    ext_cache_put(block);
    return err;
}

enum err ext_dir_replace(struct ext_node *directory, uint32_t offset, const struct ext_node *node)
{
    struct ext_volume *volume = directory->volume;
    struct ext_block *block;
    enum err err = ext_dir_block(directory, offset / volume->block_bytes, &block);
    if (err != ERR_OK) {
        return err;
    }
    struct ext_entry *entry = ext_entry_at(volume, block->bytes, offset % volume->block_bytes);
    if (entry == NULL || entry->inode == 0) {
        err = ext_fail(volume, "a directory block is damaged; run e2fsck");
    } else {
        char name[VFS_NAME_MAX];
        struct vfs_name same = {name, entry->name_bytes};
        memcpy(name, entry + 1, entry->name_bytes);
        entry_fill(volume, entry, same, node);
        directory_changed(directory, block);
    }
    ext_cache_put(block);
    return err;
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

static enum vfs_type type_of_entry(struct ext_node *directory, const struct ext_entry *entry)
{
    switch (entry->type) {
    case EXT_ENTRY_REGULAR:
        return VFS_TYPE_REGULAR;
    case EXT_ENTRY_DIRECTORY:
        return VFS_TYPE_DIRECTORY;
    case EXT_ENTRY_SYMLINK:
        return VFS_TYPE_SYMLINK;
    default:
        break;
    }
    /* A volume without types in its directories, or a device. */
    struct ext_node *node;
    if ((directory->volume->super->feature_incompat & EXT_INCOMPAT_FILETYPE) != 0 ||
        ext_node_get(directory->volume, entry->inode, &node) != ERR_OK) {
        return VFS_TYPE_UNKNOWN;
    }
    enum vfs_type type = node->vfs.type;
    vfs_node_put(&node->vfs);
    return type;
}

static bool name_is_sane(const struct ext_entry *entry)
{
    const char *name = (const char *)(entry + 1);
    return entry->name_bytes != 0 && memchr(name, '/', entry->name_bytes) == NULL &&
           memchr(name, '\0', entry->name_bytes) == NULL;
}

/* The first entry in use of a block at or after `from`; NULL if there is none. */
static struct ext_entry *block_next(const struct ext_volume *volume, struct ext_block *block,
                                    uint32_t from, uint32_t *offset)
{
    struct ext_entry *entry;
    for (uint32_t at = 0; at < volume->block_bytes; at += entry->record_bytes) {
        entry = ext_entry_at(volume, block->bytes, at);
        if (entry == NULL) {
            return NULL;
        }
        if (at >= from && entry->inode != 0 && name_is_sane(entry)) {
            *offset = at;
            return entry;
        }
    }
    return NULL;
}

enum err ext_dir_read(struct ext_node *directory, uint64_t cookie, struct vfs_dirent *out)
{
    struct ext_volume *volume = directory->volume;
    if (cookie >= ext_node_size(directory)) {
        return ERR_NOENT;
    }
    uint32_t from = (uint32_t)cookie % volume->block_bytes;
    for (uint32_t index = (uint32_t)cookie / volume->block_bytes; index < block_count(directory);
         index++) {
        struct ext_block *block;
        uint32_t offset;
        enum err err = ext_dir_block(directory, index, &block);
        if (err != ERR_OK) {
            return err;
        }
        const struct ext_entry *entry = block_next(volume, block, from, &offset);
        if (entry != NULL) {
            *out = (struct vfs_dirent){
                .next_cookie =
                    (uint64_t)index * volume->block_bytes + offset + entry_bytes(entry->name_bytes),
                .inode = entry->inode,
                .name = (const char *)(entry + 1),
                .name_bytes = entry->name_bytes,
                .type = type_of_entry(directory, entry),
            };
        }
        ext_cache_put(block);
        if (entry != NULL) {
            return ERR_OK;
        }
        from = 0;
    }
    return ERR_NOENT;
}

enum err ext_dir_check_empty(struct ext_node *directory)
{
    struct vfs_dirent entry;
    uint64_t cookie = 0;
    enum err err;
    while ((err = ext_dir_read(directory, cookie, &entry)) == ERR_OK) {
        bool dot = entry.name_bytes == 1 && entry.name[0] == '.';
        bool dot_dot = entry.name_bytes == 2 && memcmp(entry.name, "..", 2) == 0;
        if (!dot && !dot_dot) {
            return ERR_NOTEMPTY;
        }
        cookie = entry.next_cookie;
    }
    return err == ERR_NOENT ? ERR_OK : err;
}
