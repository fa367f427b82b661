/* WASI preview 1: fd_filestat_*, fd_allocate, and the structure $filestat. */
#include "wasi/filestat.h"

#include "kernel/base/string.h"
#include "wasi/calls.h"
#include "wasi/errno.h"
#include "wasi/types.h"

/* Of descriptors without a file: their inode is the number plus one, on a device of its own. */
#define ANONYMOUS_DEVICE 0u

struct filestat {
    uint64_t device;
    uint64_t inode;
    uint8_t filetype;
    uint64_t link_count;
    uint64_t size_bytes;
    uint64_t access_time_ns;
    uint64_t modify_time_ns;
    uint64_t change_time_ns;
};
_Static_assert(sizeof(struct filestat) == WASI_FILESTAT_BYTES, "layout of $filestat");

/* snapshot 0: 32 bits of link count, which share a word with the type. */
struct filestat0 {
    uint64_t device;
    uint64_t inode;
    uint8_t filetype;
    uint32_t link_count;
    uint64_t size_bytes;
    uint64_t access_time_ns;
    uint64_t modify_time_ns;
    uint64_t change_time_ns;
};
_Static_assert(sizeof(struct filestat0) == WASI_FILESTAT0_BYTES,
               "layout of snapshot 0's $filestat");

enum err wasi_filestat_write(struct guest_addr out, const struct vfs_stat *stat, uint8_t filetype,
                             enum wasi_snapshot snapshot)
{
    struct filestat current;
    struct filestat0 old;

    if (snapshot == WASI_SNAPSHOT_PREVIEW1) {
        memset(&current, 0, sizeof(current));
        current.device = stat->device;
        current.inode = stat->inode;
        current.filetype = filetype;
        current.link_count = stat->link_count;
        current.size_bytes = stat->size_bytes;
        current.access_time_ns = stat->access_time_ns;
        current.modify_time_ns = stat->modify_time_ns;
        current.change_time_ns = stat->change_time_ns;
        return guest_write(out, &current, sizeof(current));
    }
    memset(&old, 0, sizeof(old));
    old.device = stat->device;
    old.inode = stat->inode;
    old.filetype = filetype;
    old.link_count = stat->link_count > UINT32_MAX ? UINT32_MAX : (uint32_t)stat->link_count;
    old.size_bytes = stat->size_bytes;
    old.access_time_ns = stat->access_time_ns;
    old.modify_time_ns = stat->modify_time_ns;
    old.change_time_ns = stat->change_time_ns;
    return guest_write(out, &old, sizeof(old));
}

enum err wasi_filestat_times(uint64_t atim, uint64_t mtim, uint32_t flags, uint64_t *access_ns,
                             uint64_t *modify_ns)
{
    const uint32_t both_atim = WASI_FST_ATIM_BIT | WASI_FST_ATIM_NOW_BIT;
    const uint32_t both_mtim = WASI_FST_MTIM_BIT | WASI_FST_MTIM_NOW_BIT;

    if ((flags & ~WASI_FSTFLAGS_ALL) != 0 || (flags & both_atim) == both_atim ||
        (flags & both_mtim) == both_mtim) {
        return ERR_INVAL;
    }
    /* The two largest numbers mean something else to vfs_set_times; no clock gets there. */
    if (((flags & WASI_FST_ATIM_BIT) != 0 && atim >= VFS_TIME_NOW) ||
        ((flags & WASI_FST_MTIM_BIT) != 0 && mtim >= VFS_TIME_NOW)) {
        return ERR_INVAL;
    }
    *access_ns = VFS_TIME_OMIT;
    *modify_ns = VFS_TIME_OMIT;
    if ((flags & WASI_FST_ATIM_NOW_BIT) != 0) {
        *access_ns = VFS_TIME_NOW;
    } else if ((flags & WASI_FST_ATIM_BIT) != 0) {
        *access_ns = atim;
    }
    if ((flags & WASI_FST_MTIM_NOW_BIT) != 0) {
        *modify_ns = VFS_TIME_NOW;
    } else if ((flags & WASI_FST_MTIM_BIT) != 0) {
        *modify_ns = mtim;
    }
    return ERR_OK;
}

