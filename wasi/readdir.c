/* WASI preview 1: fd_readdir. */
#include "wasi/calls.h"

#include "kernel/base/string.h"
#include "wasi/descriptor.h"
#include "wasi/errno.h"
#include "wasi/guest_memory.h"
#include "wasi/types.h"

struct dirent {
    uint64_t next_cookie;
    uint64_t inode;
    uint32_t name_bytes;
    uint8_t filetype;
};
_Static_assert(sizeof(struct dirent) == WASI_DIRENT_BYTES, "layout of $dirent");

/* A window of the guest's buffer that fills up. */
struct output {
    struct guest_addr address;
    uint32_t left_bytes;
};

/* Appends as much as fits. */
static enum err append(struct output *output, const void *data, size_t size_bytes)
{
    uint32_t part_bytes =
        size_bytes < output->left_bytes ? (uint32_t)size_bytes : output->left_bytes;
    enum err error = guest_write(output->address, data, part_bytes);

    output->address = guest_offset(output->address, part_bytes);
    output->left_bytes -= part_bytes;
    return error;
}

static enum err append_entry(struct output *output, const struct vfs_dirent *entry)
{
    struct dirent head;
    enum err error;

    memset(&head, 0, sizeof(head));
    head.next_cookie = entry->next_cookie;
    head.inode = entry->inode;
    head.name_bytes = (uint32_t)entry->name_bytes;
    head.filetype = (uint8_t)entry->type;
    error = append(output, &head, sizeof(head));
    if (error == ERR_OK) {
        error = append(output, entry->name, entry->name_bytes);
    }
    return error;
}

/*
 * Entries follow each other without padding; the last one is cut where the buffer ends, which
 * tells the caller that there is more. The whole buffer is checked first.
 */
static enum err fill(struct vfs_node *directory, uint64_t cookie, struct output *output)
{
    enum err error = guest_check(output->address, output->left_bytes);

    while (error == ERR_OK && output->left_bytes != 0) {
        struct vfs_dirent entry;

        error = vfs_read_directory(directory, cookie, &entry);
        if (error == ERR_NOENT) {
            return ERR_OK;
        }
        if (error == ERR_OK) {
            cookie = entry.next_cookie;
            error = append_entry(output, &entry);
        }
    }
    return error;
}

uint32_t wasi_fd_readdir(uint32_t fd, uint32_t buf, uint32_t buf_bytes, uint64_t cookie,
                         uint32_t used)
{
    struct wasi_descriptor *descriptor;
    struct output output = {guest_address(buf), buf_bytes};
    enum err error = wasi_descriptor_get_directory(fd, WASI_RIGHT_FD_READDIR_BIT, &descriptor);

    if (error == ERR_OK) {
        error = guest_check(guest_address(used), sizeof(uint32_t));
    }
    if (error == ERR_OK) {
        error = fill(descriptor->directory.node, cookie, &output);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(guest_address(used), buf_bytes - output.left_bytes);
    }
    return wasi_errno(error);
}
