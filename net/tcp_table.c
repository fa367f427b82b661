#include "net/tcp.h"

/* RFC 6335 §6 suggests 49152 and up; the larger range that Linux uses makes clashes rarer. */
#define PORT_FIRST 32768u
#define PORT_COUNT 28232u
#define PORT_TRIES 256u

struct tcp_entry *tcp_find(const struct net_stack *stack, const struct ip_address *local,
                           uint16_t local_port, const struct ip_address *remote,
                           uint16_t remote_port)
{
    return tcp_find_here(stack, local, local_port, remote, remote_port);
}

void tcp_entry_insert(struct net_stack *stack, struct tcp_entry *entry)
{
    net_hash_insert(stack, &stack->tcp->table, &entry->node,
                    tcp_tuple_hash(stack->tcp, &entry->local, entry->local_port, &entry->remote,
                                   entry->remote_port));
}

void tcp_entry_remove(struct net_stack *stack, struct tcp_entry *entry)
{
    net_hash_remove(&stack->tcp->table, &entry->node);
}

static uint32_t port_hash(const struct tcp_state *tcp, uint16_t port)
{
    return (uint32_t)hash_mix(port ^ tcp->tuple_key[0], tcp->tuple_key[1]);
}

static struct tcp_socket *bound_socket(struct net_hash_node *node)
{
    return (struct tcp_socket *)((char *)node - offsetof(struct tcp_socket, bound));
}

static struct net_hash_node *first_bound(const struct tcp_state *tcp, uint32_t hash)
{
    return net_hash_match(*net_hash_bucket(&tcp->ports, hash), hash);
}

/* Whether a socket bound like this receives what comes to `address`. */
static bool serves(const struct tcp_socket *sock, const struct ip_address *address)
{
    const struct net_socket *base = &sock->base;

    if (ip_address_is_any(&base->local.address)) {
        bool is_ipv4 = ip_address_is_ipv4(address);
        return base->family == NET_FAMILY_IPV4 ? is_ipv4 : !is_ipv4 || !base->ipv6_only;
    }
    return ip_address_is_equal(&base->local.address, address);
}

struct tcp_socket *tcp_find_listener(const struct net_stack *stack, const struct ip_address *local,
                                     uint16_t port)
{
    uint32_t hash = port_hash(stack->tcp, port);
    struct net_hash_node *node = first_bound(stack->tcp, hash);
    struct tcp_socket *found = NULL;

    for (; node != NULL; node = net_hash_match(node->next, hash)) {
        struct tcp_socket *sock = bound_socket(node);
        if (sock->status != TCP_LISTEN || sock->base.local.port != port || !serves(sock, local)) {
            continue;
        }
        if (!ip_address_is_any(&sock->base.local.address)) {
            return sock;
        }
        /* A wildcard of the packet's own family goes before a dual-stack one. */
        if (found == NULL || sock->base.family == NET_FAMILY_IPV4) {
            found = sock;
        }
    }
    return found;
}

/* Whether some address would reach both sockets. */
static bool overlaps(const struct tcp_socket *left, const struct net_endpoint *local,
                     const struct tcp_socket *right)
{
    bool left_any = ip_address_is_any(&local->address);
    bool right_any = ip_address_is_any(&right->base.local.address);

    if (left_any && right_any) {
        return left->base.family == right->base.family ||
               !(left->base.family == NET_FAMILY_IPV6 ? left : right)->base.ipv6_only;
    }
    if (left_any) {
        bool is_ipv4 = ip_address_is_ipv4(&right->base.local.address);
        return left->base.family == NET_FAMILY_IPV4 ? is_ipv4 : !is_ipv4 || !left->base.ipv6_only;
    }
    return serves(right, &local->address);
}

static bool port_taken(const struct tcp_socket *sock, const struct net_endpoint *local)
{
    const struct tcp_state *tcp = tcp_stack(sock)->tcp;
    uint32_t hash = port_hash(tcp, local->port);
    struct net_hash_node *node = first_bound(tcp, hash);

    for (; node != NULL; node = net_hash_match(node->next, hash)) {
        const struct tcp_socket *other = bound_socket(node);
        if (other == sock || other->base.local.port != local->port ||
            !overlaps(sock, local, other)) {
            continue;
        }
        /* Two sockets that asked for it may share a port as long as neither listens. */
        if (!sock->base.reuse_address || !other->base.reuse_address ||
            other->status == TCP_LISTEN) {
            return true;
        }
    }
    return false;
}

enum err tcp_bind(struct tcp_socket *sock, const struct net_endpoint *local)
{
    struct net_stack *stack = tcp_stack(sock);
    struct net_endpoint wanted = *local;

    if (wanted.port == 0) {
        uint32_t start = net_random32(stack);
        unsigned i = 0;
        do {
            if (i++ == PORT_TRIES) {
                return ERR_ADDRINUSE;
            }
            wanted.port = (uint16_t)(PORT_FIRST + (start + i) % PORT_COUNT);
        } while (port_taken(sock, &wanted));
    } else if (port_taken(sock, &wanted)) {
        return ERR_ADDRINUSE;
    }
    sock->base.local = wanted;
    sock->base.bound_explicitly = true;
    net_hash_insert(stack, &stack->tcp->ports, &sock->bound, port_hash(stack->tcp, wanted.port));
    return ERR_OK;
}

void tcp_unbind(struct tcp_socket *sock)
{
    if (sock->base.bound_explicitly) {
        net_hash_remove(&tcp_stack(sock)->tcp->ports, &sock->bound);
        sock->base.bound_explicitly = false;
    }
}

uint16_t tcp_choose_port(struct net_stack *stack, const struct ip_address *local,
                         const struct ip_address *remote, uint16_t remote_port)
{
    uint32_t start = net_random32(stack);

    for (unsigned i = 0; i < PORT_TRIES; i++) {
        uint16_t port = (uint16_t)(PORT_FIRST + (start + i) % PORT_COUNT);
        if (first_bound(stack->tcp, port_hash(stack->tcp, port)) == NULL &&
            tcp_find(stack, local, port, remote, remote_port) == NULL) {
            return port;
        }
    }
    return 0;
}

static uint64_t entry_secret(const struct net_stack *stack, const struct tcp_entry *entry)
{
    uint64_t words[5] = {entry->local.word[0], entry->local.word[1], entry->remote.word[0],
                         entry->remote.word[1],
                         (uint64_t)entry->local_port << 16 | entry->remote_port};

    return hash_sip(stack->tcp->secret_key, words, 5);
}

uint32_t tcp_initial_sequence(const struct net_stack *stack, const struct tcp_entry *entry)
{
    /* The 4 µs clock of RFC 9293 §3.4.1. */
    return (uint32_t)entry_secret(stack, entry) + (uint32_t)(stack->now_ns >> 12);
}

uint32_t tcp_timestamp_offset(const struct net_stack *stack, const struct tcp_entry *entry)
{
    return (uint32_t)(entry_secret(stack, entry) >> 32);
}