/* The node behind a file or directory; NULL for the others. */
static struct vfs_node *descriptor_node(const struct wasi_descriptor *descriptor)
{
    switch ((enum wasi_kind)descriptor->kind) {
    case WASI_KIND_FILE:
        return descriptor->file.node;
    case WASI_KIND_DIRECTORY:
        return descriptor->directory.node;
    case WASI_KIND_CONSOLE:
    case WASI_KIND_SOCKET:
        break;
    }
    return NULL;
}

enum err wasi_descriptor_filestat(uint32_t fd, struct guest_addr out, enum wasi_snapshot snapshot)
{
    struct wasi_descriptor *descriptor;
    struct vfs_stat stat = {.device = ANONYMOUS_DEVICE, .inode = (uint64_t)fd + 1, .link_count = 1};
    enum err error = wasi_descriptor_get(fd, WASI_RIGHT_FD_FILESTAT_GET_BIT, &descriptor);

    if (error == ERR_OK && descriptor_node(descriptor) != NULL) {
        error = vfs_stat(descriptor_node(descriptor), &stat);
    }
    if (error == ERR_OK) {
        error = wasi_filestat_write(out, &stat, wasi_descriptor_filetype(descriptor), snapshot);
    }
    return error;
}

uint32_t wasi_fd_filestat_get(uint32_t fd, uint32_t out)
{
    return wasi_errno(wasi_descriptor_filestat(fd, guest_address(out), WASI_SNAPSHOT_PREVIEW1));
}

uint32_t wasi_fd_filestat_set_times(uint32_t fd, uint64_t atim, uint64_t mtim, uint32_t flags)
{
    struct wasi_descriptor *descriptor;
    uint64_t access_ns;
    uint64_t modify_ns;
    enum err error = wasi_descriptor_get(fd, 0, &descriptor);

    if (error == ERR_OK && descriptor_node(descriptor) == NULL) {
        error = ERR_INVAL;
    }
    if (error == ERR_OK && (descriptor->rights_base & WASI_RIGHT_FD_FILESTAT_SET_TIMES_BIT) == 0) {
        error = ERR_NOTCAPABLE;
    }
    if (error == ERR_OK) {
        error = wasi_filestat_times(atim, mtim, flags, &access_ns, &modify_ns);
    }
    if (error == ERR_OK) {
        error = vfs_set_times(descriptor_node(descriptor), access_ns, modify_ns);
    }
    return wasi_errno(error);
}

/* Resizing and reserving are for regular files; directories and streams each have their errno. */
static enum err get_file(uint32_t fd, uint32_t right, struct wasi_descriptor **out)
{
    enum err error = wasi_descriptor_get(fd, 0, out);

    if (error == ERR_OK && (*out)->kind == WASI_KIND_DIRECTORY) {
        error = ERR_ISDIR;
    }
    if (error == ERR_OK && (*out)->kind != WASI_KIND_FILE) {
        error = ERR_INVAL;
    }
    if (error == ERR_OK && ((*out)->rights_base & right) == 0) {
        error = ERR_NOTCAPABLE;
    }
    return error;
}

uint32_t wasi_fd_filestat_set_size(uint32_t fd, uint64_t size_bytes)
{
    struct wasi_descriptor *descriptor;
    enum err error = get_file(fd, WASI_RIGHT_FD_FILESTAT_SET_SIZE_BIT, &descriptor);

    if (error == ERR_OK) {
        error =
            size_bytes > VFS_SIZE_MAX ? ERR_FBIG : vfs_set_size(descriptor->file.node, size_bytes);
    }
    return wasi_errno(error);
}

uint32_t wasi_fd_allocate(uint32_t fd, uint64_t offset, uint64_t length)
{
    struct wasi_descriptor *descriptor;
    uint64_t end_bytes;
    enum err error = get_file(fd, WASI_RIGHT_FD_ALLOCATE_BIT, &descriptor);

    if (error == ERR_OK && (length == 0 || offset > VFS_SIZE_MAX)) {
        error = ERR_INVAL;
    }
    if (error == ERR_OK &&
        (__builtin_add_overflow(offset, length, &end_bytes) || end_bytes > VFS_SIZE_MAX)) {
        error = ERR_FBIG;
    }
    if (error == ERR_OK) {
        error = vfs_allocate(descriptor->file.node, offset, length);
    }
    return wasi_errno(error);
}
