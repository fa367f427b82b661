/*
 * The WasmEdge socket extension, v1 and v2. The two forms of a function have one name and differ
 * in their signatures; imports.def binds each to its own C function.
 */
#include "wasi/calls.h"

#include "kernel/base/string.h"
#include "wasi/descriptor.h"
#include "wasi/errno.h"
#include "wasi/poll.h"
#include "wasi/sock.h"
#include "wasi/sock_address.h"
#include "wasi/sock_option.h"
#include "wasi/types.h"

uint32_t wasi_edge_sock_open(uint32_t family, uint32_t type, uint32_t out)
{
    enum net_socket_type net_type =
        type == WASMEDGE_TYPE_DATAGRAM ? NET_SOCKET_DATAGRAM : NET_SOCKET_STREAM;

    if (type > WASMEDGE_TYPE_STREAM) {
        return wasi_errno(ERR_INVAL);
    }
    switch (family) {
    case WASMEDGE_FAMILY_UNSPEC:
    case WASMEDGE_FAMILY_INET4:
        return wasi_errno(wasi_socket_open(NET_FAMILY_IPV4, net_type, guest_address(out)));
    case WASMEDGE_FAMILY_INET6:
        return wasi_errno(wasi_socket_open(NET_FAMILY_IPV6, net_type, guest_address(out)));
    default:
        return wasi_errno(ERR_AFNOSUPPORT);
    }
}

uint32_t wasi_edge_sock_bind(uint32_t fd, uint32_t address, uint32_t port)
{
    struct net_endpoint local;
    enum err error = wasi_address_read(guest_address(address), port, &local);

    if (error == ERR_OK) {
        error = wasi_socket_bind(fd, &local);
    }
    return wasi_errno(error);
}

uint32_t wasi_edge_sock_connect(uint32_t fd, uint32_t address, uint32_t port)
{
    struct net_endpoint remote;
    enum err error = wasi_address_read(guest_address(address), port, &remote);

    if (error == ERR_OK) {
        error = wasi_socket_connect(fd, &remote);
    }
    return wasi_errno(error);
}

/* A backlog is an int to the guests; a negative one means as much as there is. */
uint32_t wasi_edge_sock_listen(uint32_t fd, uint32_t backlog)
{
    return wasi_errno(wasi_socket_listen(fd, backlog));
}

uint32_t wasi_edge_sock_accept_v1(uint32_t fd, uint32_t out)
{
    return wasi_errno(wasi_socket_accept(fd, 0, guest_address(out)));
}

/* Where the two forms of recv_from put their results. */
struct receive_from {
    struct guest_addr address;
    struct guest_addr port;
    bool has_port;
    struct guest_addr roflags;
};

static enum err write_source(const struct receive_from *from, const struct net_endpoint *source,
                             bool is_truncated)
{
    enum net_family family =
        ip_address_is_ipv4(&source->address) ? NET_FAMILY_IPV4 : NET_FAMILY_IPV6;
    enum err error = wasi_address_write(from->address, source, family);

    if (error == ERR_OK && from->has_port) {
        error = guest_write_u32(from->port, source->port);
    }
    if (error == ERR_OK) {
        error = guest_write_u16(from->roflags, is_truncated ? WASI_RECV_DATA_TRUNCATED_BIT : 0);
    }
    return error;
}

static enum err receive_from(struct wasi_socket_transfer *transfer, const struct receive_from *from)
{
    struct net_endpoint source = {0};
    enum err error = wasi_address_check(from->address);

    if (error == ERR_OK) {
        error = guest_check(from->roflags, sizeof(uint16_t));
    }
    if (error == ERR_OK && from->has_port) {
        error = guest_check(from->port, sizeof(uint32_t));
    }
    transfer->from = &source;
    if (error == ERR_OK) {
        error = wasi_socket_transfer_receive(transfer);
    }
    transfer->from = NULL; /* it points to this function's frame */
    if (error == ERR_OK) {
        error = write_source(from, &source, transfer->is_truncated);
    }
    return error;
}

uint32_t wasi_edge_sock_recv_from_v1(uint32_t fd, uint32_t iovs, uint32_t iov_count,
                                     uint32_t address, uint32_t flags, uint32_t nread,
                                     uint32_t roflags)
{
    struct wasi_socket_transfer transfer = {
        .fd = fd,
        .iovecs = guest_address(iovs),
        .iovec_count = iov_count,
        .flags = flags,
        .size = guest_address(nread),
    };
    struct receive_from from = {
        .address = guest_address(address),
        .roflags = guest_address(roflags),
    };

    return wasi_errno(receive_from(&transfer, &from));
}

uint32_t wasi_edge_sock_recv_from_v2(uint32_t fd, uint32_t iovs, uint32_t iov_count,
                                     uint32_t address, uint32_t flags, uint32_t port,
                                     uint32_t nread, uint32_t roflags)
{
    struct wasi_socket_transfer transfer = {
        .fd = fd,
        .iovecs = guest_address(iovs),
        .iovec_count = iov_count,
        .flags = flags,
        .size = guest_address(nread),
    };
    struct receive_from from = {
        .address = guest_address(address),
        .port = guest_address(port),
        .has_port = true,
        .roflags = guest_address(roflags),
    };

    return wasi_errno(receive_from(&transfer, &from));
}

