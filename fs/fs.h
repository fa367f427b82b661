/*
 * What kernel/main.c calls to set the file system up.
 *
 * The tar image (initrd module 0, or linked into the image) becomes a tree whose
 * files point into the image: it must stay mapped and unchanged for ever. Writes go
 * to RAM, page by page. Every `--dir` lies in the tar under its guest path, so a
 * preopen is a path of this tree; `/` and `.` name its root. Each volume or mount is
 * a tree of its own.
 *
 * Normal kernel context only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "drivers/blockdev.h"
#include "drivers/p9_channel.h"
#include "fs/vfs.h"
#include "kernel/base/err.h"

/*
 * Builds the tree from a tar of size_bytes (0: an empty tree) and hands out its root,
 * one reference. `/tmp` exists afterwards. limit_bytes bounds all memory the tree may
 * take beyond the tar itself; 0 means "leave an eighth of RAM, 64 MiB at most, to the others".
 * ERR_NOMEM when the tree does not fit. A damaged tar is ERR_INVAL, logged with the offset and the
 * reason; an entry that a careful reader must not create (`..`, an unknown type) is skipped with a
 * warning.
 */
enum err fs_create(const void *tar, size_t size_bytes, uint64_t limit_bytes,
                   struct vfs_node **root) WARN_UNUSED;

/*
 * The directory that is preopened under `guest_path` (NUL-terminated, as the command line has
 * it; a leading slash and `.` mean the root). It and its parents are made when absent, so
 * that `dir=/data` works without a tar. ERR_NOTDIR if the path names a file.
 */
enum err fs_open_preopen(struct vfs_node *root, const char *guest_path,
                         struct vfs_node **out) WARN_UNUSED;

/* ---- Volumes: disks with a file system of their own (fs/ext/ext.h) ------------------------------
 */

#define FS_VOLUMES_MAX 16u

/*
 * Mounts a disk and hands out its root, one reference. Replays the journal of a machine that
 * died. ERR_MFILE beyond FS_VOLUMES_MAX; other errors, all logged, as ext_mount().
 */
enum err fs_open_volume(struct blockdev *disk, struct vfs_node **root) WARN_UNUSED;

/*
 * Writes what volumes have kept in memory for a second, and answers at which monotonic time it
 * wants to be called again; UINT64_MAX: not before something changes. For whoever is about
 * to wait; costs nothing without volumes.
 */
uint64_t fs_idle(void);

/* ---- Mounts: live directories of the host (fs/p9/p9.h) -----------------------------------------
 */

#define FS_MOUNTS_MAX 16u

/*
 * Mounts what the channel offers and hands out its root, one reference. ERR_MFILE beyond
 * FS_MOUNTS_MAX; other errors, all logged, as p9_mount().
 */
enum err fs_open_mount(struct p9_channel *channel, struct vfs_node **root) WARN_UNUSED;

/*
 * Makes every volume durable and marks it clean, and takes leave of the mounts. Nothing is
 * written to either any more.
 */
void fs_close(void);
