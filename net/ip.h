/*
 * The internet layer's contract with the transports above it (tcp, udp, icmp).
 *
 * Addresses of both families are 16 bytes; an IPv4 address is stored as
 * ::ffff:a.b.c.d (RFC 4291 §2.5.5.2), so one comparison serves both. Everything a
 * transport receives has passed the IP header's checks; the payload has not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/net.h"

struct ip_address {
    uint64_t word[2]; /* network byte order, as in memory */
};

enum ip_protocol { IP_ICMP = 1, IP_TCP = 6, IP_UDP = 17, IP_ICMPV6 = 58 };
enum ip_ecn { IP_ECN_NOT = 0, IP_ECN_ECT1 = 1, IP_ECN_ECT0 = 2, IP_ECN_CE = 3 };

/* What the IP header said about a received packet. */
struct ip_received {
    struct ip_address source;
    struct ip_address destination;
    uint32_t payload_offset; /* from the first byte of the chain's first part */
    uint32_t payload_bytes;  /* transport header and data; may span parts */
    uint32_t header_offset;  /* of the IP header, from the same byte */
    uint8_t protocol;
    uint8_t ecn;
    uint8_t hop_limit;
    bool is_ipv4;
    bool is_multicast;   /* broadcast or multicast destination */
    bool checksum_valid; /* the transport checksum needs no verification */
};

/*
 * A path to one destination, held by a connection or made on the stack. Filled by
 * ip_route; stays valid while route.generation matches the stack's; ip_transmit
 * re-resolves when it does not.
 */
