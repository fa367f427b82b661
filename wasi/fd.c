/* WASI preview 1: descriptor state, preopens, and calls that need no data transfer. */
#include "wasi/calls.h"

#include "kernel/base/string.h"
#include "wasi/descriptor.h"
#include "wasi/errno.h"
#include "wasi/guest_memory.h"
#include "wasi/instance.h"
#include "wasi/poll.h"
#include "wasi/types.h"

/* preview 1 $advice: normal .. noreuse. */
#define ADVICE_LAST 5u

uint32_t wasi_fd_advise(uint32_t fd, uint64_t offset, uint64_t length, uint32_t advice)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get(fd, 0, &descriptor);

    (void)length;
    if (error == ERR_OK && descriptor->kind != WASI_KIND_FILE) {
        error = descriptor->kind == WASI_KIND_DIRECTORY ? ERR_BADF : ERR_SPIPE;
    }
    if (error == ERR_OK && (descriptor->rights_base & WASI_RIGHT_FD_ADVISE_BIT) == 0) {
        error = ERR_NOTCAPABLE;
    }
    if (error == ERR_OK && (advice > ADVICE_LAST || offset > INT64_MAX)) {
        error = ERR_INVAL;
    }
    return wasi_errno(error);
}

uint32_t wasi_fd_close(uint32_t fd)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get(fd, 0, &descriptor);

    if (error == ERR_OK) {
        wasi_descriptor_close(descriptor);
    }
    return wasi_errno(error);
}

static enum err sync_descriptor(uint32_t fd, uint32_t right, bool data_only)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get(fd, 0, &descriptor);

    if (error != ERR_OK) {
        return error;
    }
    if (descriptor->kind == WASI_KIND_SOCKET) {
        return ERR_INVAL;
    }
    if ((descriptor->rights_base & right) == 0) {
        return ERR_NOTCAPABLE;
    }
    switch ((enum wasi_kind)descriptor->kind) {
    case WASI_KIND_FILE:
        return vfs_sync(descriptor->file.node, data_only);
    case WASI_KIND_DIRECTORY:
        return vfs_sync(descriptor->directory.node, data_only);
    case WASI_KIND_CONSOLE: /* console_write has waited for the device already */
    case WASI_KIND_SOCKET:
        break;
    }
    return ERR_OK;
}

uint32_t wasi_fd_datasync(uint32_t fd)
{
    return wasi_errno(sync_descriptor(fd, WASI_RIGHT_FD_DATASYNC_BIT, true));
}

uint32_t wasi_fd_sync(uint32_t fd)
{
    return wasi_errno(sync_descriptor(fd, WASI_RIGHT_FD_SYNC_BIT, false));
}

/* Preopened listeners decide between blocking and not when the guest looks (wasi.h). */
static void decide_mode(struct wasi_descriptor *descriptor)
{
    if (descriptor->kind == WASI_KIND_SOCKET && descriptor->is_preopen &&
        !descriptor->socket.is_mode_decided) {
        descriptor->socket.is_mode_decided = true;
        descriptor->flags |= WASI_FDFLAG_NONBLOCK_BIT;
    }
}

uint32_t wasi_fd_fdstat_get(uint32_t fd, uint32_t out)
{
    struct {
        uint8_t filetype;
        uint16_t flags;
        uint64_t rights_base;
        uint64_t rights_inheriting;
    } stat;
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get(fd, 0, &descriptor);

    _Static_assert(sizeof(stat) == WASI_FDSTAT_BYTES, "layout of $fdstat");
    if (error == ERR_OK) {
        decide_mode(descriptor);
        memset(&stat, 0, sizeof(stat));
        stat.filetype = wasi_descriptor_filetype(descriptor);
        stat.flags = descriptor->flags;
        stat.rights_base = descriptor->rights_base;
        stat.rights_inheriting = descriptor->rights_inheriting;
        error = guest_write(guest_address(out), &stat, sizeof(stat));
    }
    return wasi_errno(error);
}

uint32_t wasi_fd_fdstat_set_flags(uint32_t fd, uint32_t flags)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get(fd, WASI_RIGHT_FD_FDSTAT_SET_FLAGS_BIT, &descriptor);

    if (error == ERR_OK && (flags & ~WASI_FDFLAGS_ALL) != 0) {
        error = ERR_INVAL;
    }
    if (error == ERR_OK) {
        decide_mode(descriptor);
        descriptor->flags = (uint16_t)flags;
    }
    return wasi_errno(error);
}

