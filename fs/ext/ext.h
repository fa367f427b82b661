/*
 * Disks with an ext2 or ext3 file system, which Linux's tools make, read and check:
 *
 *     mke2fs -t ext3 -b 4096 FILE
 *
 * With a journal (ext3) a volume survives a machine that dies at any moment; what was synced
 * is there afterwards, and e2fsck finds nothing to repair. Without one (ext2) e2fsck is needed
 * then. Extents and other inventions of ext4 are refused.
 *
 * The disk and the volume live until ext_unmount(). Normal kernel context; may wait for the disk.
 */
#pragma once

#include <stdbool.h>

#include "drivers/blockdev.h"
#include "fs/vfs.h"

/*
 * Hands out the root, one reference. Replays the journal and frees what a crash left. Read-only
 * when the disk is, or when the volume has features that only reading can ignore.
 * ERR_INVAL: not such a file system, or damaged; ERR_NOTSUP: needs features there are not. Both
 * are logged.
 */
enum err ext_mount(struct blockdev *disk, uint32_t device, struct vfs_node **root) WARN_UNUSED;
/* Makes everything durable. `root` is any node of the volume. */
enum err ext_sync_volume(struct vfs_node *root) WARN_UNUSED;
/*
 * The monotonic time since which changes wait in memory; UINT64_MAX if none do, or if the
 * volume has failed.
 */
uint64_t ext_changed_since_ns(struct vfs_node *root);
/*
 * Makes everything durable and marks the volume clean. Nodes that are still referenced stay
 * readable, but nothing is written any more: for the end of the machine.
 */
enum err ext_unmount(struct vfs_node *root) WARN_UNUSED;
/* After ext_unmount(): gives all memory back. Only the root may be referenced. For tests. */
void ext_destroy(struct vfs_node *root);
