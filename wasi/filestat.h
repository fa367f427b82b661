/*
 * The $filestat structure in its two layouts, and the times that both set_times calls take.
 * Normal kernel context.
 */
#pragma once

#include <stdint.h>

#include "fs/vfs.h"
#include "kernel/base/err.h"
#include "wasi/descriptor.h"
#include "wasi/guest_memory.h"

enum wasi_snapshot { WASI_SNAPSHOT_PREVIEW1, WASI_SNAPSHOT_UNSTABLE };

/* Everything but the filetype comes from `stat`. */
enum err wasi_filestat_write(struct guest_addr out, const struct vfs_stat *stat, uint8_t filetype,
                             enum wasi_snapshot snapshot) WARN_UNUSED;
/* $fstflags and its two times in vfs_set_times' form. ERR_INVAL for a contradiction. */
enum err wasi_filestat_times(uint64_t atim, uint64_t mtim, uint32_t flags, uint64_t *access_ns,
                             uint64_t *modify_ns) WARN_UNUSED;

/* The two calls for either snapshot. */
enum err wasi_descriptor_filestat(uint32_t fd, struct guest_addr out,
                                  enum wasi_snapshot snapshot) WARN_UNUSED;
struct wasi_path_argument {
    uint32_t fd;
    uint32_t lookup;
    struct guest_addr path;
    uint32_t path_bytes;
};
enum err wasi_path_filestat(const struct wasi_path_argument *argument, struct guest_addr out,
                            enum wasi_snapshot snapshot) WARN_UNUSED;
