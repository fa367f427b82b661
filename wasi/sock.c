/* Sockets: the operations that all dialects share, and preview 1's own four functions. */
#include "wasi/sock.h"

#include "kernel/base/inline.h"
#include "kernel/clock.h"
#include "kernel/wait.h"
#include "net/net.h"
#include "wasi/calls.h"
#include "wasi/descriptor.h"
#include "wasi/errno.h"
#include "wasi/instance.h"
#include "wasi/transfer.h"
#include "wasi/types.h"

static enum err adopt(struct net_socket *socket, struct wasi_descriptor *descriptor,
                      uint32_t rights, struct guest_addr out_fd)
{
    wasi_descriptor_fill(descriptor, WASI_KIND_SOCKET, rights, rights);
    descriptor->socket.socket = socket;
    net_socket_set_user(socket, descriptor);
    return guest_write_u32(out_fd, descriptor->number);
}

enum err wasi_socket_open(enum net_family family, enum net_socket_type type,
                          struct guest_addr out_fd)
{
    struct net_stack *network = wasi_instance.config->network;
    struct wasi_descriptor *descriptor;
    struct net_socket *socket;
    enum err error = guest_check(out_fd, sizeof(uint32_t));

    if (error == ERR_OK && network == NULL) {
        error = ERR_NETDOWN;
    }
    if (error == ERR_OK) {
        error = wasi_descriptor_reserve(&descriptor);
    }
    if (error != ERR_OK) {
        return error;
    }
    error = net_socket_open(network, family, type, &socket);
    if (error != ERR_OK) {
        wasi_descriptor_close(descriptor);
        return error;
    }
    return adopt(socket, descriptor, WASI_RIGHTS_SOCKET, out_fd);
}

static enum err accept_waiting(struct wasi_descriptor *listener, struct net_socket **out)
{
    struct wasi_retry retry = {
        .descriptor = listener,
        .deadline_ns = wasi_deadline_after(listener->socket.receive_timeout_ns),
    };

    for (;;) {
        enum err error = net_socket_accept(listener->socket.socket, out);

        if (error == ERR_AGAIN) {
            error = wasi_retry_again(&retry);
            if (error == ERR_OK) {
                continue;
            }
        }
        return error;
    }
}

enum err wasi_socket_accept(uint32_t fd, uint32_t flags, struct guest_addr out_fd)
{
    struct wasi_descriptor *listener;
    struct wasi_descriptor *accepted;
    struct net_socket *socket;
    enum err error = wasi_descriptor_get_socket(fd, WASI_RIGHT_SOCK_ACCEPT_BIT, &listener);

    if (error == ERR_OK && (flags & ~WASI_FDFLAGS_ALL) != 0) {
        error = ERR_INVAL;
    }
    if (error == ERR_OK) {
        error = guest_check(out_fd, sizeof(uint32_t));
    }
    /* First, so that a connection that would get no descriptor stays in the queue. */
    if (error == ERR_OK) {
        error = wasi_descriptor_reserve(&accepted);
    }
    if (error != ERR_OK) {
        return error;
    }
    error = accept_waiting(listener, &socket);
    if (error != ERR_OK) {
        wasi_descriptor_close(accepted);
        return error;
    }
    accepted->flags = (uint16_t)flags;
    return adopt(socket, accepted, listener->rights_inheriting, out_fd);
}

#define ADDRESS_DEADLINE_NS 10000000000ull

bool wasi_socket_wait_address(void)
{
    const struct net_stack *network = wasi_instance.config->network;

    if (network == NULL || net_stack_is_configured(network)) {
        return false;
    }
    while (clock_monotonic_ns() < ADDRESS_DEADLINE_NS) {
        wait_once(ADDRESS_DEADLINE_NS);
        if (net_stack_is_configured(network)) {
            return true;
        }
    }
    return false;
}

