#include "fs/ext/ext_file.h"
#include "fs/ext/ext_node.h"
#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/mem.h"

/*
 * Names: the operations of struct vfs_ops on directories and links. Each is one piece of a
 * transaction, so what it does to several blocks reaches the disk whole or not at all. An
 * operation that runs out of space leaves nothing behind.
 */

static void touch_modified(struct ext_node *node)
{
    ext_node_set_time(node, EXT_TIME_MODIFY | EXT_TIME_CHANGE, clock_realtime_ns());
}

static void touch_changed(struct ext_node *node)
{
    ext_node_set_time(node, EXT_TIME_CHANGE, clock_realtime_ns());
}

static enum err ext_stat(struct vfs_node *vfs, struct vfs_stat *out)
{
    const struct ext_node *node = ext_node_of(vfs);
    *out = (struct vfs_stat){
        .device = node->volume->device,
        .inode = node->number,
        .link_count = node->inode.links_count,
        .size_bytes = ext_node_size(node),
        .access_time_ns = ext_node_time(node, EXT_TIME_ACCESS),
        .modify_time_ns = ext_node_time(node, EXT_TIME_MODIFY),
        .change_time_ns = ext_node_time(node, EXT_TIME_CHANGE),
        .type = vfs->type,
    };
    return ERR_OK;
}

static enum err ext_set_times(struct vfs_node *vfs, uint64_t access_ns, uint64_t modify_ns)
{
    struct ext_node *node = ext_node_of(vfs);
    enum err err = ext_begin(node->volume);
    if (err != ERR_OK) {
        return err;
    }
    if (access_ns != VFS_TIME_OMIT) {
        ext_node_set_time(node, EXT_TIME_ACCESS, access_ns);
    }
    if (modify_ns != VFS_TIME_OMIT) {
        ext_node_set_time(node, EXT_TIME_MODIFY, modify_ns);
    }
    touch_changed(node);
    return ext_node_store(node);
}

/* ---- Finding ----------------------------------------------------------------------------------
 */

