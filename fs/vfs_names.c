#include "fs/path.h"
#include "fs/vfs.h"
#include "fs/vfs_ops.h"
#include "kernel/base/string.h"

/*
 * The operations that add, remove and move names, with the errors of POSIX.1-2017
 * mkdir(), rmdir(), unlink(), link(), symlink() and rename(); where it leaves a choice,
 * the one Linux makes, because that is what programs were tested on.
 */

/* Resolves to a name that must be free. A trailing slash is fine only for directories. */
static enum err resolve_free(struct vfs_node *directory, const char *text, size_t size_bytes,
                             bool for_directory, struct path *out)
{
    enum err err = path_resolve(directory, text, size_bytes, PATH_FOLLOW_NEVER, out);
    if (err != ERR_OK) {
        return err;
    }
    if (out->place.node != NULL) {
        err = ERR_EXIST;
    } else if (out->trailing_slash && !for_directory) {
        err = ERR_NOENT;
    }
    if (err != ERR_OK) {
        path_end(out);
    }
    return err;
}

enum err vfs_make_directory(struct vfs_node *directory, const char *path, size_t path_bytes)
{
    struct path found;
    enum err err = resolve_free(directory, path, path_bytes, true, &found);
    if (err != ERR_OK) {
        return err;
    }
    struct vfs_node *parent = found.place.directory;
    struct vfs_node *made;
    err = parent->ops->create(parent, found.place.name, VFS_TYPE_DIRECTORY, &made);
    if (err == ERR_OK) {
        vfs_node_put(made);
    }
    path_end(&found);
    return err;
}

enum err vfs_symlink(const char *target, size_t target_bytes, struct vfs_node *directory,
                     const char *path, size_t path_bytes)
{
    if (target_bytes == 0) {
        return ERR_NOENT;
    }
    if (target_bytes > VFS_PATH_MAX) {
        return ERR_NAMETOOLONG;
    }
    if (memchr(target, '\0', target_bytes) != NULL) {
        return ERR_ILSEQ;
    }
    if (target[0] == '/') {
        return ERR_NOTCAPABLE;
    }
    struct path found;
    enum err err = resolve_free(directory, path, path_bytes, false, &found);
    if (err != ERR_OK) {
        return err;
    }
    struct vfs_node *parent = found.place.directory;
    err = parent->ops->symlink(parent, found.place.name, target, target_bytes);
    path_end(&found);
    return err;
}

enum err vfs_link(const struct vfs_path *from, bool follow, const struct vfs_path *to)
{
    struct vfs_node *node;
    enum err err = vfs_lookup(from->directory, from->path, from->path_bytes, follow, &node);
    if (err != ERR_OK) {
        return err;
    }
    struct path target;
    err = resolve_free(to->directory, to->path, to->path_bytes, false, &target);
    if (err == ERR_OK) {
        struct vfs_node *parent = target.place.directory;
        if (node->type == VFS_TYPE_DIRECTORY) {
            err = ERR_PERM;
        } else if (node->volume != parent->volume) {
            err = ERR_XDEV;
        } else {
            err = parent->ops->link(parent, target.place.name, node);
        }
        path_end(&target);
    }
    vfs_node_put(node);
    return err;
}

enum err vfs_remove_directory(struct vfs_node *directory, const char *path, size_t path_bytes)
{
    struct path found;
    enum err err = path_resolve(directory, path, path_bytes, PATH_FOLLOW_NEVER, &found);
    if (err != ERR_OK) {
        return err;
    }
    struct vfs_node *node = found.place.node;
    if (node == NULL) {
        err = ERR_NOENT;
    } else if (node->type != VFS_TYPE_DIRECTORY) {
        err = ERR_NOTDIR;
    } else if (found.last == PATH_LAST_DOT) {
        err = ERR_INVAL;
    } else if (found.last == PATH_LAST_DOT_DOT) {
        err = ERR_NOTEMPTY;
    } else {
        err = node->ops->check_empty(node);
    }
    if (err == ERR_OK) {
        err = node->ops->remove(&found.place);
    }
    path_end(&found);
    return err;
}

enum err vfs_unlink(struct vfs_node *directory, const char *path, size_t path_bytes)
{
    struct path found;
    enum err err = path_resolve(directory, path, path_bytes, PATH_FOLLOW_NEVER, &found);
    if (err != ERR_OK) {
        return err;
    }
    struct vfs_node *node = found.place.node;
    if (node == NULL) {
        err = ERR_NOENT;
    } else if (node->type == VFS_TYPE_DIRECTORY) {
        err = ERR_ISDIR;
    } else if (found.trailing_slash) {
        err = ERR_NOTDIR;
    } else {
        err = node->ops->remove(&found.place);
    }
    path_end(&found);
    return err;
}

/* Whether `node` is `directory` or lies above it. */
static enum err is_self_or_above(const struct vfs_node *node, struct vfs_node *directory,
                                 bool *answer)
{
    enum err err = ERR_OK;
    vfs_node_get(directory);
    while (directory != node && err == ERR_OK) {
        struct vfs_node *parent;
        err = directory->ops->parent(directory, &parent);
        if (err == ERR_OK) {
            vfs_node_put(directory);
            directory = parent;
        }
    }
    *answer = directory == node;
    vfs_node_put(directory);
    return err == ERR_NOENT ? ERR_OK : err;
}

static enum err rename_check_target(const struct path *from, const struct path *to)
{
    bool directory = from->place.node->type == VFS_TYPE_DIRECTORY;
    struct vfs_node *old = to->place.node;
    if (old == NULL) {
        return to->trailing_slash && !directory ? ERR_NOTDIR : ERR_OK;
    }
    if (directory) {
        return old->type == VFS_TYPE_DIRECTORY ? old->ops->check_empty(old) : ERR_NOTDIR;
    }
    if (old->type == VFS_TYPE_DIRECTORY) {
        return ERR_ISDIR;
    }
    return to->trailing_slash ? ERR_NOTDIR : ERR_OK;
}

static enum err rename_found(const struct path *from, const struct path *to)
{
    if (from->last != PATH_LAST_NAME || to->last != PATH_LAST_NAME) {
        return ERR_BUSY;
    }
    struct vfs_node *node = from->place.node;
    if (node == NULL) {
        return ERR_NOENT;
    }
    if (node->volume != to->place.directory->volume) {
        return ERR_XDEV;
    }
    bool answer;
    enum err err = ERR_OK;
    if (node->type == VFS_TYPE_DIRECTORY) {
        /* A directory cannot move below itself. */
        err = is_self_or_above(node, to->place.directory, &answer);
        if (err == ERR_OK && answer) {
            err = ERR_INVAL;
        }
    } else if (from->trailing_slash || (to->trailing_slash && to->place.node == node)) {
        err = ERR_NOTDIR;
    }
    if (err == ERR_OK && to->place.node != node) {
        err = rename_check_target(from, to);
    }
    /* Two names of one file: POSIX says do nothing. */
    if (err != ERR_OK || to->place.node == node) {
        return err;
    }
    return node->ops->rename(&from->place, &to->place);
}

enum err vfs_rename(const struct vfs_path *from, const struct vfs_path *to)
{
    struct path source;
    struct path target;
    enum err err =
        path_resolve(from->directory, from->path, from->path_bytes, PATH_FOLLOW_NEVER, &source);
    if (err != ERR_OK) {
        return err;
    }
    err = path_resolve(to->directory, to->path, to->path_bytes, PATH_FOLLOW_NEVER, &target);
    if (err == ERR_OK) {
        err = rename_found(&source, &target);
        path_end(&target);
    }
    path_end(&source);
    return err;
}
