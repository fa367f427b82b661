/*
 * A file system in RAM whose files may start out as read-only bytes elsewhere.
 *
 * The whole tree is in memory: nodes, and one hash table of (directory, name) for all
 * directories together, so a look-up costs the same in a directory of ten thousand.
 * fs/tarfs.c fills it; afterwards it is a `struct vfs_node` tree like any other.
 * The tree owns its nodes; a node lives while it has a name or a reference.
 * Normal kernel context.
 */
#pragma once

#include "fs/vfs_ops.h"

/* An empty tree; *root carries one reference. limit_bytes as for fs_create(). */
enum err ramfs_create(uint64_t limit_bytes, struct vfs_node **root) WARN_UNUSED;
/* Frees the whole tree. No reference but the root's may be left. */
void ramfs_destroy(struct vfs_node *root);

/*
 * While set, adding to a directory does not touch its times: the archive's shall stay. And the
 * tree may take the memory it would leave to others: without the archive nothing can run.
 */
void ramfs_set_loading(struct vfs_node *root, bool is_loading);
/* Gives an empty file its lower bytes, which must stay unchanged for ever. */
void ramfs_set_lower(struct vfs_node *file, const void *data, size_t size_bytes);

/* Bytes of memory the tree takes, the lower bytes not counted. */
uint64_t ramfs_used_bytes(const struct vfs_node *node);
