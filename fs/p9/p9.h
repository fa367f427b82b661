/*
 * A live directory of the host: the client of a 9P2000.L server behind fs/vfs_ops.h.
 *
 * Nothing is kept that the host could change behind our back: every look-up, stat, read and
 * write is a request (docs/decisions/0012-mounts-cache-nothing.md). Names are walked one at a
 * time and symbolic links are followed by fs/path.c alone, so the server never resolves a path.
 * A server that breaks the protocol or stays silent is reported once; the mount
 * answers ERR_IO from then on.
 *
 * Normal kernel context; waits for the server (drivers/p9_channel.h).
 */
#pragma once

#include "drivers/p9_channel.h"
#include "fs/vfs.h"
#include "kernel/base/err.h"

/*
 * Attaches to the server and hands out the directory's root, one reference; `device` is what
 * stat shows. The channel belongs to the mount from here on. ERR_NOTSUP: no
 * 9P2000.L or messages too small; ERR_NOTDIR: not a directory; ERR_BUSY: mounted already; ERR_IO:
 * no sane answers. Logged.
 */
enum err p9_mount(struct p9_channel *channel, uint32_t device, struct vfs_node **root) WARN_UNUSED;

/* Removes what was kept for open files without a name. The mount answers ERR_IO from then on. */
void p9_unmount(struct vfs_node *root);
