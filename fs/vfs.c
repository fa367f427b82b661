#include "fs/vfs.h"

#include "fs/path.h"
#include "fs/vfs_ops.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/clock.h"

void vfs_node_get(struct vfs_node *node)
{
    /* Each reference costs its holder memory, so the count cannot come near its limit. */
    ASSERT(node->reference_count != UINT32_MAX);
    node->reference_count++;
}

void vfs_node_put(struct vfs_node *node)
{
    if (node == NULL) {
        return;
    }
    ASSERT(node->reference_count != 0);
    if (--node->reference_count == 0) {
        node->ops->release(node);
    }
}

enum vfs_type vfs_node_type(const struct vfs_node *node)
{
    return node->type;
}

enum err vfs_stat(struct vfs_node *node, struct vfs_stat *out)
{
    return node->ops->stat(node, out);
}

enum err vfs_set_times(struct vfs_node *node, uint64_t access_time_ns, uint64_t modify_time_ns)
{
    uint64_t now_ns = clock_realtime_ns();
    return node->ops->set_times(node, access_time_ns == VFS_TIME_NOW ? now_ns : access_time_ns,
                                modify_time_ns == VFS_TIME_NOW ? now_ns : modify_time_ns);
}

enum err vfs_sync(struct vfs_node *node, bool data_only)
{
    return node->ops->sync(node, data_only);
}

enum err vfs_lookup(struct vfs_node *directory, const char *path, size_t path_bytes, bool follow,
                    struct vfs_node **out)
{
    struct path found;
    enum err err =
        path_resolve(directory, path, path_bytes, follow ? PATH_FOLLOW : PATH_FOLLOW_SLASH, &found);
    if (err != ERR_OK) {
        return err;
    }
    struct vfs_node *node = found.place.node;
    if (node == NULL) {
        err = ERR_NOENT;
    } else if (found.trailing_slash && node->type != VFS_TYPE_DIRECTORY) {
        err = ERR_NOTDIR;
    } else {
        vfs_node_get(node);
        *out = node;
    }
    path_end(&found);
    return err;
}

/* POSIX open(): what the flags demand of a file that exists. */
static enum err open_check_existing(const struct path *found, uint32_t flags)
{
    enum vfs_type type = found->place.node->type;
    if ((flags & VFS_OPEN_CREATE) != 0 && (flags & VFS_OPEN_EXCLUSIVE) != 0) {
        return ERR_EXIST;
    }
    if (type == VFS_TYPE_SYMLINK) {
        return ERR_LOOP;
    }
    if (type == VFS_TYPE_DIRECTORY) {
        const uint32_t changing = VFS_OPEN_WRITE | VFS_OPEN_TRUNCATE | VFS_OPEN_CREATE;
        return (flags & changing) != 0 ? ERR_ISDIR : ERR_OK;
    }
    if ((flags & VFS_OPEN_DIRECTORY) != 0 || found->trailing_slash) {
        return ERR_NOTDIR;
    }
    return type == VFS_TYPE_REGULAR ? ERR_OK : ERR_NOTSUP;
}

static enum err open_found(struct path *found, uint32_t flags, struct vfs_node **out)
{
    struct vfs_node *node = found->place.node;
    if (node == NULL) {
        if ((flags & VFS_OPEN_CREATE) == 0) {
            return ERR_NOENT;
        }
        if (found->trailing_slash) {
            return ERR_ISDIR;
        }
        struct vfs_node *directory = found->place.directory;
        return directory->ops->create(directory, found->place.name, VFS_TYPE_REGULAR, out);
    }
    enum err err = open_check_existing(found, flags);
    if (err == ERR_OK && node->type == VFS_TYPE_REGULAR && node->ops->open != NULL) {
        err = node->ops->open(node, (flags & VFS_OPEN_WRITE) != 0);
    }
    if (err == ERR_OK && (flags & VFS_OPEN_TRUNCATE) != 0) {
        err = node->ops->set_size(node, 0);
    }
    if (err == ERR_OK) {
        vfs_node_get(node);
        *out = node;
    }
    return err;
}

static enum err open_path(struct vfs_node *directory, const char *path, size_t path_bytes,
                          uint32_t flags, struct vfs_node **out)
{
    enum path_follow follow = PATH_FOLLOW_SLASH;
    if ((flags & VFS_OPEN_CREATE) != 0 && (flags & VFS_OPEN_EXCLUSIVE) != 0) {
        follow = PATH_FOLLOW_NEVER;
    } else if ((flags & VFS_OPEN_FOLLOW) != 0) {
        follow = PATH_FOLLOW;
    }
    struct path found;
    enum err err = path_resolve(directory, path, path_bytes, follow, &found);
    if (err != ERR_OK) {
        return err;
    }
    err = open_found(&found, flags, out);
    path_end(&found);
    return err;
}

