#include "net/udp.h"

#include "kernel/base/string.h"
#include "net/checksum.h"
#include "net/dhcp.h"

#define DHCP_CLIENT_PORT 68u

enum err udp_init(struct net_stack *stack)
{
    stack->udp = net_allocate(stack, sizeof(*stack->udp));
    return stack->udp != NULL ? ERR_OK : ERR_NOMEM;
}

void udp_destroy(struct net_stack *stack)
{
    if (stack->udp == NULL) {
        return;
    }
    for (uint32_t i = 0; i < UDP_PORT_BUCKETS; i++) {
        while (stack->udp->buckets[i] != NULL) {
            udp_socket_protocol.close(&stack->udp->buckets[i]->base);
        }
    }
    net_release(stack, stack->udp, sizeof(*stack->udp));
    stack->udp = NULL;
}

static struct udp_socket **bucket_of(struct net_stack *stack, uint16_t port)
{
    return &stack->udp->buckets[port % UDP_PORT_BUCKETS];
}

void udp_table_insert(struct udp_socket *socket)
{
    struct udp_socket **bucket = bucket_of(socket->base.stack, socket->base.local.port);
    socket->bucket_next = *bucket;
    *bucket = socket;
}

void udp_table_remove(struct udp_socket *socket)
{
    struct udp_socket **link = bucket_of(socket->base.stack, socket->base.local.port);
    while (*link != NULL && *link != socket) {
        link = &(*link)->bucket_next;
    }
    if (*link == socket) {
        *link = socket->bucket_next;
    }
}

/* Whether a socket bound to `any` serves a family at all. */
static bool serves_family(const struct udp_socket *socket, bool ipv4)
{
    if (socket->base.family == NET_FAMILY_IPV4) {
        return ipv4;
    }
    return !ipv4 || !socket->base.ipv6_only;
}

bool udp_table_conflicts(const struct udp_socket *socket, const struct ip_address *address,
                         uint16_t port)
{
    for (const struct udp_socket *other = *bucket_of(socket->base.stack, port); other != NULL;
         other = other->bucket_next) {
        if (other == socket || other->base.local.port != port) {
            continue;
        }
        if (other->base.reuse_address && socket->base.reuse_address) {
            continue;
        }
        const struct ip_address *theirs = &other->base.local.address;
        bool ours_any = ip_address_is_any(address);
        bool theirs_any = ip_address_is_any(theirs);
        if (ours_any && theirs_any) {
            if ((serves_family(socket, true) && serves_family(other, true)) ||
                (serves_family(socket, false) && serves_family(other, false))) {
                return true;
            }
        } else if (ours_any) {
            if (serves_family(socket, ip_address_is_ipv4(theirs))) {
                return true;
            }
        } else if (theirs_any) {
            if (serves_family(other, ip_address_is_ipv4(address))) {
                return true;
            }
        } else if (ip_address_is_equal(address, theirs)) {
            return true;
        }
    }
    return false;
}

void udp_unblock(struct net_stack *stack)
{
    while (stack->udp->blocked != NULL && !udp_is_congested(stack)) {
        struct udp_socket *socket = stack->udp->blocked;
        stack->udp->blocked = socket->blocked_next;
        socket->is_blocked = false;
        net_socket_wake(&socket->base);
    }
}

/* How well a socket matches: 0 not at all; the more of the four-tuple it names the better. */
static uint32_t match_rank(const struct udp_socket *socket, const struct ip_address *local,
                           uint16_t local_port, const struct ip_address *remote,
                           uint16_t remote_port)
{
    const struct net_socket *base = &socket->base;
    uint32_t rank = 1;

    if (base->local.port != local_port) {
        return 0;
    }
    if (!ip_address_is_any(&base->local.address)) {
        if (!ip_address_is_equal(&base->local.address, local)) {
            return 0;
        }
        rank += 1;
    } else if (!serves_family(socket, ip_address_is_ipv4(local))) {
        return 0;
    }
    if (base->remote.port != 0) {
        if (base->remote.port != remote_port ||
            !ip_address_is_equal(&base->remote.address, remote)) {
            return 0;
        }
        rank += 2;
    }
    return rank;
}

