/* WASI preview 1: fd_read, fd_write, fd_pread, fd_pwrite, fd_seek, fd_tell. */
#include "wasi/calls.h"

#include "kernel/console.h"
#include "kernel/wait.h"
#include "wasi/descriptor.h"
#include "wasi/errno.h"
#include "wasi/guest_memory.h"
#include "wasi/transfer.h"
#include "wasi/types.h"

uint8_t wasi_bounce[WASI_BOUNCE_BYTES];

static enum err file_read(struct vfs_node *node, uint64_t offset_bytes, struct guest_vector *vector,
                          uint32_t *read_bytes)
{
    uint32_t left_bytes = vector->total_bytes;

    *read_bytes = 0;
    while (left_bytes != 0) {
        struct vfs_span span;
        enum err error = vfs_read_span(node, offset_bytes + *read_bytes, left_bytes, &span);

        if (error != ERR_OK) {
            return *read_bytes != 0 ? ERR_OK : error;
        }
        if (span.size_bytes == 0) {
            break;
        }
        (void)guest_vector_write(vector, span.data, span.size_bytes);
        *read_bytes += (uint32_t)span.size_bytes;
        left_bytes -= (uint32_t)span.size_bytes;
    }
    return ERR_OK;
}

static enum err file_write(struct vfs_node *node, uint64_t offset_bytes,
                           struct guest_vector *vector, uint32_t *written_bytes)
{
    uint32_t left_bytes = vector->total_bytes;

    *written_bytes = 0;
    while (left_bytes != 0) {
        struct vfs_write_span span;
        enum err error = vfs_write_reserve(node, offset_bytes + *written_bytes, left_bytes, &span);

        if (error == ERR_OK) {
            (void)guest_vector_read(vector, span.data, span.size_bytes);
            error = vfs_write_commit(node, offset_bytes + *written_bytes, span.size_bytes);
        }
        if (error != ERR_OK) {
            return *written_bytes != 0 ? ERR_OK : error;
        }
        *written_bytes += (uint32_t)span.size_bytes;
        left_bytes -= (uint32_t)span.size_bytes;
    }
    return ERR_OK;
}

/* APPEND decides where the data goes, DSYNC and SYNC what must be durable before returning. */
static enum err file_write_flags(struct wasi_descriptor *descriptor, uint64_t offset_bytes,
                                 struct guest_vector *vector, uint32_t *written_bytes,
                                 uint64_t *end_offset_bytes)
{
    struct vfs_node *node = descriptor->file.node;
    enum err error;

    if ((descriptor->flags & WASI_FDFLAG_APPEND_BIT) != 0) {
        struct vfs_stat stat;

        error = vfs_stat(node, &stat);
        if (error != ERR_OK) {
            return error;
        }
        offset_bytes = stat.size_bytes;
    }
    error = file_write(node, offset_bytes, vector, written_bytes);
    if (error == ERR_OK) {
        *end_offset_bytes = offset_bytes + *written_bytes;
        if ((descriptor->flags & (WASI_FDFLAG_DSYNC_BIT | WASI_FDFLAG_SYNC_BIT)) != 0) {
            error = vfs_sync(node, (descriptor->flags & WASI_FDFLAG_SYNC_BIT) == 0);
        }
    }
    return error;
}

static enum err console_input(const struct wasi_descriptor *descriptor, struct guest_vector *vector,
                              uint32_t *read_bytes)
{
    size_t want_bytes =
        vector->total_bytes < WASI_BOUNCE_BYTES ? vector->total_bytes : WASI_BOUNCE_BYTES;
    size_t got_bytes = 0;
    enum err error = ERR_OK;

    while (want_bytes != 0) {
        error = console_read(wasi_bounce, want_bytes, &got_bytes);
        if (error != ERR_AGAIN) {
            break;
        }
        error = wasi_wait_ready(descriptor, WAIT_FOREVER);
        if (error != ERR_OK) {
            break;
        }
    }
    if (error == ERR_OK) {
        *read_bytes = (uint32_t)guest_vector_write(vector, wasi_bounce, got_bytes);
    }
    return error;
}

static void console_output(const struct wasi_descriptor *descriptor, struct guest_vector *vector,
                           uint32_t *written_bytes)
{
    enum console_stream stream = descriptor->console == 1 ? CONSOLE_STDOUT : CONSOLE_STDERR;

    *written_bytes = 0;
    for (;;) {
        size_t piece_bytes = guest_vector_read(vector, wasi_bounce, WASI_BOUNCE_BYTES);

        if (piece_bytes == 0) {
            return;
        }
        console_write(stream, wasi_bounce, piece_bytes);
        *written_bytes += (uint32_t)piece_bytes;
    }
}