enum err vfs_open(struct vfs_node *directory, const char *path, size_t path_bytes, uint32_t flags,
                  struct vfs_node **out)
{
    if ((flags & VFS_OPEN_CREATE) != 0 && (flags & VFS_OPEN_DIRECTORY) != 0) {
        return ERR_INVAL;
    }
    enum err err = open_path(directory, path, path_bytes, flags, out);
    if (err == ERR_EXIST && (flags & VFS_OPEN_EXCLUSIVE) == 0) {
        /* On a mount the host has made the file since the look-up: then it is opened. */
        err = open_path(directory, path, path_bytes, flags, out);
    }
    return err;
}

/* ---- File data ----------------------------------------------------------------------------- */

static enum err data_check(const struct vfs_node *file)
{
    if (file->type == VFS_TYPE_REGULAR) {
        return ERR_OK;
    }
    return file->type == VFS_TYPE_DIRECTORY ? ERR_ISDIR : ERR_INVAL;
}

enum err vfs_read_span(struct vfs_node *file, uint64_t offset, size_t max_bytes,
                       struct vfs_span *out)
{
    *out = (struct vfs_span){.permanent = true};
    enum err err = data_check(file);
    if (err != ERR_OK || max_bytes == 0 || offset >= (uint64_t)VFS_SIZE_MAX) {
        return err;
    }
    return file->ops->read_span(file, offset, max_bytes, out);
}

enum err vfs_write_reserve(struct vfs_node *file, uint64_t offset, size_t max_bytes,
                           struct vfs_write_span *out)
{
    *out = (struct vfs_write_span){0};
    enum err err = data_check(file);
    if (err != ERR_OK) {
        return err;
    }
    if (max_bytes == 0) {
        return ERR_INVAL;
    }
    if (offset >= (uint64_t)VFS_SIZE_MAX) {
        return ERR_FBIG;
    }
    uint64_t room = (uint64_t)VFS_SIZE_MAX - offset;
    return file->ops->write_reserve(file, offset, max_bytes < room ? max_bytes : (size_t)room, out);
}

enum err vfs_write_commit(struct vfs_node *file, uint64_t offset, size_t size_bytes)
{
    return size_bytes == 0 ? ERR_OK : file->ops->write_commit(file, offset, size_bytes);
}

enum err vfs_write(struct vfs_node *file, uint64_t offset, const void *data, size_t size_bytes,
                   size_t *written_bytes)
{
    size_t done = 0;
    enum err err = data_check(file);
    while (err == ERR_OK && done < size_bytes) {
        struct vfs_write_span span;
        /* offset + done stays below VFS_SIZE_MAX: the reserve before this one fitted. */
        err = vfs_write_reserve(file, offset + done, size_bytes - done, &span);
        if (err == ERR_OK) {
            memcpy(span.data, (const uint8_t *)data + done, span.size_bytes);
            err = vfs_write_commit(file, offset + done, span.size_bytes);
        }
        if (err == ERR_OK) {
            done += span.size_bytes;
        }
    }
    *written_bytes = done;
    return done != 0 ? ERR_OK : err;
}

enum err vfs_set_size(struct vfs_node *file, uint64_t size_bytes)
{
    enum err err = data_check(file);
    if (err != ERR_OK) {
        return err;
    }
    return size_bytes > (uint64_t)VFS_SIZE_MAX ? ERR_FBIG : file->ops->set_size(file, size_bytes);
}

enum err vfs_allocate(struct vfs_node *file, uint64_t offset, uint64_t size_bytes)
{
    enum err err = data_check(file);
    if (err != ERR_OK) {
        return err;
    }
    if (size_bytes == 0) {
        return ERR_INVAL;
    }
    if (offset > (uint64_t)VFS_SIZE_MAX || size_bytes > (uint64_t)VFS_SIZE_MAX - offset) {
        return ERR_FBIG;
    }
    return file->ops->allocate(file, offset, size_bytes);
}

enum err vfs_read_link(struct vfs_node *node, const char **target, size_t *target_bytes)
{
    return node->type == VFS_TYPE_SYMLINK ? node->ops->read_link(node, target, target_bytes)
                                          : ERR_INVAL;
}

enum err vfs_read_directory(struct vfs_node *directory, uint64_t cookie, struct vfs_dirent *out)
{
    return directory->type == VFS_TYPE_DIRECTORY
               ? directory->ops->read_directory(directory, cookie, out)
               : ERR_NOTDIR;
}
