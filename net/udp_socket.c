#include "net/udp.h"

#include "net/checksum.h"

/* 65535 less the headers (IPv4: RFC 768 with RFC 791; IPv6: ip_transmit's own limit). */
#define UDP_IPV4_PAYLOAD_MAX (65535u - 20u - 8u)
#define UDP_IPV6_PAYLOAD_MAX (65535u - 40u - 8u)

static struct udp_socket *udp_of(struct net_socket *socket)
{
    return (struct udp_socket *)socket;
}

static const struct udp_socket *udp_of_const(const struct net_socket *socket)
{
    return (const struct udp_socket *)socket;
}

static enum err udp_open(struct net_stack *stack, struct net_socket **out)
{
    struct udp_socket *socket;

    if (net_pressure(stack) == NET_PRESSURE_EXHAUSTED) {
        return ERR_NOBUFS;
    }
    socket = net_allocate(stack, sizeof(*socket));
    if (socket == NULL) {
        return ERR_NOBUFS;
    }
    socket->base.protocol = &udp_socket_protocol;
    socket->base.stack = stack;
    socket->base.type = NET_SOCKET_DATAGRAM;
    socket->receive_limit_bytes = UDP_RECEIVE_BYTES_DEFAULT;
    socket->send_limit_bytes = UDP_RECEIVE_BYTES_DEFAULT;
    *out = &socket->base;
    return ERR_OK;
}

static void udp_drop_first(struct udp_socket *socket)
{
    struct udp_datagram *datagram = socket->first;
    uint32_t cost = (uint32_t)sizeof(*datagram) + datagram->length_bytes;

    socket->first = datagram->next;
    if (socket->first == NULL) {
        socket->last = NULL;
    }
    socket->queued_bytes -= cost;
    net_release(socket->base.stack, datagram, cost);
}

static void udp_close(struct net_socket *base)
{
    struct udp_socket *socket = udp_of(base);
    struct net_stack *stack = base->stack;

    if (base->local.port != 0) {
        udp_table_remove(socket);
    }
    if (socket->is_blocked) {
        struct udp_socket **link = &stack->udp->blocked;
        while (*link != socket) {
            link = &(*link)->blocked_next;
        }
        *link = socket->blocked_next;
    }
    while (socket->first != NULL) {
        udp_drop_first(socket);
    }
    if (socket->reserved != NULL) {
        net_buffer_free(stack, socket->reserved);
    }
    net_release(stack, socket, sizeof(*socket));
}

/* RFC 6056 §3.3.1: a random free port. */
static enum err udp_choose_port(const struct udp_socket *socket, const struct ip_address *address,
                                uint16_t *out)
{
    uint32_t start = net_random32(socket->base.stack);
    for (uint32_t i = 0; i < UDP_EPHEMERAL_COUNT; i++) {
        uint16_t port = (uint16_t)(UDP_EPHEMERAL_FIRST + (start + i) % UDP_EPHEMERAL_COUNT);
        if (!udp_table_conflicts(socket, address, port)) {
            *out = port;
            return ERR_OK;
        }
    }
    return ERR_ADDRINUSE;
}

static enum err udp_bind(struct net_socket *base, const struct net_endpoint *local)
{
    struct udp_socket *socket = udp_of(base);
    uint16_t port = local->port;

    if (base->local.port != 0) {
        return ERR_INVAL;
    }
    if (!ip_address_is_any(&local->address) && !ip_address_is_group(&local->address) &&
        !ip_address_is_local(base->stack, &local->address)) {
        return ERR_ADDRNOTAVAIL;
    }
    if (port == 0) {
        enum err error = udp_choose_port(socket, &local->address, &port);
        if (error != ERR_OK) {
            return error;
        }
    } else if (udp_table_conflicts(socket, &local->address, port)) {
        return ERR_ADDRINUSE;
    }
    base->local.address = local->address;
    base->local.port = port;
    udp_table_insert(socket);
    return ERR_OK;
}

static enum err udp_bind_if_needed(struct udp_socket *socket)
{
    static const struct net_endpoint any;
    return socket->base.local.port != 0 ? ERR_OK : udp_bind(&socket->base, &any);
}

/* "Any" as a destination means this host, as everywhere since BSD. */
static struct ip_address udp_destination(const struct udp_socket *socket,
                                         const struct ip_address *address)
{
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    if (!ip_address_is_any(address)) {
        return *address;
    }
    if (ip_address_is_ipv4(address) || socket->base.family == NET_FAMILY_IPV4) {
        return ip_address_from_ipv4(loopback);
    }
    return (struct ip_address){{0, 1ull << 56}};
}

