/* WASI preview 1: calls that look at what a path names. */
#include "wasi/calls.h"

#include "wasi/errno.h"
#include "wasi/filestat.h"
#include "wasi/path.h"
#include "wasi/types.h"

/* The node that a path argument names; the caller puts it. */
static enum err look_up(const struct wasi_path_argument *argument, uint32_t rights,
                        struct vfs_node **out)
{
    struct vfs_path at;
    enum err error =
        wasi_path_prepare(argument->fd, rights, argument->path, argument->path_bytes, 0, &at);

    if (error == ERR_OK) {
        error = wasi_path_check_lookup(argument->lookup);
    }
    if (error == ERR_OK) {
        error = vfs_lookup(at.directory, at.path, at.path_bytes,
                           (argument->lookup & WASI_LOOKUP_SYMLINK_FOLLOW_BIT) != 0, out);
    }
    return error;
}

enum err wasi_path_filestat(const struct wasi_path_argument *argument, struct guest_addr out,
                            enum wasi_snapshot snapshot)
{
    struct vfs_node *node;
    struct vfs_stat stat;
    enum err error = look_up(argument, WASI_RIGHT_PATH_FILESTAT_GET_BIT, &node);

    if (error != ERR_OK) {
        return error;
    }
    error = vfs_stat(node, &stat);
    vfs_node_put(node);
    if (error == ERR_OK) {
        error = wasi_filestat_write(out, &stat, (uint8_t)stat.type, snapshot);
    }
    return error;
}

uint32_t wasi_path_filestat_get(uint32_t fd, uint32_t lookup, uint32_t path, uint32_t path_bytes,
                                uint32_t out)
{
    struct wasi_path_argument argument = {fd, lookup, guest_address(path), path_bytes};

    return wasi_errno(wasi_path_filestat(&argument, guest_address(out), WASI_SNAPSHOT_PREVIEW1));
}

uint32_t wasi_path_filestat_set_times(uint32_t fd, uint32_t lookup, uint32_t path,
                                      uint32_t path_bytes, uint64_t atim, uint64_t mtim,
                                      uint32_t flags)
{
    struct wasi_path_argument argument = {fd, lookup, guest_address(path), path_bytes};
    struct vfs_node *node;
    uint64_t access_ns;
    uint64_t modify_ns;
    enum err error = wasi_filestat_times(atim, mtim, flags, &access_ns, &modify_ns);

    if (error == ERR_OK) {
        error = look_up(&argument, WASI_RIGHT_PATH_FILESTAT_SET_TIMES_BIT, &node);
    }
    if (error == ERR_OK) {
        error = vfs_set_times(node, access_ns, modify_ns);
        vfs_node_put(node);
    }
    return wasi_errno(error);
}

/* A target longer than the buffer is cut without notice, as by readlink(2). */
static enum err copy_link(struct vfs_node *node, struct guest_addr buf, uint32_t buf_bytes,
                          struct guest_addr used)
{
    const char *target;
    size_t target_bytes;
    enum err error = vfs_read_link(node, &target, &target_bytes);

    if (error == ERR_OK && target_bytes > buf_bytes) {
        target_bytes = buf_bytes;
    }
    if (error == ERR_OK) {
        error = guest_check(used, sizeof(uint32_t));
    }
    if (error == ERR_OK) {
        error = guest_write(buf, target, target_bytes);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(used, (uint32_t)target_bytes);
    }
    return error;
}

uint32_t wasi_path_readlink(uint32_t fd, uint32_t path, uint32_t path_bytes, uint32_t buf,
                            uint32_t buf_bytes, uint32_t used)
{
    struct wasi_path_argument argument = {fd, 0, guest_address(path), path_bytes};
    struct vfs_node *node;
    enum err error = guest_check(guest_address(buf), buf_bytes);

    if (error == ERR_OK) {
        error = look_up(&argument, WASI_RIGHT_PATH_READLINK_BIT, &node);
    }
    if (error == ERR_OK) {
        error = copy_link(node, guest_address(buf), buf_bytes, guest_address(used));
        vfs_node_put(node);
    }
    return wasi_errno(error);
}