uint32_t wasi_edge_sock_send_to(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t address,
                                uint32_t port, uint32_t flags, uint32_t nwritten)
{
    struct net_endpoint to;
    struct wasi_socket_transfer transfer = {
        .fd = fd,
        .iovecs = guest_address(iovs),
        .iovec_count = iov_count,
        .flags = flags,
        .size = guest_address(nwritten),
        .to = &to,
    };
    enum err error = wasi_address_read(guest_address(address), port, &to);

    if (error == ERR_OK) {
        error = wasi_socket_transfer_send(&transfer);
    }
    return wasi_errno(error);
}

/* v1's *type: the IP version. */
#define TYPE_IPV4 4u
#define TYPE_IPV6 6u

static enum err write_endpoint(uint32_t fd, bool is_peer, uint32_t address, const uint32_t *type,
                               uint32_t port)
{
    struct net_endpoint endpoint;
    enum net_family family;
    enum err error = wasi_socket_endpoint(fd, is_peer, &endpoint, &family);

    if (error == ERR_OK) {
        error = wasi_address_write(guest_address(address), &endpoint, family);
    }
    if (error == ERR_OK && type != NULL) {
        error = guest_write_u32(guest_address(*type),
                                family == NET_FAMILY_IPV4 ? TYPE_IPV4 : TYPE_IPV6);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(guest_address(port), endpoint.port);
    }
    return error;
}

uint32_t wasi_edge_sock_getlocaladdr_v1(uint32_t fd, uint32_t address, uint32_t type, uint32_t port)
{
    return wasi_errno(write_endpoint(fd, false, address, &type, port));
}

uint32_t wasi_edge_sock_getlocaladdr_v2(uint32_t fd, uint32_t address, uint32_t port)
{
    return wasi_errno(write_endpoint(fd, false, address, NULL, port));
}

uint32_t wasi_edge_sock_getpeeraddr_v1(uint32_t fd, uint32_t address, uint32_t type, uint32_t port)
{
    return wasi_errno(write_endpoint(fd, true, address, &type, port));
}

uint32_t wasi_edge_sock_getpeeraddr_v2(uint32_t fd, uint32_t address, uint32_t port)
{
    return wasi_errno(write_endpoint(fd, true, address, NULL, port));
}

/*
 * The last argument is where the length lies, or, from one client, the length itself: no
 * program keeps a variable in the first bytes of its memory.
 */
#define LENGTH_BY_VALUE_MAX 16u

uint32_t wasi_edge_sock_getsockopt(uint32_t fd, uint32_t level, uint32_t name, uint32_t value,
                                   uint32_t length)
{
    bool is_by_value = length <= LENGTH_BY_VALUE_MAX;
    uint8_t bytes[WASI_OPTION_VALUE_BYTES];
    uint32_t room_bytes = length;
    uint32_t size_bytes = 0;
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error == ERR_OK && !is_by_value) {
        error = guest_read_u32(guest_address(length), &room_bytes);
    }
    if (error == ERR_OK) {
        error = guest_check(guest_address(value),
                            room_bytes < sizeof(bytes) ? room_bytes : sizeof(bytes));
    }
    if (error == ERR_OK) {
        error = wasi_option_get(descriptor, level, name, bytes, &size_bytes);
    }
    if (error == ERR_OK) {
        size_bytes = size_bytes < room_bytes ? size_bytes : room_bytes;
        error = guest_write(guest_address(value), bytes, size_bytes);
    }
    if (error == ERR_OK && !is_by_value) {
        error = guest_write_u32(guest_address(length), size_bytes);
    }
    return wasi_errno(error);
}

uint32_t wasi_edge_sock_setsockopt(uint32_t fd, uint32_t level, uint32_t name, uint32_t value,
                                   uint32_t length)
{
    uint8_t bytes[WASI_OPTION_VALUE_BYTES] = {0};
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error == ERR_OK) {
        error = guest_check(guest_address(value), length);
    }
    if (error == ERR_OK && length > sizeof(bytes)) {
        error = ERR_INVAL;
    }
    if (error == ERR_OK) {
        error = guest_read(guest_address(value), bytes, length);
    }
    if (error == ERR_OK) {
        error = wasi_option_set(descriptor, level, name, bytes, length);
    }
    return wasi_errno(error);
}

uint32_t wasi_edge_epoll_oneoff(uint32_t in, uint32_t out, uint32_t count, uint32_t nevents)
{
    struct wasi_poll_request request = {
        .subscriptions = guest_address(in),
        .events = guest_address(out),
        .count = count,
        .event_count = guest_address(nevents),
        .snapshot = WASI_SNAPSHOT_PREVIEW1,
        .is_edge_triggered = true,
    };

    return wasi_errno(wasi_poll(&request));
}