static bool udp_family_fits(const struct udp_socket *socket, const struct ip_address *address)
{
    if (socket->base.family == NET_FAMILY_IPV4) {
        return ip_address_is_ipv4(address) || ip_address_is_any(address);
    }
    return !ip_address_is_ipv4(address) || !socket->base.ipv6_only;
}

static bool udp_is_broadcast(const struct net_stack *stack, const struct ip_address *address)
{
    const struct netif *netif = &stack->ip->netif;
    if (!ip_address_is_ipv4(address)) {
        return false;
    }
    uint32_t value = netif_ipv4_from_bytes(ip_address_ipv4_bytes(address));
    return value == 0xffffffffu || (netif->ipv4_valid && netif->ipv4_prefix_length < 31 &&
                                    value == (netif->ipv4 | ~netif->ipv4_mask));
}

static enum err udp_update_route(struct udp_socket *socket, const struct ip_address *destination)
{
    struct net_stack *stack = socket->base.stack;

    if (socket->route_valid && socket->route.generation == stack->route_generation &&
        ip_address_is_equal(&socket->route.destination, destination)) {
        return ERR_OK;
    }
    /* A group is nobody's source address: a socket bound to one sends from the interface's. */
    static const struct ip_address any;
    const struct ip_address *source = &socket->base.local.address;
    if (ip_address_is_group(source)) {
        source = &any;
    }
    enum err error = ip_route(stack, source, destination, &socket->route);
    socket->route_valid = error == ERR_OK;
    if (socket->route_valid && socket->base.hop_limit != 0) {
        socket->route.hop_limit = socket->base.hop_limit;
    } else if (socket->route_valid && ip_address_is_group(destination)) {
        socket->route.hop_limit = 1; /* RFC 1112 §6.1: multicast stays on the link by default. */
    }
    return error;
}

static enum err udp_connect(struct net_socket *base, const struct net_endpoint *remote)
{
    struct udp_socket *socket = udp_of(base);

    if (remote->port == 0) {
        base->remote = (struct net_endpoint){0};
        return ERR_OK;
    }
    struct ip_address address = udp_destination(socket, &remote->address);
    if (!udp_family_fits(socket, &address)) {
        return ERR_AFNOSUPPORT;
    }
    if (udp_is_broadcast(base->stack, &address) && !socket->broadcast_allowed) {
        return ERR_ACCES;
    }
    enum err error = udp_update_route(socket, &address);
    if (error == ERR_OK) {
        error = udp_bind_if_needed(socket);
    }
    if (error != ERR_OK) {
        return error;
    }
    base->remote.address = address;
    base->remote.port = remote->port;
    /* The kernel names the local end once the peer is known, as getsockname's users expect. */
    if (ip_address_is_any(&base->local.address)) {
        base->local.address = socket->route.source;
    }
    return ERR_OK;
}

static enum err udp_shutdown(struct net_socket *base, uint32_t how)
{
    struct udp_socket *socket = udp_of(base);
    if (base->remote.port == 0) {
        return ERR_NOTCONN;
    }
    socket->shut |= (uint8_t)how;
    net_socket_wake(base);
    return ERR_OK;
}

static enum err udp_set_option(struct net_socket *base, enum net_socket_option option,
                               int64_t value)
{
    struct udp_socket *socket = udp_of(base);
    uint32_t clamped = UDP_BUFFER_BYTES_MAX;

    if (value >= 0 && value < UDP_BUFFER_BYTES_MAX) {
        clamped = value > UDP_BUFFER_BYTES_MIN ? (uint32_t)value : UDP_BUFFER_BYTES_MIN;
    }
    switch ((int)option) {
    case NET_OPTION_BROADCAST:
        socket->broadcast_allowed = value != 0;
        return ERR_OK;
    case NET_OPTION_SEND_BUFFER:
        socket->send_limit_bytes = clamped;
        return value < 0 ? ERR_INVAL : ERR_OK;
    case NET_OPTION_RECEIVE_BUFFER:
        socket->receive_limit_bytes = clamped;
        return value < 0 ? ERR_INVAL : ERR_OK;
    case NET_OPTION_HOP_LIMIT:
        if (value < 1 || value > 255) {
            return ERR_INVAL;
        }
        base->hop_limit = (uint8_t)value;
        socket->route_valid = false;
        return ERR_OK;
    case NET_OPTION_RECEIVE_LOW:
        return value == 1 ? ERR_OK : ERR_INVAL;
    default:
        return ERR_NOPROTOOPT;
    }
}

