#include "wasi/descriptor.h"

#include "kernel/mem.h"
#include "wasi/instance.h"
#include "wasi/poll.h"
#include "wasi/types.h"

static uint32_t applicable_rights(enum wasi_kind kind)
{
    switch (kind) {
    case WASI_KIND_CONSOLE:
        /* NOLINTNEXTLINE(misc-redundant-expression): the two share bits */
        return WASI_RIGHTS_CONSOLE_INPUT | WASI_RIGHTS_CONSOLE_OUTPUT;
    case WASI_KIND_FILE:
        return WASI_RIGHTS_FILE;
    case WASI_KIND_DIRECTORY:
        return WASI_RIGHTS_DIRECTORY;
    case WASI_KIND_SOCKET:
        return WASI_RIGHTS_SOCKET;
    }
    return 0;
}

enum err wasi_descriptor_reserve(struct wasi_descriptor **out)
{
    struct wasi_descriptor *descriptor = heap_allocate_zeroed(1, sizeof(*descriptor));
    enum err error;

    if (descriptor == NULL) {
        return ERR_NOMEM;
    }
    descriptor->kind = WASI_KIND_CONSOLE;
    descriptor->poll_first = WASI_POLL_NONE;
    error = fd_table_insert(&wasi_instance.descriptors, descriptor, &descriptor->number);
    if (error != ERR_OK) {
        heap_free(descriptor);
        return error;
    }
    *out = descriptor;
    return ERR_OK;
}

void wasi_descriptor_fill(struct wasi_descriptor *descriptor, enum wasi_kind kind,
                          uint32_t rights_base, uint32_t rights_inheriting)
{
    descriptor->kind = (uint8_t)kind;
    descriptor->rights_base = rights_base & applicable_rights(kind);
    descriptor->rights_inheriting = rights_inheriting & WASI_RIGHTS_ALL;
}

enum err wasi_descriptor_open(enum wasi_kind kind, uint32_t rights_base, uint32_t rights_inheriting,
                              struct wasi_descriptor **out)
{
    enum err error = wasi_descriptor_reserve(out);

    if (error == ERR_OK) {
        wasi_descriptor_fill(*out, kind, rights_base, rights_inheriting);
    }
    return error;
}

enum err wasi_descriptor_get(uint32_t fd, uint32_t rights, struct wasi_descriptor **out)
{
    struct wasi_descriptor *descriptor = fd_table_get(&wasi_instance.descriptors, fd);

    if (descriptor == NULL) {
        return ERR_BADF;
    }
    if ((descriptor->rights_base & rights) != rights) {
        return ERR_NOTCAPABLE;
    }
    *out = descriptor;
    return ERR_OK;
}

enum err wasi_descriptor_get_directory(uint32_t fd, uint32_t rights, struct wasi_descriptor **out)
{
    enum err error = wasi_descriptor_get(fd, 0, out);

    if (error == ERR_OK && (*out)->kind != WASI_KIND_DIRECTORY) {
        error = ERR_NOTDIR;
    }
    if (error == ERR_OK && ((*out)->rights_base & rights) != rights) {
        error = ERR_NOTCAPABLE;
    }
    return error;
}

enum err wasi_descriptor_get_socket(uint32_t fd, uint32_t rights, struct wasi_descriptor **out)
{
    enum err error = wasi_descriptor_get(fd, 0, out);

    if (error == ERR_OK && (*out)->kind != WASI_KIND_SOCKET) {
        error = ERR_NOTSOCK;
    }
    if (error == ERR_OK && ((*out)->rights_base & rights) != rights) {
        error = ERR_NOTCAPABLE;
    }
    return error;
}

void wasi_descriptor_close(struct wasi_descriptor *descriptor)
{
    fd_table_remove(&wasi_instance.descriptors, descriptor->number);
    wasi_descriptor_release(descriptor);
}

void wasi_descriptor_release(struct wasi_descriptor *descriptor)
{
    wasi_poll_forget(descriptor);
    switch ((enum wasi_kind)descriptor->kind) {
    case WASI_KIND_CONSOLE:
        break;
    case WASI_KIND_FILE:
        vfs_node_put(descriptor->file.node);
        break;
    case WASI_KIND_DIRECTORY:
        vfs_node_put(descriptor->directory.node);
        break;
    case WASI_KIND_SOCKET:
        if (descriptor->socket.socket != NULL) {
            net_socket_close(descriptor->socket.socket);
        }
        break;
    }
    heap_free(descriptor);
}

uint8_t wasi_descriptor_filetype(const struct wasi_descriptor *descriptor)
{
    switch ((enum wasi_kind)descriptor->kind) {
    case WASI_KIND_CONSOLE:
        return console_is_terminal((int)descriptor->console) ? WASI_FILETYPE_CHARACTER_DEVICE
                                                             : WASI_FILETYPE_UNKNOWN;
    case WASI_KIND_FILE:
        return WASI_FILETYPE_REGULAR_FILE;
    case WASI_KIND_DIRECTORY:
        return WASI_FILETYPE_DIRECTORY;
    case WASI_KIND_SOCKET:
        return net_socket_type(descriptor->socket.socket) == NET_SOCKET_STREAM
                   ? WASI_FILETYPE_SOCKET_STREAM
                   : WASI_FILETYPE_SOCKET_DGRAM;
    }
    return WASI_FILETYPE_UNKNOWN;
}