static enum err read_current(struct wasi_descriptor *descriptor, struct guest_vector *vector,
                             uint32_t *read_bytes)
{
    struct wasi_receive receive = {0};
    enum err error = ERR_OK;

    *read_bytes = 0;
    switch ((enum wasi_kind)descriptor->kind) {
    case WASI_KIND_CONSOLE:
        error = console_input(descriptor, vector, read_bytes);
        break;
    case WASI_KIND_FILE:
        error = file_read(descriptor->file.node, descriptor->file.offset_bytes, vector, read_bytes);
        descriptor->file.offset_bytes += *read_bytes;
        break;
    case WASI_KIND_SOCKET:
        error = wasi_socket_receive(descriptor, vector, &receive);
        *read_bytes = receive.received_bytes;
        break;
    case WASI_KIND_DIRECTORY:
        error = ERR_ISDIR;
        break;
    }
    return error;
}

static enum err write_current(struct wasi_descriptor *descriptor, struct guest_vector *vector,
                              uint32_t *written_bytes)
{
    enum err error = ERR_OK;

    *written_bytes = 0;
    switch ((enum wasi_kind)descriptor->kind) {
    case WASI_KIND_CONSOLE:
        console_output(descriptor, vector, written_bytes);
        break;
    case WASI_KIND_FILE:
        error = file_write_flags(descriptor, descriptor->file.offset_bytes, vector, written_bytes,
                                 &descriptor->file.offset_bytes);
        break;
    case WASI_KIND_SOCKET:
        error = wasi_socket_send(descriptor, vector, NULL, written_bytes);
        break;
    case WASI_KIND_DIRECTORY:
        error = ERR_ISDIR;
        break;
    }
    return error;
}

/*
 * What all four transfers check before they move anything: the descriptor, the right, the place
 * of the result, the vector. A directory is told apart first: EISDIR says more than
 * a missing right.
 */
static enum err prepare(uint32_t fd, uint32_t right, uint32_t iovs, uint32_t iov_count,
                        uint32_t result, struct wasi_descriptor **out, struct guest_vector *vector)
{
    enum err error = wasi_descriptor_get(fd, 0, out);

    if (error == ERR_OK && (*out)->kind == WASI_KIND_DIRECTORY) {
        error = ERR_ISDIR;
    }
    if (error == ERR_OK && ((*out)->rights_base & right) == 0) {
        error = ERR_NOTCAPABLE;
    }
    if (error == ERR_OK) {
        error = guest_check(guest_address(result), sizeof(uint32_t));
    }
    if (error == ERR_OK) {
        error = guest_vector_load(guest_address(iovs), iov_count, vector);
    }
    return error;
}

uint32_t wasi_fd_read(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t nread)
{
    struct wasi_descriptor *descriptor;
    struct guest_vector vector;
    uint32_t read_bytes;
    enum err error =
        prepare(fd, WASI_RIGHT_FD_READ_BIT, iovs, iov_count, nread, &descriptor, &vector);

    if (error == ERR_OK) {
        error = read_current(descriptor, &vector, &read_bytes);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(guest_address(nread), read_bytes);
    }
    return wasi_errno(error);
}

uint32_t wasi_fd_write(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t nwritten)
{
    struct wasi_descriptor *descriptor;
    struct guest_vector vector;
    uint32_t written_bytes;
    enum err error =
        prepare(fd, WASI_RIGHT_FD_WRITE_BIT, iovs, iov_count, nwritten, &descriptor, &vector);

    if (error == ERR_OK) {
        error = write_current(descriptor, &vector, &written_bytes);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(guest_address(nwritten), written_bytes);
    }
    return wasi_errno(error);
}

/* An offset is a $filesize; those that no file can have are refused as POSIX's negative ones. */
static enum err check_position(const struct wasi_descriptor *descriptor, uint64_t offset_bytes)
{
    if (descriptor->kind != WASI_KIND_FILE) {
        return ERR_SPIPE;
    }
    return offset_bytes > VFS_SIZE_MAX ? ERR_INVAL : ERR_OK;
}