static enum err udp_get_option(struct net_socket *base, enum net_socket_option option, int64_t *out)
{
    const struct udp_socket *socket = udp_of_const(base);

    switch ((int)option) {
    case NET_OPTION_BROADCAST:
        *out = socket->broadcast_allowed;
        return ERR_OK;
    case NET_OPTION_SEND_BUFFER:
        *out = socket->send_limit_bytes;
        return ERR_OK;
    case NET_OPTION_RECEIVE_BUFFER:
        *out = socket->receive_limit_bytes;
        return ERR_OK;
    case NET_OPTION_HOP_LIMIT:
        *out = base->hop_limit != 0 ? base->hop_limit : IP_DEFAULT_HOP_LIMIT;
        return ERR_OK;
    case NET_OPTION_RECEIVE_LOW:
        *out = 1;
        return ERR_OK;
    default:
        return ERR_NOPROTOOPT;
    }
}

static uint32_t udp_events(const struct net_socket *base)
{
    const struct udp_socket *socket = udp_of_const(base);
    uint32_t events = 0;

    if (socket->first != NULL || (socket->shut & NET_SHUTDOWN_READ_BIT) != 0) {
        events |= NET_EVENT_READABLE_BIT;
    }
    if (!socket->is_blocked || (socket->shut & NET_SHUTDOWN_WRITE_BIT) != 0) {
        events |= NET_EVENT_WRITABLE_BIT;
    }
    if (base->error != ERR_OK) {
        events |= NET_EVENT_ERROR_BIT | NET_EVENT_READABLE_BIT | NET_EVENT_WRITABLE_BIT;
    }
    if (socket->shut == (NET_SHUTDOWN_READ_BIT | NET_SHUTDOWN_WRITE_BIT)) {
        events |= NET_EVENT_HANGUP_BIT;
    }
    return events;
}

static size_t udp_readable_bytes(const struct net_socket *base)
{
    const struct udp_socket *socket = udp_of_const(base);
    return socket->first != NULL ? socket->first->length_bytes : 0;
}

static uint32_t udp_payload_max(const struct udp_socket *socket)
{
    return socket->base.family == NET_FAMILY_IPV4 ? UDP_IPV4_PAYLOAD_MAX : UDP_IPV6_PAYLOAD_MAX;
}

static size_t udp_writable_bytes(const struct net_socket *base)
{
    const struct udp_socket *socket = udp_of_const(base);
    return socket->is_blocked ? 0 : udp_payload_max(socket);
}

static enum err udp_send_reserve(struct net_socket *base, size_t want_bytes, struct net_span *out)
{
    struct udp_socket *socket = udp_of(base);
    struct net_stack *stack = base->stack;

    if (base->error != ERR_OK) {
        return net_socket_take_error(base);
    }
    if ((socket->shut & NET_SHUTDOWN_WRITE_BIT) != 0) {
        return ERR_PIPE;
    }
    if (want_bytes > udp_payload_max(socket)) {
        return ERR_MSGSIZE;
    }
    if (udp_is_congested(stack)) {
        if (!socket->is_blocked) {
            socket->is_blocked = true;
            socket->blocked_next = stack->udp->blocked;
            stack->udp->blocked = socket;
        }
        return ERR_AGAIN;
    }
    if (socket->reserved != NULL && socket->reserved->capacity_bytes < want_bytes) {
        net_buffer_free(stack, socket->reserved);
        socket->reserved = NULL;
    }
    if (socket->reserved == NULL) {
        socket->reserved = net_buffer_allocate(stack, (uint32_t)want_bytes);
    }
    if (socket->reserved == NULL) {
        return ERR_NOBUFS;
    }
    *out = (struct net_span){.data = socket->reserved->data, .length_bytes = want_bytes};
    return ERR_OK;
}

