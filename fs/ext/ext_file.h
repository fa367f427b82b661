/*
 * Contents of files: the operations of struct vfs_ops that work on data. Inside fs/ext only;
 * normal kernel context.
 */
#pragma once

#include "fs/vfs_ops.h"

enum err ext_read_span(struct vfs_node *file, uint64_t offset, size_t max_bytes,
                       struct vfs_span *out);
enum err ext_write_reserve(struct vfs_node *file, uint64_t offset, size_t max_bytes,
                           struct vfs_write_span *out);
enum err ext_write_commit(struct vfs_node *file, uint64_t offset, size_t size_bytes);
enum err ext_set_size(struct vfs_node *file, uint64_t size_bytes);
enum err ext_allocate(struct vfs_node *file, uint64_t offset, uint64_t size_bytes);
enum err ext_sync(struct vfs_node *node, bool data_only);
