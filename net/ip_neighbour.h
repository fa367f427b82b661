/*
 * Who has which link address: the neighbour cache of ARP and NDP (RFC 4861 §5.1, §7.3).
 *
 * Inside of net/; the state is part of struct ip_state. Bounded: a fixed table with
 * eviction, a few waiting packets for each address in resolution. Waiting packets belong to the
 * cache until sent or dropped. Context as net.h says.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/ip.h"
#include "net/timer.h"

#define NEIGHBOURS_MAX         256u
#define NEIGHBOUR_PENDING_MAX  48u  /* a whole fragmented datagram of 64 KiB */
#define NEIGHBOURS_PENDING_MAX 512u /* for all addresses together */
#define NEIGHBOUR_HASH_BUCKETS 256u
#define NEIGHBOUR_NONE         0xffffu

enum neighbour_state {
    NEIGHBOUR_FREE,
    NEIGHBOUR_INCOMPLETE, /* asked; packets wait */
    NEIGHBOUR_REACHABLE,  /* confirmed not long ago */
    NEIGHBOUR_STALE,      /* usable; the next use starts a verification */
    NEIGHBOUR_DELAY,      /* used; time for the transport to confirm */
    NEIGHBOUR_PROBE,      /* asked again by unicast */
};

struct neighbour {
    struct net_timer timer; /* first: the timer leads back here */
    struct ip_address address;
    uint64_t confirmed_ns;
    uint64_t used_ns;
    struct net_packet *pending_first;
    struct net_packet *pending_last;
    uint16_t hash_next;
    uint8_t pending_count;
    uint8_t probes_sent;
    enum neighbour_state state;
    bool is_router;
    uint8_t link[ETHERNET_ADDRESS_BYTES];
};

struct ip_neighbours {
    uint32_t hash_key;
    uint32_t pending_count; /* of all entries together */
    uint32_t reachable_ms;  /* base of the random reachable time; router advertisements set it */
    uint32_t retransmit_ms;
    uint16_t bucket[NEIGHBOUR_HASH_BUCKETS]; /* index of the first entry, or NEIGHBOUR_NONE */
    struct neighbour entries[NEIGHBOURS_MAX];
};

/* What a packet that names a link address proves. */
enum neighbour_news {
    NEIGHBOUR_NEWS_HINT,      /* it exists (a request of its own): stale until verified */
    NEIGHBOUR_NEWS_OVERRIDE,  /* unsolicited claim: replaces what was known, stale */
    NEIGHBOUR_NEWS_CONFIRMED, /* the answer to our question: reachable */
};

void neighbours_init(struct net_stack *stack);
void neighbours_destroy(struct net_stack *stack);

/* The entry of an address, or NULL. */
struct neighbour *neighbour_find(struct ip_neighbours *neighbours,
                                 const struct ip_address *address);

/*
 * Takes in a link address. Unknown addresses get an entry only when `create` is set. Sends what
 * waited for the address.
 */
void neighbour_learn(struct net_stack *stack, const struct ip_address *address,
                     const uint8_t link[ETHERNET_ADDRESS_BYTES], enum neighbour_news news,
                     bool create);

/*
 * Sends an Ethernet-framed packet to the route's next hop, now or when its link address is
 * known. Takes ownership. Fills the route's link fields when the neighbour is reachable.
 */
void neighbour_transmit(struct net_stack *stack, struct ip_route *route, struct net_packet *packet);

/* Drops every entry of the family (the interface's address changed). */
void neighbours_flush(struct net_stack *stack, bool ipv4);