/* Rights can only be given up. */
uint32_t wasi_fd_fdstat_set_rights(uint32_t fd, uint64_t base, uint64_t inheriting)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get(fd, 0, &descriptor);

    if (error == ERR_OK && ((base & ~(uint64_t)descriptor->rights_base) != 0 ||
                            (inheriting & ~(uint64_t)descriptor->rights_inheriting) != 0)) {
        error = ERR_NOTCAPABLE;
    }
    if (error == ERR_OK) {
        descriptor->rights_base = (uint32_t)base;
        descriptor->rights_inheriting = (uint32_t)inheriting;
    }
    return wasi_errno(error);
}

/* Whether a scan for directories that stops at `fd` would miss one (wasi.h). */
static bool directory_preopen_follows(uint32_t fd)
{
    const struct fd_table *table = &wasi_instance.descriptors;
    size_t preopen_limit =
        3 + wasi_instance.config->listener_count + wasi_instance.config->preopen_count;

    for (uint32_t number = fd + 1; number < preopen_limit; number++) {
        const struct wasi_descriptor *descriptor = fd_table_get(table, number);

        if (descriptor != NULL && descriptor->is_preopen &&
            descriptor->kind == WASI_KIND_DIRECTORY) {
            return true;
        }
    }
    return false;
}

static enum err get_preopen(uint32_t fd, struct wasi_descriptor **out)
{
    enum err error = wasi_descriptor_get(fd, 0, out);

    if (error == ERR_OK && !(*out)->is_preopen) {
        error = ERR_BADF;
    }
    if (error == ERR_OK && (*out)->kind == WASI_KIND_SOCKET && !directory_preopen_follows(fd)) {
        error = ERR_BADF;
    }
    return error;
}

static const char *preopen_name(const struct wasi_descriptor *descriptor)
{
    return descriptor->kind == WASI_KIND_DIRECTORY ? descriptor->directory.guest_path : "";
}

uint32_t wasi_fd_prestat_get(uint32_t fd, uint32_t out)
{
    struct {
        uint8_t tag;
        uint32_t name_bytes;
    } stat;
    struct wasi_descriptor *descriptor;
    enum err error = get_preopen(fd, &descriptor);

    _Static_assert(sizeof(stat) == WASI_PRESTAT_BYTES, "layout of $prestat");
    if (error == ERR_OK) {
        memset(&stat, 0, sizeof(stat));
        stat.tag =
            descriptor->kind == WASI_KIND_DIRECTORY ? WASI_PREOPEN_DIRECTORY : WASI_PREOPEN_SOCKET;
        stat.name_bytes = (uint32_t)strlen(preopen_name(descriptor));
        error = guest_write(guest_address(out), &stat, sizeof(stat));
    }
    return wasi_errno(error);
}

uint32_t wasi_fd_prestat_dir_name(uint32_t fd, uint32_t path, uint32_t path_bytes)
{
    struct wasi_descriptor *descriptor;
    enum err error = get_preopen(fd, &descriptor);

    if (error == ERR_OK) {
        const char *name = preopen_name(descriptor);
        size_t name_bytes = strlen(name);

        error = name_bytes > path_bytes ? ERR_NAMETOOLONG
                                        : guest_write(guest_address(path), name, name_bytes);
    }
    return wasi_errno(error);
}

/* Both numbers must be open; `to` is closed and `from` moves there, in one step. */
uint32_t wasi_fd_renumber(uint32_t from, uint32_t to)
{
    struct wasi_descriptor *moving;
    struct wasi_descriptor *closing;
    enum err error = wasi_descriptor_get(from, 0, &moving);

    if (error == ERR_OK) {
        error = wasi_descriptor_get(to, 0, &closing);
    }
    if (error != ERR_OK || from == to) {
        return wasi_errno(error);
    }
    wasi_poll_forget(moving);
    fd_table_remove(&wasi_instance.descriptors, from);
    fd_table_replace(&wasi_instance.descriptors, to, moving);
    moving->number = to;
    wasi_descriptor_release(closing);
    return 0;
}
