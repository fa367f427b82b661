/*
 * What a disk offers to a file system: synchronous transfers of whole sectors.
 *
 * Each call waits (through kernel/wait.h, so the network keeps moving) until the
 * device has answered or is given up. The data of a transfer must lie in the direct
 * map or the kernel image. Normal kernel context; one call at a time on each device:
 * a call made while another waits gets ERR_BUSY.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"

#define BLOCKDEV_SECTOR_BYTES 512u
#define BLOCKDEV_SERIAL_BYTES 20u

struct blockdev;

struct blockdev_ops {
    /* ERR_RANGE past the end, ERR_ROFS on a read-only disk, ERR_IO from the device. */
    enum err (*read)(struct blockdev *disk, uint64_t sector, void *data, size_t sector_count);
    enum err (*write)(struct blockdev *disk, uint64_t sector, const void *data,
                      size_t sector_count);
    /* Returns once everything written before is on stable storage. */
    enum err (*flush)(struct blockdev *disk);
};

struct blockdev {
    const struct blockdev_ops *ops;
    void *driver;
    uint64_t sector_count;
    uint32_t block_bytes; /* the device's preferred unit, a power of two, at least 512 */
    bool read_only;
    char serial[BLOCKDEV_SERIAL_BYTES + 1]; /* empty where the device has none */
};