static enum err connect_result(const struct net_socket *socket, bool *is_done)
{
    uint32_t events = net_socket_events(socket);
    int64_t pending = ERR_OK;

    *is_done =
        (events & (NET_EVENT_WRITABLE_BIT | NET_EVENT_ERROR_BIT | NET_EVENT_HANGUP_BIT)) != 0;
    if ((events & NET_EVENT_ERROR_BIT) == 0) {
        return ERR_OK;
    }
    /* Reading the option takes the error away, which is what connect(2) does. */
    if (net_socket_get_option((struct net_socket *)(uintptr_t)socket, NET_OPTION_ERROR, &pending) !=
        ERR_OK) {
        return ERR_IO;
    }
    return pending == ERR_OK ? ERR_OK : (enum err)pending;
}

enum err wasi_socket_connect(uint32_t fd, const struct net_endpoint *remote)
{
    struct wasi_descriptor *descriptor;
    struct net_socket *socket;
    uint64_t deadline_ns;
    bool is_done = false;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error != ERR_OK) {
        return error;
    }
    socket = descriptor->socket.socket;
    error = net_socket_connect(socket, remote);
    if (error == ERR_NETDOWN && wasi_socket_wait_address()) {
        error = net_socket_connect(socket, remote);
    }
    if (error != ERR_INPROGRESS || (descriptor->flags & WASI_FDFLAG_NONBLOCK_BIT) != 0) {
        return error;
    }
    deadline_ns = wasi_deadline_after(descriptor->socket.send_timeout_ns);
    for (;;) {
        error = connect_result(socket, &is_done);
        if (error != ERR_OK || is_done) {
            return error;
        }
        if (wasi_wait_ready(descriptor, deadline_ns) != ERR_OK) {
            return ERR_INPROGRESS;
        }
    }
}

enum err wasi_socket_bind(uint32_t fd, const struct net_endpoint *local)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error == ERR_OK) {
        error = net_socket_bind(descriptor->socket.socket, local);
    }
    return error;
}

enum err wasi_socket_listen(uint32_t fd, uint32_t backlog)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error == ERR_OK) {
        error = net_socket_listen(descriptor->socket.socket, backlog);
    }
    return error;
}

enum err wasi_socket_endpoint(uint32_t fd, bool is_peer, struct net_endpoint *out,
                              enum net_family *family)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error != ERR_OK) {
        return error;
    }
    *family = net_socket_family(descriptor->socket.socket);
    if (is_peer) {
        return net_socket_remote(descriptor->socket.socket, out);
    }
    net_socket_local(descriptor->socket.socket, out);
    return ERR_OK;
}

ALWAYS_INLINE enum err transfer_prepare(const struct wasi_socket_transfer *transfer, uint32_t right,
                                        struct wasi_descriptor **descriptor,
                                        struct guest_vector *vector)
{
    enum err error = ERR_OK;

    *descriptor = fd_table_get(&wasi_instance.descriptors, transfer->fd);
    if (*descriptor == NULL || (*descriptor)->kind != WASI_KIND_SOCKET ||
        ((*descriptor)->rights_base & right) == 0) {
        error = wasi_descriptor_get_socket(transfer->fd, right, descriptor);
    }
    if (error == ERR_OK) {
        error = guest_check(transfer->size, sizeof(uint32_t));
    }
    if (error == ERR_OK) {
        error = guest_vector_load(transfer->iovecs, transfer->iovec_count, vector);
    }
    return error;
}

/* All but telling the guest how much it was. */
ALWAYS_INLINE enum err transfer_receive(struct wasi_socket_transfer *transfer,
                                        uint32_t *received_bytes)
{
    struct wasi_descriptor *descriptor;
    struct guest_vector vector;
    struct wasi_receive receive = {.flags = transfer->flags, .source = transfer->from};
    enum err error = transfer_prepare(transfer, WASI_RIGHT_FD_READ_BIT, &descriptor, &vector);

    if (error == ERR_OK && (transfer->flags & ~WASI_RIFLAGS_ALL) != 0) {
        error = ERR_INVAL;
    }
    if (error == ERR_OK) {
        error = wasi_socket_receive(descriptor, &vector, &receive);
    }
    if (error == ERR_OK) {
        transfer->is_truncated = receive.is_truncated;
        *received_bytes = receive.received_bytes;
    }
    return error;
}

