#include "fs/ext/ext.h"
#include "fs/fs.h"
#include "fs/p9/p9.h"
#include "kernel/clock.h"

/* The tree in RAM is device 1. */
#define FIRST_DEVICE       2u
#define FIRST_MOUNT_DEVICE (FIRST_DEVICE + FS_VOLUMES_MAX)
/* How long changes may wait while the application does. */
#define IDLE_AGE_NS 1000000000ull

static struct {
    struct vfs_node *roots[FS_VOLUMES_MAX];
    uint32_t count;
} volumes;

static struct {
    struct vfs_node *roots[FS_MOUNTS_MAX];
    uint32_t count;
} mounts;

enum err fs_open_volume(struct blockdev *disk, struct vfs_node **root)
{
    if (volumes.count == FS_VOLUMES_MAX) {
        return ERR_MFILE;
    }
    struct vfs_node *node;
    enum err err = ext_mount(disk, FIRST_DEVICE + volumes.count, &node);
    if (err == ERR_OK) {
        volumes.roots[volumes.count++] = node;
        vfs_node_get(node);
        *root = node;
    }
    return err;
}

enum err fs_open_mount(struct p9_channel *channel, struct vfs_node **root)
{
    if (mounts.count == FS_MOUNTS_MAX) {
        return ERR_MFILE;
    }
    struct vfs_node *node;
    enum err err = p9_mount(channel, FIRST_MOUNT_DEVICE + mounts.count, &node);
    if (err == ERR_OK) {
        mounts.roots[mounts.count++] = node;
        vfs_node_get(node);
        *root = node;
    }
    return err;
}

uint64_t fs_idle(void)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < volumes.count; i++) {
        uint64_t since_ns = ext_changed_since_ns(volumes.roots[i]);
        if (since_ns == UINT64_MAX) {
            continue;
        }
        uint64_t due_ns = since_ns + IDLE_AGE_NS;
        if (clock_monotonic_ns() >= due_ns) {
            /* A failure is logged, and every later write answers it. */
            (void)!ext_sync_volume(volumes.roots[i]);
        } else if (due_ns < next_ns) {
            next_ns = due_ns;
        }
    }
    return next_ns;
}

void fs_close(void)
{
    for (uint32_t i = 0; i < volumes.count; i++) {
        (void)!ext_unmount(volumes.roots[i]); /* Logged there; nobody is left to tell. */
    }
    volumes.count = 0;
    for (uint32_t i = 0; i < mounts.count; i++) {
        p9_unmount(mounts.roots[i]);
    }
    mounts.count = 0;
}
