/*
 * The internet layer's own state, for its files only: interface, neighbours, path MTUs,
 * reassembly, loopback queue, counters. One instance a stack, allocated by ip_init and owned
 * by it; every function below takes the stack. Context as net.h says.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/ip.h"
#include "net/ip_neighbour.h"
#include "net/ip_reassembly.h"
#include "net/ip_statistics.h"
#include "net/netif.h"
#include "net/stack.h"
#include "net/wire.h"

#define IP_DEFAULT_HOP_LIMIT    64u
#define IP_BACKLOG_PACKETS_MAX  256u
#define LOOPBACK_PACKETS_MAX    1024u
#define LOOPBACK_MTU_BYTES      65535u
#define IP_PATH_MTU_ENTRIES     64u
#define IP_PATH_MTU_LIFETIME_NS (600ull * 1000000000) /* RFC 8201 §4: at least 10 minutes */
#define IPV4_MTU_MINIMUM_BYTES  552u /* RFC 1191 §3's 68 is of no use to anyone but attackers */
#define IPV6_MTU_MINIMUM_BYTES  1280u
#define ICMP_ERRORS_BURST       50u
#define ICMP_ERRORS_PER_SECOND  100u

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

/* A path whose MTU is below its interface's (RFC 1191, RFC 8201). */
struct ip_path {
    struct ip_address destination;
    uint64_t expires_ns; /* 0: free */
    uint16_t mtu_bytes;
};

/* A token bucket: `tokens` in billionths, so that time in ns refills without rounding. */
struct ip_rate_limit {
    uint64_t updated_ns;
    uint64_t tokens_nano;
};

/* Packets linked by ->next, first in first out. */
struct ip_packet_queue {
    struct net_packet *first;
    struct net_packet *last;
    uint32_t count;
};

struct ip_state {
    struct netif netif;
    struct ip_neighbours neighbours;
    struct ip_reassembly reassembly;
    struct ip_path paths[IP_PATH_MTU_ENTRIES];
    uint32_t path_count;            /* entries ever used; none is looked at while 0 */
    struct ip_packet_queue backlog; /* found the device's ring full */
    struct net_buffer *loopback_first;
    struct net_buffer *loopback_last;
    uint32_t loopback_count;
    struct ip_rate_limit icmp_limit;
    struct ip_statistics statistics;
};

/* Counts an event that drops a packet. */
#define IP_COUNT(stack, field) ((stack)->ip->statistics.field++)

/* ff02::1:ffXX:XXXX of an IPv6 address (RFC 4291 §2.7.1). */
static inline struct ip_address ip_solicited_node(const struct ip_address *target)
{
    struct ip_address group = {{0x02ffull, 0xff01000000ull}};
    group.word[1] |= target->word[1] & 0xffffff0000000000ull;
    return group;
}

/* How a frame or datagram came in. */
enum ip_arrival { IP_ARRIVAL_UNICAST, IP_ARRIVAL_GROUP, IP_ARRIVAL_LOOPBACK };

/* ---- ip_queue.c: small shared tools ------------------------------------------------------------
 */

void ip_queue_push(struct ip_packet_queue *queue, struct net_packet *packet);
struct net_packet *ip_queue_pop(struct ip_packet_queue *queue);
/* Runs `done` of everything queued. */
void ip_queue_drop(struct ip_packet_queue *queue);
/* Takes one token when there is one. */
bool ip_rate_allow(struct ip_rate_limit *limit, uint64_t now_ns, uint32_t per_second,
                   uint32_t burst);
/* Whether the part of the chain's first buffer at `offset` holds `length` contiguous bytes. */
static inline bool ip_chain_has(const struct net_buffer *chain, uint32_t offset, uint32_t length)
{
    return offset <= chain->length_bytes && length <= chain->length_bytes - offset;
}

/* ---- ip_buffer.c ---------------------------------------------------------------------------- */

/* A packet that frees `chain` when it is done; NULL (chain untouched) when memory is short. */
struct net_packet *ip_packet_for_chain(struct net_stack *stack,
                                       struct net_buffer *chain) WARN_UNUSED;
/*
 * A packet that owns a copy of bytes [offset, offset + length) of the chain as its payload, for
 * answers that may wait long: they must not pin the device's receive buffers. NULL: the chain
 * ends before, or memory is short.
 */
struct net_packet *ip_packet_copy_chain(struct net_stack *stack, const struct net_buffer *chain,
                                        uint32_t offset, uint32_t length) WARN_UNUSED;
/* Copies; returns how many bytes there were. */
uint32_t ip_chain_copy(const struct net_buffer *chain, uint32_t offset, void *out, uint32_t length);
uint32_t ip_packet_payload_bytes(const struct net_packet *packet);

/* ---- ip_input.c ----------------------------------------------------------------------------- */

/* Hands a datagram to its transport; takes ownership. */
void ip_deliver(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip);

/* ---- ip_output.c, ip_fragment.c ------------------------------------------------------------- */

/* Finishes a partial checksum in the packet itself. */
void ip_checksum_packet(struct net_packet *packet);
/* Sends a datagram larger than the route's MTU in pieces; takes ownership. */
void ip_fragment_transmit(struct net_stack *stack, struct ip_route *route,
                          struct net_packet *packet, uint8_t protocol, uint8_t ecn);
/* A packet with IP header in place: resolves the link address and sends. */
void ip_transmit_routed(struct net_stack *stack, struct ip_route *route, struct net_packet *packet);