static struct udp_socket *udp_find(struct net_stack *stack, const struct ip_address *local,
                                   uint16_t local_port, const struct ip_address *remote,
                                   uint16_t remote_port)
{
    struct udp_socket *best = NULL;
    uint32_t best_rank = 0;

    for (struct udp_socket *socket = *bucket_of(stack, local_port); socket != NULL;
         socket = socket->bucket_next) {
        uint32_t rank = match_rank(socket, local, local_port, remote, remote_port);
        if (rank > best_rank) {
            best = socket;
            best_rank = rank;
        }
    }
    return best;
}

static void udp_enqueue(struct net_stack *stack, struct udp_socket *socket,
                        const struct net_buffer *chain, uint32_t offset, uint32_t length,
                        const struct net_endpoint *source)
{
    uint32_t cost = (uint32_t)sizeof(struct udp_datagram) + length;
    struct udp_datagram *datagram = NULL;

    if ((socket->shut & NET_SHUTDOWN_READ_BIT) == 0 &&
        socket->queued_bytes + cost <= socket->receive_limit_bytes &&
        net_pressure(stack) != NET_PRESSURE_EXHAUSTED) {
        datagram = net_allocate(stack, cost);
    }
    if (datagram == NULL) {
        IP_COUNT(stack, dropped_udp);
        return;
    }
    datagram->source = *source;
    datagram->length_bytes = ip_chain_copy(chain, offset, datagram->data, length);
    if (socket->last == NULL) {
        socket->first = datagram;
    } else {
        socket->last->next = datagram;
    }
    socket->last = datagram;
    socket->queued_bytes += cost;
    net_socket_wake(&socket->base);
}

/* The datagram's length when the header is right, else 0. */
static uint32_t udp_check(const struct net_buffer *chain, const struct ip_received *ip)
{
    if (ip->payload_bytes < sizeof(struct udp_header) ||
        !ip_chain_has(chain, ip->payload_offset, sizeof(struct udp_header))) {
        return 0;
    }
    const struct udp_header *header = (const struct udp_header *)(chain->data + ip->payload_offset);
    uint32_t length = be16_get(header->length);
    if (length < sizeof(*header) || length > ip->payload_bytes) {
        return 0;
    }
    if (be16_get(header->checksum) == 0) {
        return ip->is_ipv4 ? length : 0; /* RFC 8200 §8.1: not optional there. */
    }
    if (ip->checksum_valid) {
        return length;
    }
    uint32_t sum = ip_pseudo_sum(&ip->source, &ip->destination, IP_UDP, length);
    return ip_checksum_chain(chain, ip->payload_offset, length, sum) == 0xffff ? length : 0;
}

void udp_input(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip)
{
    uint32_t length = udp_check(chain, ip);
    if (length == 0) {
        IP_COUNT(stack, dropped_udp);
        net_buffer_free(stack, chain);
        return;
    }
    const struct udp_header *header = (const struct udp_header *)(chain->data + ip->payload_offset);
    struct net_endpoint source = {.address = ip->source, .port = be16_get(header->source_port)};
    uint16_t port = be16_get(header->destination_port);

    if (ip->is_ipv4 && port == DHCP_CLIENT_PORT && stack->dhcp != NULL) {
        dhcp_input(stack, chain, ip);
        net_buffer_free(stack, chain);
        return;
    }
    struct udp_socket *socket =
        udp_find(stack, &ip->destination, port, &source.address, source.port);
    if (socket == NULL) {
        IP_COUNT(stack, dropped_udp);
        ip_refuse(stack, chain, ip);
        return;
    }
    udp_enqueue(stack, socket, chain, ip->payload_offset + (uint32_t)sizeof(*header),
                length - (uint32_t)sizeof(*header), &source);
    net_buffer_free(stack, chain);
}

/* RFC 1122 §4.1.3.3: errors go to the socket whose datagram caused them. */
void udp_error(struct net_stack *stack, const struct ip_error *error)
{
    struct udp_socket *socket = udp_find(stack, &error->source, error->source_port,
                                         &error->destination, error->destination_port);
    if (socket == NULL) {
        return;
    }
    if (error->report == IP_REPORT_TOO_BIG) {
        ip_path_mtu_update(stack, &error->destination, error->mtu_bytes);
        return;
    }
    /* An unconnected socket could not tell which of its peers it was. */
    if (socket->base.remote.port == 0) {
        return;
    }
    socket->base.error = error->report == IP_REPORT_REFUSED ? ERR_CONNREFUSED : ERR_HOSTUNREACH;
    net_socket_wake(&socket->base);
}