struct ip_route {
    struct ip_address source;
    struct ip_address destination;
    struct ip_address next_hop;
    uint32_t generation;
    uint16_t mtu_bytes; /* of the path: device MTU lowered by path MTU discovery */
    bool is_loopback;
    bool is_ipv4;
    bool link_valid;    /* link_destination below is known */
    uint8_t hop_limit;  /* of sent packets; 0: the default, 64 */
    uint16_t neighbour; /* ip_neighbour.c's */
    uint8_t link_destination[ETHERNET_ADDRESS_BYTES];
    uint32_t confirmed_s; /* the transport's: when it last called ip_route_confirm */
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the constants below are swapped");

static inline bool ip_address_is_ipv4(const struct ip_address *address)
{
    return address->word[0] == 0 && (uint32_t)address->word[1] == 0xffff0000u;
}

static inline bool ip_address_is_equal(const struct ip_address *left,
                                       const struct ip_address *right)
{
    return left->word[0] == right->word[0] && left->word[1] == right->word[1];
}

/* "Any": :: or 0.0.0.0 in the mapped form. */
static inline bool ip_address_is_any(const struct ip_address *address)
{
    return address->word[0] == 0 && (address->word[1] == 0 || address->word[1] == 0xffff0000u);
}

static inline const uint8_t *ip_address_bytes(const struct ip_address *address)
{
    return (const uint8_t *)address;
}

/* The four bytes of an IPv4 address, at the end of the mapped form. */
static inline const uint8_t *ip_address_ipv4_bytes(const struct ip_address *address)
{
    return (const uint8_t *)address + 12;
}

static inline struct ip_address ip_address_from_ipv4(const uint8_t bytes[4])
{
    uint32_t raw;
    __builtin_memcpy(&raw, bytes, sizeof(raw));
    return (struct ip_address){{0, (uint64_t)raw << 32 | 0xffff0000u}};
}

static inline struct ip_address ip_address_from_ipv6(const uint8_t bytes[16])
{
    struct ip_address address;
    __builtin_memcpy(&address, bytes, sizeof(address));
    return address;
}

/* IPv4 multicast or 255.255.255.255, or IPv6 multicast. */
static inline bool ip_address_is_group(const struct ip_address *address)
{
    if (ip_address_is_ipv4(address)) {
        return (ip_address_ipv4_bytes(address)[0] & 0xf0) == 0xe0 ||
               address->word[1] == 0xffffffffffff0000u;
    }
    return ip_address_bytes(address)[0] == 0xff;
}

/* 127/8 or ::1. */
static inline bool ip_address_is_loopback(const struct ip_address *address)
{
    if (ip_address_is_ipv4(address)) {
        return ip_address_ipv4_bytes(address)[0] == 127;
    }
    return address->word[0] == 0 && address->word[1] == 1ull << 56;
}

/*
 * Finds the way to `destination`; `source` may be all zero (chosen here) or must be
 * an address of ours. ERR_NETUNREACH, ERR_ADDRNOTAVAIL, ERR_NETDOWN (no address yet).
 */
enum err ip_route(struct net_stack *stack, const struct ip_address *source,
                  const struct ip_address *destination, struct ip_route *out) WARN_UNUSED;

/*
 * Sends a packet whose transport header stands in packet->header at
 * header_start (put it at IP_TRANSPORT_START) and whose payload is the rest of the
 * header plus the fragments. Adds the IP and Ethernet headers in front. With
 * checksum_partial set by the transport (and the pseudo-header sum stored in the
 * checksum field; checksum_start/offset relative to the transport header, adjusted
 * here), it finishes the checksum in software when the device cannot. Takes
 * ownership: `done` runs in every case. Packets wait, within limits, for address
 * resolution; ERR_HOSTUNREACH reaches the transport through ip error reports.
 */
#define IP_TRANSPORT_START 96u /* driver headroom 16 + Ethernet 14 + IPv6 40, rounded up */
void ip_transmit(struct net_stack *stack, struct ip_route *route, struct net_packet *packet,
                 enum ip_protocol protocol, enum ip_ecn ecn);
/* The same for one who knows how long transport header and payload are together. */
void ip_transmit_sized(struct net_stack *stack, struct ip_route *route, struct net_packet *packet,
                       enum ip_protocol protocol, enum ip_ecn ecn, uint32_t payload_bytes);

/*
 * Records a path MTU that an ICMP message claimed, once the transport has matched the
 * message (IP_REPORT_TOO_BIG) to a packet really in flight (RFC 8201 §4): tcp_error and
 * udp_error call it. Routes to the destination see the lower route.mtu_bytes when they
 * are next used or refreshed. Values below the protocol's minimum are raised to it.
 */
void ip_path_mtu_update(struct net_stack *stack, const struct ip_address *destination,
                        uint16_t mtu_bytes);

/* Brings a held route up to date (new MTU, next hop); as ip_route of its addresses. */
enum err ip_route_refresh(struct net_stack *stack, struct ip_route *route) WARN_UNUSED;
/* Whether the path takes less than the link does, for now. */
bool ip_route_is_narrow(const struct net_stack *stack, const struct ip_route *route);

/* Tells neighbour discovery that the peer of this route answers (RFC 4861 §7.3.1). Cheap. */
void ip_route_confirm(struct net_stack *stack, struct ip_route *route);

/* Whether packets to this unicast address end here (loopback addresses included). */
bool ip_address_is_local(const struct net_stack *stack, const struct ip_address *address);

/*
 * enum netdev_feature bits a transport may use on this route: loopback offers them all
 * (its packets reach the other side whole), a device what it has.
 */
uint32_t ip_route_features(const struct net_stack *stack, const struct ip_route *route);

/* Error reports about packets of ours, already matched to the quoted header. */
enum ip_report {
    IP_REPORT_UNREACHABLE,
    IP_REPORT_REFUSED,
    IP_REPORT_TOO_BIG,
    IP_REPORT_NO_NEIGHBOUR
};

struct ip_error {
    enum ip_report report;
    struct ip_address source; /* of the quoted packet: ours */
    struct ip_address destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint32_t sequence;  /* TCP: of the quoted segment */
    uint16_t mtu_bytes; /* IP_REPORT_TOO_BIG */
};

/*
 * Answers a packet to a port or protocol where nobody listens (ICMP port or protocol
 * unreachable), when the rules and the rate limit allow it. Takes ownership of the chain.
 */
void ip_refuse(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip);

/*
 * Entry points of the transports, called by ip input. Each takes ownership of the
 * chain (frees it with net_buffer_free, or keeps it).
 */
void tcp_input(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip);
void udp_input(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip);
void tcp_error(struct net_stack *stack, const struct ip_error *error);
void udp_error(struct net_stack *stack, const struct ip_error *error);

/*
 * Checksum sums are those of net/checksum.h: memory order, not complemented.
 * Internet checksum over a part of a chain, folded, with `sum` as the start value: with
 * the pseudo-header sum, a correct packet gives 0xffff.
 */
uint16_t ip_checksum_chain(const struct net_buffer *chain, uint32_t offset, uint32_t length,
                           uint32_t sum);
/* Unfolded pseudo-header sum (RFC 9293 §3.1, RFC 8200 §8.1). */
uint32_t ip_pseudo_sum(const struct ip_address *source, const struct ip_address *destination,
                       enum ip_protocol protocol, uint32_t length);
/*
 * One part of capacity_bytes in the stack's own memory (net_allocate), of length 0; or
 * NULL. net_buffer_free takes chains of these as well as those of the device, but a chain
 * is all of one kind.
 */
struct net_buffer *net_buffer_allocate(struct net_stack *stack,
                                       uint32_t capacity_bytes) WARN_UNUSED;
void net_buffer_free(struct net_stack *stack, struct net_buffer *chain);