enum err wasi_socket_transfer_receive(struct wasi_socket_transfer *transfer)
{
    uint32_t received_bytes;
    enum err error = transfer_receive(transfer, &received_bytes);

    return error == ERR_OK ? guest_write_u32(transfer->size, received_bytes) : error;
}

ALWAYS_INLINE enum err transfer_send(struct wasi_socket_transfer *transfer)
{
    struct wasi_descriptor *descriptor;
    struct guest_vector vector;
    uint32_t sent_bytes;
    enum err error = transfer_prepare(transfer, WASI_RIGHT_FD_WRITE_BIT, &descriptor, &vector);

    if (error == ERR_OK && transfer->flags != 0) {
        error = ERR_INVAL; /* preview 1 $siflags has no members */
    }
    if (error == ERR_OK) {
        error = wasi_socket_send(descriptor, &vector, transfer->to, &sent_bytes);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(transfer->size, sent_bytes);
    }
    return error;
}

enum err wasi_socket_transfer_send(struct wasi_socket_transfer *transfer)
{
    return transfer_send(transfer);
}

uint32_t wasi_sock_accept(uint32_t fd, uint32_t flags, uint32_t out)
{
    return wasi_errno(wasi_socket_accept(fd, flags, guest_address(out)));
}

uint32_t wasi_sock_recv(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t flags,
                        uint32_t nread, uint32_t roflags)
{
    struct wasi_socket_transfer transfer = {
        .fd = fd,
        .iovecs = guest_address(iovs),
        .iovec_count = iov_count,
        .flags = flags,
        .size = guest_address(nread),
    };
    uint32_t received_bytes;
    enum err error = guest_check(guest_address(roflags), sizeof(uint16_t));

    if (error == ERR_OK) {
        error = transfer_receive(&transfer, &received_bytes);
    }
    if (error == ERR_OK) {
        error = guest_write_receipt(transfer.size, received_bytes, guest_address(roflags),
                                    transfer.is_truncated ? WASI_RECV_DATA_TRUNCATED_BIT : 0);
    }
    return wasi_errno(error);
}

uint32_t wasi_sock_send(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t flags,
                        uint32_t nwritten)
{
    struct wasi_socket_transfer transfer = {
        .fd = fd,
        .iovecs = guest_address(iovs),
        .iovec_count = iov_count,
        .flags = flags,
        .size = guest_address(nwritten),
    };

    return wasi_errno(transfer_send(&transfer));
}

uint32_t wasi_sock_shutdown(uint32_t fd, uint32_t how)
{
    struct wasi_descriptor *descriptor;
    uint32_t both = WASI_SHUT_RD_BIT | WASI_SHUT_WR_BIT;
    enum err error = wasi_descriptor_get_socket(fd, WASI_RIGHT_SOCK_SHUTDOWN_BIT, &descriptor);

    if (error == ERR_OK && ((how & both) == 0 || (how & ~both) != 0)) {
        error = ERR_INVAL;
    }
    if (error == ERR_OK) {
        uint32_t net_how = 0;

        if ((how & WASI_SHUT_RD_BIT) != 0) {
            net_how |= NET_SHUTDOWN_READ_BIT;
        }
        if ((how & WASI_SHUT_WR_BIT) != 0) {
            net_how |= NET_SHUTDOWN_WRITE_BIT;
        }
        error = net_socket_shutdown(descriptor->socket.socket, net_how);
    }
    return wasi_errno(error);
}
