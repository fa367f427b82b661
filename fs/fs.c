#include "fs/fs.h"

#include "fs/ramfs.h"
#include "fs/tarfs.h"
#include "kernel/base/string.h"

/* A directory of this name, made if there is none. */
static enum err directory_ensure(struct vfs_node *parent, const char *name, size_t size_bytes,
                                 struct vfs_node **out)
{
    enum err err = vfs_make_directory(parent, name, size_bytes);
    if (err != ERR_OK && err != ERR_EXIST) {
        return err;
    }
    return vfs_open(parent, name, size_bytes, VFS_OPEN_DIRECTORY | VFS_OPEN_FOLLOW, out);
}

enum err fs_create(const void *tar, size_t size_bytes, uint64_t limit_bytes, struct vfs_node **root)
{
    struct vfs_node *tree;
    enum err err = ramfs_create(limit_bytes, &tree);
    if (err != ERR_OK) {
        return err;
    }
    if (size_bytes != 0) {
        err = tarfs_load(tree, tar, size_bytes);
    }
    if (err == ERR_OK) {
        ramfs_set_loading(tree, true);
        err = vfs_make_directory(tree, "tmp", 3);
        ramfs_set_loading(tree, false);
        err = err == ERR_EXIST ? ERR_OK : err;
    }
    if (err != ERR_OK) {
        ramfs_destroy(tree);
        return err == ERR_NOSPC ? ERR_NOMEM : err;
    }
    *root = tree;
    return ERR_OK;
}

enum err fs_open_preopen(struct vfs_node *root, const char *guest_path, struct vfs_node **out)
{
    struct vfs_node *directory = root;
    const char *cursor = guest_path;
    vfs_node_get(root);
    for (;;) {
        while (*cursor == '/') {
            cursor++;
        }
        const char *slash = strchr(cursor, '/');
        size_t size_bytes = slash == NULL ? strlen(cursor) : (size_t)(slash - cursor);
        if (size_bytes == 0) {
            *out = directory;
            return ERR_OK;
        }
        struct vfs_node *next;
        enum err err = directory_ensure(directory, cursor, size_bytes, &next);
        vfs_node_put(directory);
        if (err != ERR_OK) {
            return err;
        }
        directory = next;
        cursor += size_bytes;
    }
}
