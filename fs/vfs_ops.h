/*
 * What a file system provides to fs/vfs.c. Inside fs/ only.
 *
 * The generic part checks everything POSIX says about types, names and paths before it
 * calls an operation, so the operations only do the work. Names are never empty, `.`,
 * `..`, nor longer than VFS_NAME_MAX, and hold neither '/' nor NUL. Nodes handed out
 * carry a reference; arguments stay the caller's. An operation that a node's type
 * rules out is never called and may be NULL.
 *
 * Normal kernel context.
 */
#pragma once

#include "fs/vfs.h"

struct vfs_ops;

/* The head of every file system's node. */
struct vfs_node {
    const struct vfs_ops *ops;
    const void *volume; /* nodes of one file system have equal ones */
    uint32_t reference_count;
    enum vfs_type type;
};

struct vfs_name {
    const char *bytes;
    size_t size_bytes;
};

/* An existing name and what it stands for, or a name that is free (node NULL). */
struct vfs_place {
    struct vfs_node *directory;
    struct vfs_name name;
    struct vfs_node *node;
};

struct vfs_ops {
    /* The last reference is gone. Frees the node, and the file too once it has no name. */
    void (*release)(struct vfs_node *node);
    enum err (*stat)(struct vfs_node *node, struct vfs_stat *out);
    /* Takes VFS_TIME_OMIT; VFS_TIME_NOW has been replaced already. */
    enum err (*set_times)(struct vfs_node *node, uint64_t access_ns, uint64_t modify_ns);
    enum err (*sync)(struct vfs_node *node, bool data_only);

    /*
     * Somebody will read the file, or write too: what forbids it is answered now. NULL where
     * nothing does. A file from `create` counts as opened for both.
     */
    enum err (*open)(struct vfs_node *file, bool for_writing);

    /* Regular files; offsets and sizes have been checked against VFS_SIZE_MAX. */
    enum err (*read_span)(struct vfs_node *file, uint64_t offset, size_t max_bytes,
                          struct vfs_span *out);
    enum err (*write_reserve)(struct vfs_node *file, uint64_t offset, size_t max_bytes,
                              struct vfs_write_span *out);
    enum err (*write_commit)(struct vfs_node *file, uint64_t offset, size_t size_bytes);
    enum err (*set_size)(struct vfs_node *file, uint64_t size_bytes);
    enum err (*allocate)(struct vfs_node *file, uint64_t offset, uint64_t size_bytes);

    enum err (*read_link)(struct vfs_node *link, const char **target, size_t *target_bytes);

    /* Directories. ERR_NOENT where the name is free. */
    enum err (*lookup)(struct vfs_node *directory, struct vfs_name name, struct vfs_node **out);
    /* The directory above; ERR_NOENT at the root and in a removed directory. */
    enum err (*parent)(struct vfs_node *directory, struct vfs_node **out);
    enum err (*read_directory)(struct vfs_node *directory, uint64_t cookie, struct vfs_dirent *out);
    /* ERR_NOTEMPTY, or ERR_OK. */
    enum err (*check_empty)(struct vfs_node *directory);
    /* The name is free. type: regular file or directory. ERR_NOENT in a removed directory. */
    enum err (*create)(struct vfs_node *directory, struct vfs_name name, enum vfs_type type,
                       struct vfs_node **out);
    enum err (*symlink)(struct vfs_node *directory, struct vfs_name name, const char *target,
                        size_t target_bytes);
    enum err (*link)(struct vfs_node *directory, struct vfs_name name, struct vfs_node *node);
    /* Removes a name; a directory it stands for is empty. */
    enum err (*remove)(const struct vfs_place *place);
    /*
     * from->node exists and differs from to->node. Where to->node is not NULL it is replaced
     * in one step; it is a directory exactly when from->node is, and empty then.
     */
    enum err (*rename)(const struct vfs_place *from, const struct vfs_place *to);
};

static inline void vfs_node_init(struct vfs_node *node, const struct vfs_ops *ops,
                                 const void *volume, enum vfs_type type)
{
    node->ops = ops;
    node->volume = volume;
    node->reference_count = 1;
    node->type = type;
}
