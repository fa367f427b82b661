/*
 * Path arguments: from guest memory and a directory descriptor to what fs/vfs.h takes. Texts are
 * copied into one of two static buffers (`slot` 0 or 1) and stay valid until the slot is
 * used again. Normal kernel context.
 */
#pragma once

#include <stdint.h>

#include "fs/vfs.h"
#include "kernel/base/err.h"
#include "wasi/guest_memory.h"

enum err wasi_path_read(struct guest_addr path, uint32_t path_bytes, unsigned slot,
                        const char **out) WARN_UNUSED;
enum err wasi_path_prepare(uint32_t fd, uint32_t rights, struct guest_addr path,
                           uint32_t path_bytes, unsigned slot, struct vfs_path *out) WARN_UNUSED;
/* ERR_INVAL for a bit that $lookupflags does not have. */
enum err wasi_path_check_lookup(uint32_t lookup) WARN_UNUSED;
