#include "net/socket.h"

#include "net/socket_protocol.h"

static const struct ip_address ipv4_any = {{0, 0xffff0000u}};

enum err net_socket_open(struct net_stack *stack, enum net_family family, enum net_socket_type type,
                         struct net_socket **out)
{
    const struct socket_protocol *protocol =
        type == NET_SOCKET_STREAM ? &tcp_socket_protocol : &udp_socket_protocol;
    struct net_socket *socket;
    enum err err;

    if (family != NET_FAMILY_IPV4 && family != NET_FAMILY_IPV6) {
        return ERR_AFNOSUPPORT;
    }
    err = protocol->open(stack, &socket);
    if (err != ERR_OK) {
        return err;
    }
    socket->protocol = protocol;
    socket->stack = stack;
    socket->family = (uint8_t)family;
    socket->type = (uint8_t)type;
    if (family == NET_FAMILY_IPV4) {
        socket->local.address = ipv4_any;
    }
    *out = socket;
    return ERR_OK;
}

void net_socket_close(struct net_socket *socket)
{
    net_stack_tick(socket->stack);
    socket->user = NULL;
    socket->notify = NULL;
    socket->protocol->close(socket);
}

void *net_socket_user(const struct net_socket *socket)
{
    return socket->user;
}

void net_socket_set_user(struct net_socket *socket, void *user)
{
    socket->user = user;
}

enum net_family net_socket_family(const struct net_socket *socket)
{
    return (enum net_family)socket->family;
}

enum net_socket_type net_socket_type(const struct net_socket *socket)
{
    return (enum net_socket_type)socket->type;
}

/* "Any" is ambiguous in writing: it takes the family of the socket. */
static enum err check_family(const struct net_socket *socket, const struct net_endpoint *given,
                             struct net_endpoint *out)
{
    bool is_ipv4 = ip_address_is_ipv4(&given->address);

    *out = *given;
    if (socket->family == NET_FAMILY_IPV4 && ip_address_is_any(&given->address)) {
        out->address = ipv4_any;
        return ERR_OK;
    }
    if (socket->family == NET_FAMILY_IPV4 ? !is_ipv4 : is_ipv4 && socket->ipv6_only) {
        return ERR_AFNOSUPPORT;
    }
    return ERR_OK;
}

enum err net_socket_bind(struct net_socket *socket, const struct net_endpoint *local)
{
    struct net_endpoint endpoint;
    enum err err = check_family(socket, local, &endpoint);

    if (err != ERR_OK) {
        return err;
    }
    if (socket->bound_explicitly) {
        return ERR_INVAL;
    }
    if (!ip_address_is_any(&endpoint.address) &&
        !ip_address_is_local(socket->stack, &endpoint.address) &&
        !(socket->type == NET_SOCKET_DATAGRAM && ip_address_is_group(&endpoint.address))) {
        return ERR_ADDRNOTAVAIL;
    }
    return socket->protocol->bind(socket, &endpoint);
}

enum err net_socket_listen(struct net_socket *socket, uint32_t backlog)
{
    return socket->protocol->listen == NULL ? ERR_NOTSUP
                                            : socket->protocol->listen(socket, backlog);
}

enum err net_socket_accept(struct net_socket *socket, struct net_socket **out)
{
    return socket->protocol->accept == NULL ? ERR_NOTSUP : socket->protocol->accept(socket, out);
}

enum err net_socket_connect(struct net_socket *socket, const struct net_endpoint *remote)
{
    static const struct ip_address ipv6_loopback = {{0, 1ull << 56}};
    static const uint8_t ipv4_loopback[4] = {127, 0, 0, 1};
    struct net_endpoint endpoint;
    enum err err = check_family(socket, remote, &endpoint);

    if (err != ERR_OK) {
        return err;
    }
    if (socket->type == NET_SOCKET_STREAM) {
        if (endpoint.port == 0) {
            return ERR_ADDRNOTAVAIL;
        }
        if (ip_address_is_group(&endpoint.address)) {
            return ERR_NETUNREACH;
        }
        /* RFC 1122 §3.2.1.3: "this host"; as everywhere else, that is loopback. */
        if (ip_address_is_any(&endpoint.address)) {
            endpoint.address = ip_address_is_ipv4(&endpoint.address)
                                   ? ip_address_from_ipv4(ipv4_loopback)
                                   : ipv6_loopback;
        }
    }
    net_stack_tick(socket->stack);
    return socket->protocol->connect(socket, &endpoint);
}

