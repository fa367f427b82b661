/*
 * Fills a RAM tree from a tar image. Inside fs/ only; normal kernel context.
 */
#pragma once

#include <stddef.h>

#include "fs/vfs.h"

/*
 * File contents stay in the image. Later entries replace earlier ones of the same name, as
 * tar extracts them. Entries that must not or cannot be created are skipped with a warning.
 * ERR_INVAL for a damaged archive, ERR_NOSPC or ERR_NOMEM when memory ends; both are logged.
 */
enum err tarfs_load(struct vfs_node *root, const void *tar, size_t size_bytes) WARN_UNUSED;