uint32_t wasi_fd_pread(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint64_t offset,
                       uint32_t nread)
{
    struct wasi_descriptor *descriptor;
    struct guest_vector vector;
    uint32_t read_bytes;
    enum err error =
        prepare(fd, WASI_RIGHT_FD_READ_BIT, iovs, iov_count, nread, &descriptor, &vector);

    if (error == ERR_OK) {
        error = check_position(descriptor, offset);
    }
    if (error == ERR_OK) {
        error = file_read(descriptor->file.node, offset, &vector, &read_bytes);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(guest_address(nread), read_bytes);
    }
    return wasi_errno(error);
}

/* With APPEND set the data goes to the end of the file, as on Linux (pwrite(2), BUGS). */
uint32_t wasi_fd_pwrite(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint64_t offset,
                        uint32_t nwritten)
{
    struct wasi_descriptor *descriptor;
    struct guest_vector vector;
    uint32_t written_bytes;
    uint64_t end_offset_bytes;
    enum err error =
        prepare(fd, WASI_RIGHT_FD_WRITE_BIT, iovs, iov_count, nwritten, &descriptor, &vector);

    if (error == ERR_OK) {
        error = check_position(descriptor, offset);
    }
    if (error == ERR_OK) {
        error = file_write_flags(descriptor, offset, &vector, &written_bytes, &end_offset_bytes);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(guest_address(nwritten), written_bytes);
    }
    return wasi_errno(error);
}

static enum err seek_base(const struct wasi_descriptor *descriptor, uint32_t whence,
                          uint64_t *base_bytes)
{
    struct vfs_stat stat;
    enum err error;

    switch (whence) {
    case WASI_WHENCE_SET:
        *base_bytes = 0;
        return ERR_OK;
    case WASI_WHENCE_CUR:
        *base_bytes = descriptor->file.offset_bytes;
        return ERR_OK;
    case WASI_WHENCE_END:
        error = vfs_stat(descriptor->file.node, &stat);
        if (error == ERR_OK) {
            *base_bytes = stat.size_bytes;
        }
        return error;
    default:
        return ERR_INVAL;
    }
}

static enum err seek_prepare(uint32_t fd, uint32_t rights, uint32_t result,
                             struct wasi_descriptor **out)
{
    enum err error = wasi_descriptor_get(fd, 0, out);

    if (error != ERR_OK) {
        return error;
    }
    if ((*out)->kind != WASI_KIND_FILE) {
        return (*out)->kind == WASI_KIND_DIRECTORY ? ERR_ISDIR : ERR_SPIPE;
    }
    if (((*out)->rights_base & rights) == 0) {
        return ERR_NOTCAPABLE;
    }
    return guest_check(guest_address(result), sizeof(uint64_t));
}

/* Asking for the position by seeking nowhere needs only the right to tell it. */
uint32_t wasi_fd_seek(uint32_t fd, uint64_t offset, uint32_t whence, uint32_t new_offset)
{
    bool is_tell = offset == 0 && whence == WASI_WHENCE_CUR;
    struct wasi_descriptor *descriptor;
    uint64_t base_bytes;
    int64_t target_bytes;
    enum err error =
        seek_prepare(fd, WASI_RIGHT_FD_SEEK_BIT | (is_tell ? (uint32_t)WASI_RIGHT_FD_TELL_BIT : 0u),
                     new_offset, &descriptor);

    if (error == ERR_OK) {
        error = seek_base(descriptor, whence, &base_bytes);
    }
    if (error == ERR_OK &&
        __builtin_add_overflow((int64_t)base_bytes, (int64_t)offset, &target_bytes)) {
        error = ERR_OVERFLOW;
    }
    if (error == ERR_OK && target_bytes < 0) {
        error = ERR_INVAL;
    }
    if (error == ERR_OK) {
        descriptor->file.offset_bytes = (uint64_t)target_bytes;
        error = guest_write_u64(guest_address(new_offset), (uint64_t)target_bytes);
    }
    return wasi_errno(error);
}

uint32_t wasi_fd_tell(uint32_t fd, uint32_t offset)
{
    struct wasi_descriptor *descriptor;
    enum err error =
        seek_prepare(fd, WASI_RIGHT_FD_TELL_BIT | WASI_RIGHT_FD_SEEK_BIT, offset, &descriptor);

    if (error == ERR_OK) {
        error = guest_write_u64(guest_address(offset), descriptor->file.offset_bytes);
    }
    return wasi_errno(error);
}
