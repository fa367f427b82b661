/* WAMR: sockets, addresses, options. Name resolution is in sock_wamr_resolve.c. */
#include "wasi/sock_wamr.h"

#include "kernel/base/string.h"
#include "wasi/descriptor.h"
#include "wasi/errno.h"
#include "wasi/sock.h"
#include "wasi/wamr_address.h"

/* $address_family and $sock_type. */
enum wamr_family { WAMR_INET4 = 0, WAMR_INET6 = 1 };

uint32_t wasi_wamr_sock_open(uint32_t pool, uint32_t family, uint32_t type, uint32_t out)
{
    (void)pool; /* address pools are WAMR's way to grant addresses; there is one grant here */
    if (family > WAMR_INET6) {
        return wasi_errno(ERR_AFNOSUPPORT);
    }
    if (type > WAMR_SOCKET_STREAM) {
        return wasi_errno(ERR_INVAL);
    }
    return wasi_errno(wasi_socket_open(
        family == WAMR_INET4 ? NET_FAMILY_IPV4 : NET_FAMILY_IPV6,
        type == WAMR_SOCKET_STREAM ? NET_SOCKET_STREAM : NET_SOCKET_DATAGRAM, guest_address(out)));
}

uint32_t wasi_wamr_sock_bind(uint32_t fd, uint32_t address)
{
    struct net_endpoint local;
    enum err error = wasi_wamr_address_read(guest_address(address), &local);

    if (error == ERR_OK) {
        error = wasi_socket_bind(fd, &local);
    }
    return wasi_errno(error);
}

uint32_t wasi_wamr_sock_connect(uint32_t fd, uint32_t address)
{
    struct net_endpoint remote;
    enum err error = wasi_wamr_address_read(guest_address(address), &remote);

    if (error == ERR_OK) {
        error = wasi_socket_connect(fd, &remote);
    }
    return wasi_errno(error);
}

uint32_t wasi_wamr_sock_send_to(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t flags,
                                uint32_t address, uint32_t nwritten)
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
    enum err error = wasi_wamr_address_read(guest_address(address), &to);

    if (error == ERR_OK) {
        error = wasi_socket_transfer_send(&transfer);
    }
    return wasi_errno(error);
}

uint32_t wasi_wamr_sock_recv_from(uint32_t fd, uint32_t iovs, uint32_t iov_count, uint32_t flags,
                                  uint32_t address, uint32_t nread)
{
    struct net_endpoint from = {0};
    struct wasi_socket_transfer transfer = {
        .fd = fd,
        .iovecs = guest_address(iovs),
        .iovec_count = iov_count,
        .flags = flags,
        .size = guest_address(nread),
        .from = &from,
    };
    enum err error = guest_check(guest_address(address), WAMR_ADDRESS_BYTES);

    if (error == ERR_OK) {
        error = wasi_socket_transfer_receive(&transfer);
    }
    if (error == ERR_OK) {
        error = wasi_wamr_address_write(guest_address(address), &from,
                                        ip_address_is_ipv4(&from.address) ? NET_FAMILY_IPV4
                                                                          : NET_FAMILY_IPV6);
    }
    return wasi_errno(error);
}

static enum err write_end(uint32_t fd, bool is_peer, uint32_t address)
{
    struct net_endpoint endpoint;
    enum net_family family;
    enum err error = wasi_socket_endpoint(fd, is_peer, &endpoint, &family);

    if (error == ERR_OK) {
        error = wasi_wamr_address_write(guest_address(address), &endpoint, family);
    }
    return error;
}

uint32_t wasi_wamr_sock_addr_local(uint32_t fd, uint32_t address)
{
    return wasi_errno(write_end(fd, false, address));
}

uint32_t wasi_wamr_sock_addr_remote(uint32_t fd, uint32_t address)
{
    return wasi_errno(write_end(fd, true, address));
}

/* ---- Options --------------------------------------------------------------------------------- */

static enum err get_option(uint32_t fd, enum net_socket_option option, uint32_t out,
                           uint32_t size_bytes)
{
    struct wasi_descriptor *descriptor;
    int64_t value;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error == ERR_OK) {
        error = net_socket_get_option(descriptor->socket.socket, option, &value);
    }
    if (error == ERR_OK) {
        error = guest_write(guest_address(out), &value, size_bytes);
    }
    return error;
}

static enum err set_option(uint32_t fd, enum net_socket_option option, uint32_t value)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error == ERR_OK) {
        error = net_socket_set_option(descriptor->socket.socket, option, value);
    }
    return error;
}

