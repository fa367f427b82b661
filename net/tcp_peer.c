/*
 * What each remote address holds of the stack's memory, and what it may still take
 * (docs/decisions/0029).
 */
#include "net/tcp.h"

/* Charged for a connection, whatever it queues: uses below a page are not followed. */
#define CONNECTION_BYTES (sizeof(struct tcp_socket) + TCP_PEER_PAGE_BYTES)

/* An IPv6 host owns its /64 (RFC 6177); what lies in there is one peer. */
static struct ip_address peer_address(const struct ip_address *remote)
{
    struct ip_address address = *remote;

    if (!ip_address_is_ipv4(remote)) {
        address.word[1] = 0;
    }
    return address;
}

static uint32_t peer_hash(const struct tcp_state *tcp, const struct ip_address *address)
{
    return hash_tuple(tcp->tuple_key, address->word, address->word, 0);
}

struct tcp_peer *tcp_peer_find(const struct net_stack *stack, const struct ip_address *remote)
{
    const struct tcp_state *tcp = stack->tcp;
    struct ip_address address = peer_address(remote);
    uint32_t hash = peer_hash(tcp, &address);
    struct net_hash_node *node = net_hash_match(*net_hash_bucket(&tcp->peers, hash), hash);

    while (node != NULL && !ip_address_is_equal(&((struct tcp_peer *)node)->address, &address)) {
        node = net_hash_match(node->next, hash);
    }
    return (struct tcp_peer *)node;
}

bool tcp_peer_join(struct tcp_socket *sock, const struct ip_address *remote)
{
    struct net_stack *stack = tcp_stack(sock);
    struct tcp_peer *peer = tcp_peer_find(stack, remote);

    if (peer == NULL) {
        peer = net_allocate(stack, sizeof(*peer));
        if (peer == NULL) {
            return false;
        }
        peer->address = peer_address(remote);
        net_hash_insert(stack, &stack->tcp->peers, &peer->node,
                        peer_hash(stack->tcp, &peer->address));
    }
    peer->connection_count++;
    peer->charged_bytes += CONNECTION_BYTES;
    sock->peer = peer;
    return true;
}

void tcp_peer_leave(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);
    struct tcp_peer *peer = sock->peer;

    if (peer == NULL) {
        return;
    }
    peer->charged_bytes -= CONNECTION_BYTES + (size_t)sock->charged_pages * TCP_PEER_PAGE_BYTES;
    sock->charged_pages = 0;
    sock->peer = NULL;
    peer->connection_count--;
    if (peer->connection_count == 0) {
        net_hash_remove(&stack->tcp->peers, &peer->node);
        net_release(stack, peer, sizeof(*peer));
    }
}

void tcp_peer_charge(struct tcp_socket *sock)
{
    uint32_t bytes = sock->receive_queued_bytes;

    bytes += sock->block_first != NULL ? tcp_send_queued(sock) : 0;
    for (const struct tcp_range *range = sock->ranges; range != NULL; range = range->next) {
        bytes += range->end - range->start;
    }
    if (sock->peer != NULL) {
        uint32_t pages = bytes / TCP_PEER_PAGE_BYTES;
        sock->peer->charged_bytes += (size_t)pages * TCP_PEER_PAGE_BYTES;
        sock->peer->charged_bytes -= (size_t)sock->charged_pages * TCP_PEER_PAGE_BYTES;
        sock->charged_pages = pages;
    }
}

enum tcp_share tcp_peer_share(const struct net_stack *stack, const struct tcp_peer *peer)
{
    size_t limit = stack->config.memory_limit_bytes;
    size_t used = stack->memory_used_bytes;

    switch (net_pressure(stack)) {
    case NET_PRESSURE_RELAXED:
        return TCP_SHARE_FREE;
    case NET_PRESSURE_SCARCE:
        return peer->charged_bytes < 2 * (limit - limit / 8 - used) ? TCP_SHARE_FREE
                                                                    : TCP_SHARE_FLOOR;
    case NET_PRESSURE_EXHAUSTED:
        break;
    }
    if (used < limit && peer->charged_bytes < limit - used) {
        return TCP_SHARE_FLOOR;
    }
    return used < limit - limit / 16 ? TCP_SHARE_CRAWL : TCP_SHARE_NONE;
}

bool tcp_peer_may_connect(const struct net_stack *stack, const struct tcp_peer *peer)
{
    size_t limit = stack->config.memory_limit_bytes;
    size_t used = stack->memory_used_bytes;
    size_t held = peer != NULL ? peer->charged_bytes : 0;

    return net_pressure(stack) == NET_PRESSURE_RELAXED ||
           (used < limit && held < (limit - used) / 2);
}