static enum err ext_lookup(struct vfs_node *vfs, struct vfs_name name, struct vfs_node **out)
{
    struct ext_node *directory = ext_node_of(vfs);
    struct ext_place place;
    struct ext_node *node;
    enum err err = ext_dir_find(directory, name, &place);
    if (err == ERR_OK) {
        err = ext_node_get(directory->volume, place.inode, &node);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (node->vfs.type == VFS_TYPE_DIRECTORY && node->parent != directory) {
        /* Only a damaged volume has a directory in two places, or the root in another. */
        if (node->parent != NULL || node == directory->volume->root) {
            vfs_node_put(&node->vfs);
            return ext_fail(directory->volume, "a directory has two names; run e2fsck");
        }
        vfs_node_get(&directory->vfs);
        node->parent = directory;
    }
    *out = &node->vfs;
    return ERR_OK;
}

static enum err ext_parent(struct vfs_node *vfs, struct vfs_node **out)
{
    struct ext_node *parent = ext_node_of(vfs)->parent;
    if (parent == NULL) {
        return ERR_NOENT;
    }
    vfs_node_get(&parent->vfs);
    *out = &parent->vfs;
    return ERR_OK;
}

static enum err ext_read_directory(struct vfs_node *vfs, uint64_t cookie, struct vfs_dirent *out)
{
    return ext_dir_read(ext_node_of(vfs), cookie, out);
}

static enum err ext_check_empty(struct vfs_node *vfs)
{
    return ext_dir_check_empty(ext_node_of(vfs));
}

static enum err ext_read_link(struct vfs_node *vfs, const char **target, size_t *target_bytes)
{
    struct ext_node *node = ext_node_of(vfs);
    uint64_t size_bytes = ext_node_size(node);
    if (size_bytes == 0 || size_bytes > VFS_PATH_MAX || size_bytes > node->volume->block_bytes) {
        return ERR_IO;
    }
    if (node->link_text == NULL) {
        char *text = heap_allocate((size_t)size_bytes);
        enum err err = text == NULL ? ERR_NOMEM : ERR_OK;
        if (err == ERR_OK && size_bytes < EXT_FAST_LINK_BYTES) {
            memcpy(text, node->inode.block, (size_t)size_bytes);
        } else if (err == ERR_OK) {
            struct ext_block *block;
            err = ext_metadata_get(node->volume, node->inode.block[0], EXT_GET_READ, &block);
            if (err == ERR_OK) {
                memcpy(text, block->bytes, (size_t)size_bytes);
                ext_cache_put(block);
            }
        }
        if (err != ERR_OK) {
            heap_free(text);
            return err;
        }
        node->link_text = text;
    }
    *target = node->link_text;
    *target_bytes = (size_t)size_bytes;
    return ERR_OK;
}

/* ---- Making -----------------------------------------------------------------------------------
 */

/* Enters a node that has no name yet into a directory. */
static enum err node_enter(struct ext_node *directory, struct vfs_name name, struct ext_node *node)
{
    bool is_directory = node->vfs.type == VFS_TYPE_DIRECTORY;
    enum err err = ext_dir_add(directory, name, node);
    if (err != ERR_OK) {
        return err;
    }
    node->inode.links_count = is_directory ? 2 : 1;
    if (is_directory) {
        directory->inode.links_count++;
        vfs_node_get(&directory->vfs);
        node->parent = directory;
    }
    touch_modified(directory);
    node->changed_sequence = node->volume->journal.sequence;
    err = ext_node_store(node);
    return err == ERR_OK ? ext_node_store(directory) : err;
}

static enum err directory_check(const struct ext_node *directory, bool for_directory)
{
    if (directory->inode.links_count == 0) {
        return ERR_NOENT;
    }
    return for_directory && directory->inode.links_count >= EXT_LINKS_MAX ? ERR_MLINK : ERR_OK;
}

/* The text of a new symbolic link: in the inode if it is short, else in a block. */
static enum err link_fill(struct ext_node *node, const char *target, size_t target_bytes)
{
    struct ext_volume *volume = node->volume;
    if (target_bytes >= volume->block_bytes) {
        return ERR_NAMETOOLONG;
    }
    if (target_bytes < EXT_FAST_LINK_BYTES) {
        memcpy(node->inode.block, target, target_bytes);
        ext_node_set_size(node, target_bytes);
        return ERR_OK;
    }
    struct ext_block *block;
    uint32_t number;
    bool is_new;
    /* The size says that there is a block to free, whatever happens now. */
    ext_node_set_size(node, target_bytes);
    enum err err = ext_map_make(node, 0, true, &number, &is_new);
    if (err == ERR_OK) {
        err = ext_metadata_get(volume, number, EXT_GET_ZERO, &block);
    }
    if (err == ERR_OK) {
        memcpy(block->bytes, target, target_bytes);
        ext_metadata_changed(volume, block);
        ext_cache_put(block);
    }
    return err;
}

struct creation {
    struct vfs_name name;
    uint16_t mode;
    const char *target; /* of a symbolic link */
    size_t target_bytes;
};

static enum err node_make(struct ext_node *directory, const struct creation *creation,
                          struct ext_node **out)
{
    struct ext_node *node;
    bool is_directory = (creation->mode & EXT_MODE_TYPE_MASK) == EXT_MODE_DIRECTORY;
    enum err err = directory_check(directory, is_directory);
    if (err == ERR_OK) {
        err = ext_node_create(directory, creation->mode, &node);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (is_directory) {
        err = ext_dir_init(node, directory);
    } else if (creation->target != NULL) {
        err = link_fill(node, creation->target, creation->target_bytes);
    }
    if (err == ERR_OK) {
        err = node_enter(directory, creation->name, node);
    }
    if (err != ERR_OK) {
        vfs_node_put(&node->vfs); /* Without a name it is freed again. */
        return err;
    }
    *out = node;
    return ERR_OK;
}

static enum err node_make_retrying(struct ext_node *directory, const struct creation *creation,
                                   struct ext_node **out)
{
    struct ext_volume *volume = directory->volume;
    enum err err = ext_begin(volume);
    if (err == ERR_OK) {
        err = node_make(directory, creation, out);
    }
    if (err == ERR_NOSPC && ext_commit_for_space(volume)) {
        err = node_make(directory, creation, out);
    }
    return err;
}

static enum err ext_create(struct vfs_node *vfs, struct vfs_name name, enum vfs_type type,
                           struct vfs_node **out)
{
    struct ext_node *node;
    struct creation creation = {
        .name = name,
        .mode = type == VFS_TYPE_DIRECTORY ? EXT_MODE_DIRECTORY | 0755 : EXT_MODE_REGULAR | 0644,
    };
    enum err err = node_make_retrying(ext_node_of(vfs), &creation, &node);
    if (err == ERR_OK) {
        *out = &node->vfs;
    }
    return err;
}

static enum err ext_symlink(struct vfs_node *vfs, struct vfs_name name, const char *target,
                            size_t target_bytes)
{
    struct ext_node *node;
    struct creation creation = {
        .name = name,
        .mode = EXT_MODE_SYMLINK | 0777,
        .target = target,
        .target_bytes = target_bytes,
    };
    enum err err = node_make_retrying(ext_node_of(vfs), &creation, &node);
    if (err == ERR_OK) {
        vfs_node_put(&node->vfs);
    }
    return err;
}

static enum err ext_link(struct vfs_node *vfs, struct vfs_name name, struct vfs_node *target)
{
    struct ext_node *directory = ext_node_of(vfs);
    struct ext_node *node = ext_node_of(target);
    enum err err = ext_begin(directory->volume);
    if (err == ERR_OK) {
        err = directory_check(directory, false);
    }
    if (err != ERR_OK) {
        return err;
    }
    /* A file whose last name is gone cannot get one again. */
    if (node->inode.links_count == 0) {
        return ERR_NOENT;
    }
    if (node->inode.links_count >= EXT_LINKS_MAX) {
        return ERR_MLINK;
    }
    err = ext_dir_add(directory, name, node);
    if (err == ERR_NOSPC && ext_commit_for_space(directory->volume)) {
        err = ext_dir_add(directory, name, node);
    }
    if (err != ERR_OK) {
        return err;
    }
    node->inode.links_count++;
    touch_changed(node);
    touch_modified(directory);
    err = ext_node_store(node);
    return err == ERR_OK ? ext_node_store(directory) : err;
}

/* ---- Removing ---------------------------------------------------------------------------------
 */

/* A node has lost a name in `directory`; without any it lives on until it is closed. */
static enum err node_unlinked(struct ext_node *directory, struct ext_node *node)
{
    touch_changed(node);
    if (node->vfs.type == VFS_TYPE_DIRECTORY) {
        node->inode.links_count = 0;
        directory->inode.links_count -= directory->inode.links_count > 2;
        if (node->parent != NULL) {
            vfs_node_put(&node->parent->vfs);
            node->parent = NULL;
        }
    } else {
        node->inode.links_count -= node->inode.links_count != 0;
    }
    return node->inode.links_count == 0 ? ext_orphan_add(node) : ext_node_store(node);
}

static enum err ext_remove(const struct vfs_place *place)
{
    struct ext_node *directory = ext_node_of(place->directory);
    struct ext_place found;
    enum err err = ext_begin(directory->volume);
    if (err == ERR_OK) {
        err = ext_dir_find(directory, place->name, &found);
    }
    if (err != ERR_OK) {
        return err;
    }
    err = ext_dir_remove(directory, place->name, found.offset);
    if (err == ERR_OK) {
        err = node_unlinked(directory, ext_node_of(place->node));
    }
    if (err == ERR_OK) {
        touch_modified(directory);
        err = ext_node_store(directory);
    }
    return err == ERR_OK ? ERR_OK : ext_fail(directory->volume, "a name was removed half-way");
}

/* The target's name stands for the moved node afterwards. Fails before any change, or hard. */
static enum err rename_enter(const struct vfs_place *to, struct ext_node *node)
{
    struct ext_node *directory = ext_node_of(to->directory);
    struct ext_place found;
    if (to->node == NULL) {
        return ext_dir_add(directory, to->name, node);
    }
    enum err err = ext_dir_find(directory, to->name, &found);
    if (err == ERR_OK) {
        err = ext_dir_replace(directory, found.offset, node);
    }
    if (err == ERR_OK) {
        err = node_unlinked(directory, ext_node_of(to->node));
    }
    return err == ERR_OK ? ERR_OK : ext_fail(directory->volume, "a name was replaced half-way");
}

/* A directory that moves to another parent: `..`, the parents' link counts. */
static enum err rename_parent(struct ext_node *node, struct ext_node *from, struct ext_node *to)
{
    if (node->vfs.type != VFS_TYPE_DIRECTORY || from == to) {
        return ERR_OK;
    }
    enum err err = ext_dir_replace(node, EXT_DOT_DOT_OFFSET, to);
    from->inode.links_count -= from->inode.links_count > 2;
    to->inode.links_count++;
    vfs_node_get(&to->vfs);
    node->parent = to;
    vfs_node_put(&from->vfs);
    return err;
}

static enum err ext_rename(const struct vfs_place *from, const struct vfs_place *to)
{
    struct ext_node *old_directory = ext_node_of(from->directory);
    struct ext_node *new_directory = ext_node_of(to->directory);
    struct ext_node *node = ext_node_of(from->node);
    struct ext_volume *volume = node->volume;
    bool gains_link =
        node->vfs.type == VFS_TYPE_DIRECTORY && old_directory != new_directory && to->node == NULL;
    struct ext_place found;
    enum err err = ext_begin(volume);
    if (err == ERR_OK) {
        err = directory_check(new_directory, gains_link);
    }
    if (err == ERR_OK) {
        err = rename_enter(to, node);
        if (err == ERR_NOSPC && ext_commit_for_space(volume)) {
            err = rename_enter(to, node);
        }
    }
    if (err != ERR_OK) {
        return err;
    }
    err = ext_dir_find(old_directory, from->name, &found);
    if (err == ERR_OK) {
        err = ext_dir_remove(old_directory, from->name, found.offset);
    }
    if (err == ERR_OK) {
        err = rename_parent(node, old_directory, new_directory);
    }
    touch_modified(old_directory);
    touch_modified(new_directory);
    touch_changed(node);
    node->changed_sequence = volume->journal.sequence;
    struct ext_node *const changed[] = {node, old_directory, new_directory};
    for (size_t i = 0; i < 3 && err == ERR_OK; i++) {
        err = ext_node_store(changed[i]);
    }
    return err == ERR_OK ? ERR_OK : ext_fail(volume, "a name was moved half-way");
}

const struct vfs_ops ext_ops = {
    .release = ext_node_release,
    .stat = ext_stat,
    .set_times = ext_set_times,
    .sync = ext_sync,
    .read_span = ext_read_span,
    .write_reserve = ext_write_reserve,
    .write_commit = ext_write_commit,
    .set_size = ext_set_size,
    .allocate = ext_allocate,
    .read_link = ext_read_link,
    .lookup = ext_lookup,
    .parent = ext_parent,
    .read_directory = ext_read_directory,
    .check_empty = ext_check_empty,
    .create = ext_create,
    .symlink = ext_symlink,
    .link = ext_link,
    .remove = ext_remove,
    .rename = ext_rename,
};
