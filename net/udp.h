/*
 * UDP (RFC 768, RFC 8200 §8.1): datagram sockets behind net/socket.h.
 *
 * Inside of net/; udp_init and udp_destroy are declared in net/stack.h, udp_input and udp_error
 * in net/ip.h. Received datagrams are copied out of the device's buffers, so that a slow
 * reader never starves the ring; each socket's queue is bounded. Context as net.h says.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/ip_state.h"
#include "net/socket_protocol.h"

#define UDP_PORT_BUCKETS          1024u
#define UDP_RECEIVE_BYTES_DEFAULT (256u * 1024u)
#define UDP_BUFFER_BYTES_MIN      2048u
#define UDP_BUFFER_BYTES_MAX      (16u * 1024u * 1024u)
#define UDP_EPHEMERAL_FIRST       49152u /* RFC 6335 §6 */
#define UDP_EPHEMERAL_COUNT       16384u

struct udp_datagram {
    struct udp_datagram *next;
    struct net_endpoint source;
    uint32_t length_bytes;
    uint8_t data[];
};

struct udp_socket {
    struct net_socket base; /* first */
    struct udp_socket *bucket_next;
    struct udp_socket *blocked_next; /* in udp_state.blocked while is_blocked */
    struct udp_datagram *first;
    struct udp_datagram *last;
    uint32_t queued_bytes; /* with the overhead of each datagram */
    uint32_t receive_limit_bytes;
    uint32_t send_limit_bytes;
    struct net_buffer *reserved; /* given out by send_reserve, not committed yet */
    struct ip_route route;       /* to the last destination */
    bool route_valid;
    bool is_blocked;
    bool broadcast_allowed;
    uint8_t shut; /* enum net_shutdown bits */
};

struct udp_state {
    struct udp_socket *buckets[UDP_PORT_BUCKETS];
    struct udp_socket *blocked; /* tried to send while the link was congested */
};

/* Whether the way out is so full that a datagram would only be dropped. */
static inline bool udp_is_congested(const struct net_stack *stack)
{
    return stack->ip->backlog.count > IP_BACKLOG_PACKETS_MAX / 2 ||
           stack->ip->loopback_count > LOOPBACK_PACKETS_MAX / 2;
}

/* Wakes blocked senders once the way is clear; ip_poll calls it. */
void udp_unblock(struct net_stack *stack);

/* ---- udp.c's services for udp_socket.c ---------------------------------------------------------
 */

void udp_table_insert(struct udp_socket *socket);
void udp_table_remove(struct udp_socket *socket);
/* Whether another socket's binding forbids this one. */
bool udp_table_conflicts(const struct udp_socket *socket, const struct ip_address *address,
                         uint16_t port);