#define DEFINE(name, bytes, option)                                                                \
    uint32_t wasi_wamr_sock_get_##name(uint32_t fd, uint32_t out)                                  \
    {                                                                                              \
        return wasi_errno(get_option(fd, option, out, bytes));                                     \
    }                                                                                              \
    uint32_t wasi_wamr_sock_set_##name(uint32_t fd, uint32_t value)                                \
    {                                                                                              \
        return wasi_errno(set_option(fd, option, value));                                          \
    }
WAMR_OPTIONS(DEFINE)
#undef DEFINE

/* A bad descriptor is a bad descriptor even so. */
static uint32_t not_supported(uint32_t fd)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    return wasi_errno(error != ERR_OK ? error : ERR_NOTSUP);
}

#define DEFINE_MISSING(name)                                                                       \
    uint32_t wasi_wamr_sock_get_##name(uint32_t fd, uint32_t out)                                  \
    {                                                                                              \
        (void)out;                                                                                 \
        return not_supported(fd);                                                                  \
    }                                                                                              \
    uint32_t wasi_wamr_sock_set_##name(uint32_t fd, uint32_t value)                                \
    {                                                                                              \
        (void)value;                                                                               \
        return not_supported(fd);                                                                  \
    }
WAMR_MISSING_OPTIONS(DEFINE_MISSING)
#undef DEFINE_MISSING

uint32_t wasi_wamr_sock_ip_multicast_loop(uint32_t fd, uint32_t is_ipv6, uint32_t value)
{
    (void)is_ipv6;
    (void)value;
    return not_supported(fd);
}

uint32_t wasi_wamr_sock_ip_membership(uint32_t fd, uint32_t request, uint32_t is_ipv6)
{
    (void)request;
    (void)is_ipv6;
    return not_supported(fd);
}

uint32_t wasi_wamr_sock_get_linger(uint32_t fd, uint32_t is_on, uint32_t seconds)
{
    struct wasi_descriptor *descriptor;
    int64_t value = 0;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error == ERR_OK) {
        error = net_socket_get_option(descriptor->socket.socket, NET_OPTION_LINGER, &value);
    }
    if (error == ERR_OK) {
        error = guest_write_u8(guest_address(is_on), value >= 0);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(guest_address(seconds), value >= 0 ? (uint32_t)value : 0);
    }
    return wasi_errno(error);
}

uint32_t wasi_wamr_sock_set_linger(uint32_t fd, uint32_t is_on, uint32_t seconds)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error == ERR_OK) {
        error = net_socket_set_option(descriptor->socket.socket, NET_OPTION_LINGER,
                                      is_on != 0 ? (int64_t)seconds : -1);
    }
    return wasi_errno(error);
}

#define NS_PER_US 1000u

static enum err get_timeout(uint32_t fd, bool is_send, uint32_t out)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error == ERR_OK) {
        uint64_t timeout_ns =
            is_send ? descriptor->socket.send_timeout_ns : descriptor->socket.receive_timeout_ns;

        error = guest_write_u64(guest_address(out), timeout_ns / NS_PER_US);
    }
    return error;
}

static enum err set_timeout(uint32_t fd, bool is_send, uint64_t timeout_us)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get_socket(fd, 0, &descriptor);

    if (error == ERR_OK) {
        /* One that 64 bits of nanoseconds do not hold is none. */
        uint64_t timeout_ns = timeout_us > UINT64_MAX / NS_PER_US ? 0 : timeout_us * NS_PER_US;

        if (is_send) {
            descriptor->socket.send_timeout_ns = timeout_ns;
        } else {
            descriptor->socket.receive_timeout_ns = timeout_ns;
        }
    }
    return error;
}

uint32_t wasi_wamr_sock_get_recv_timeout(uint32_t fd, uint32_t out)
{
    return wasi_errno(get_timeout(fd, false, out));
}

uint32_t wasi_wamr_sock_set_recv_timeout(uint32_t fd, uint64_t timeout_us)
{
    return wasi_errno(set_timeout(fd, false, timeout_us));
}

uint32_t wasi_wamr_sock_get_send_timeout(uint32_t fd, uint32_t out)
{
    return wasi_errno(get_timeout(fd, true, out));
}

uint32_t wasi_wamr_sock_set_send_timeout(uint32_t fd, uint64_t timeout_us)
{
    return wasi_errno(set_timeout(fd, true, timeout_us));
}