/* The header, with the pseudo-header's sum where ip_transmit or the device wants it. */
static void udp_fill_header(const struct udp_socket *socket, struct net_packet *packet,
                            uint16_t destination_port, uint32_t length)
{
    struct udp_header *header = (struct udp_header *)(packet->header + packet->header_start);
    uint32_t total = (uint32_t)sizeof(*header) + length;
    uint32_t sum = ip_pseudo_sum(&socket->route.source, &socket->route.destination, IP_UDP, total);

    packet->header_length_bytes = sizeof(*header);
    header->source_port = be16_make(socket->base.local.port);
    header->destination_port = be16_make(destination_port);
    header->length = be16_make((uint16_t)total);
    header->checksum = be16_from_sum(checksum_fold(sum));
    packet->checksum_partial = true;
    packet->checksum_start = 0;
    packet->checksum_offset = offsetof(struct udp_header, checksum);
}

static enum err udp_send(struct udp_socket *socket, const struct net_endpoint *destination,
                         size_t length)
{
    struct net_stack *stack = socket->base.stack;
    struct ip_address address = udp_destination(socket, &destination->address);

    if (destination->port == 0) {
        return ERR_INVAL;
    }
    if (!udp_family_fits(socket, &address)) {
        return ERR_AFNOSUPPORT;
    }
    if (udp_is_broadcast(stack, &address) && !socket->broadcast_allowed) {
        return ERR_ACCES;
    }
    enum err error = udp_update_route(socket, &address);
    if (error == ERR_OK) {
        error = udp_bind_if_needed(socket);
    }
    if (error != ERR_OK) {
        return error;
    }

    struct net_packet *packet = ip_packet_for_chain(stack, socket->reserved);
    if (packet == NULL) {
        return ERR_NOBUFS;
    }
    socket->reserved->length_bytes = (uint32_t)length;
    socket->reserved->total_bytes = (uint32_t)length;
    if (length > 0) {
        packet->fragments[0] =
            (struct net_fragment){.data = socket->reserved->data, .length_bytes = (uint32_t)length};
        packet->fragment_count = 1;
    }
    socket->reserved = NULL;
    udp_fill_header(socket, packet, destination->port, (uint32_t)length);
    ip_transmit(stack, &socket->route, packet, IP_UDP, IP_ECN_NOT);
    return ERR_OK;
}

static enum err udp_send_commit(struct net_socket *base, size_t length_bytes,
                                const struct net_endpoint *destination)
{
    struct udp_socket *socket = udp_of(base);

    if (socket->reserved == NULL || length_bytes > socket->reserved->capacity_bytes) {
        return ERR_INVAL;
    }
    if (destination == NULL && base->remote.port == 0) {
        return ERR_DESTADDRREQ;
    }
    return udp_send(socket, destination != NULL ? destination : &base->remote, length_bytes);
}

static enum err udp_receive_peek(struct net_socket *base, size_t offset_bytes,
                                 struct net_const_span *out)
{
    const struct udp_socket *socket = udp_of_const(base);
    const struct udp_datagram *datagram = socket->first;

    *out = (struct net_const_span){0};
    if (datagram == NULL) {
        if (base->error != ERR_OK) {
            return net_socket_take_error(base);
        }
        return (socket->shut & NET_SHUTDOWN_READ_BIT) != 0 ? ERR_OK : ERR_AGAIN;
    }
    if (offset_bytes < datagram->length_bytes) {
        out->data = datagram->data + offset_bytes;
        out->length_bytes = datagram->length_bytes - offset_bytes;
    }
    return ERR_OK;
}

static void udp_receive_consume(struct net_socket *base, size_t length_bytes)
{
    struct udp_socket *socket = udp_of(base);
    (void)length_bytes;
    if (socket->first != NULL) {
        udp_drop_first(socket);
    }
}

static enum err udp_receive_source(struct net_socket *base, struct net_endpoint *out)
{
    const struct udp_socket *socket = udp_of_const(base);
    if (socket->first == NULL) {
        return ERR_AGAIN;
    }
    *out = socket->first->source;
    return ERR_OK;
}

const struct socket_protocol udp_socket_protocol = {
    .open = udp_open,
    .close = udp_close,
    .bind = udp_bind,
    .connect = udp_connect,
    .shutdown = udp_shutdown,
    .set_option = udp_set_option,
    .get_option = udp_get_option,
    .events = udp_events,
    .readable_bytes = udp_readable_bytes,
    .writable_bytes = udp_writable_bytes,
    .send_reserve = udp_send_reserve,
    .send_commit = udp_send_commit,
    .receive_peek = udp_receive_peek,
    .receive_consume = udp_receive_consume,
    .receive_source = udp_receive_source,
};