enum err net_socket_shutdown(struct net_socket *socket, uint32_t how)
{
    if (how == 0 || (how & ~(uint32_t)(NET_SHUTDOWN_READ_BIT | NET_SHUTDOWN_WRITE_BIT)) != 0) {
        return ERR_INVAL;
    }
    net_stack_tick(socket->stack);
    return socket->protocol->shutdown(socket, how);
}

void net_socket_local(const struct net_socket *socket, struct net_endpoint *out)
{
    *out = socket->local;
}

enum err net_socket_remote(const struct net_socket *socket, struct net_endpoint *out)
{
    if (socket->remote.port == 0) {
        return ERR_NOTCONN;
    }
    *out = socket->remote;
    return ERR_OK;
}

enum err net_socket_set_option(struct net_socket *socket, enum net_socket_option option,
                               int64_t value)
{
    switch ((int)option) {
    case NET_OPTION_REUSE_ADDRESS:
        socket->reuse_address = value != 0;
        return ERR_OK;
    case NET_OPTION_IPV6_ONLY:
        if (socket->family != NET_FAMILY_IPV6 || socket->bound_explicitly) {
            return ERR_INVAL;
        }
        socket->ipv6_only = value != 0;
        return ERR_OK;
    case NET_OPTION_HOP_LIMIT:
        if (value < 1 || value > 255) {
            return ERR_INVAL;
        }
        socket->hop_limit = (uint8_t)value;
        return ERR_OK;
    case NET_OPTION_TYPE:
    case NET_OPTION_ERROR:
    case NET_OPTION_ACCEPTING:
    case NET_OPTION_SEGMENT_BYTES:
        return ERR_NOPROTOOPT;
    default:
        return socket->protocol->set_option(socket, option, value);
    }
}

enum err net_socket_get_option(struct net_socket *socket, enum net_socket_option option,
                               int64_t *out)
{
    switch ((int)option) {
    case NET_OPTION_REUSE_ADDRESS:
        *out = socket->reuse_address;
        return ERR_OK;
    case NET_OPTION_IPV6_ONLY:
        *out = socket->ipv6_only;
        return ERR_OK;
    case NET_OPTION_HOP_LIMIT:
        *out = socket->hop_limit != 0 ? socket->hop_limit : 64;
        return ERR_OK;
    case NET_OPTION_TYPE:
        *out = socket->type;
        return ERR_OK;
    case NET_OPTION_ERROR:
        *out = net_socket_take_error(socket);
        return ERR_OK;
    default:
        return socket->protocol->get_option(socket, option, out);
    }
}

uint32_t net_socket_events(const struct net_socket *socket)
{
    return socket->protocol->events(socket);
}

size_t net_socket_readable_bytes(const struct net_socket *socket)
{
    return socket->protocol->readable_bytes(socket);
}

size_t net_socket_writable_bytes(const struct net_socket *socket)
{
    return socket->protocol->writable_bytes(socket);
}

enum err net_socket_send_reserve(struct net_socket *socket, size_t want_bytes, struct net_span *out)
{
    return socket->protocol->send_reserve(socket, want_bytes, out);
}

enum err net_socket_send_commit(struct net_socket *socket, size_t length_bytes,
                                const struct net_endpoint *destination)
{
    return socket->protocol->send_commit(socket, length_bytes, destination);
}

enum err net_socket_receive_peek(struct net_socket *socket, size_t offset_bytes,
                                 struct net_const_span *out)
{
    return socket->protocol->receive_peek(socket, offset_bytes, out);
}

void net_socket_receive_consume(struct net_socket *socket, size_t length_bytes)
{
    socket->protocol->receive_consume(socket, length_bytes);
}

enum err net_socket_receive_source(struct net_socket *socket, struct net_endpoint *out)
{
    return socket->protocol->receive_source(socket, out);
}
