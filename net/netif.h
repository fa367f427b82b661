/*
 * The network interface: which addresses are ours, what is on the link, who routes.
 *
 * Inside of net/; the state is part of struct ip_state. Every change of an address or
 * router raises stack->route_generation. Context as net.h says.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/ip.h"
#include "net/timer.h"

#define NETIF_IPV6_ADDRESSES_MAX 8u
#define NETIF_IPV6_ROUTERS_MAX   4u
#define NETIF_IPV6_PREFIXES_MAX  8u
#define NETIF_DNS_SERVERS_MAX    4u

enum netif_address_state {
    NETIF_ADDRESS_FREE,
    NETIF_ADDRESS_TENTATIVE, /* duplicate address detection runs (RFC 4862 §5.4) */
    NETIF_ADDRESS_VALID,
    NETIF_ADDRESS_DUPLICATE, /* someone else has it: kept so as not to try again */
};

struct netif_address {
    struct net_timer timer; /* first: the timer leads back here */
    struct ip_address address;
    uint64_t valid_until_ns;     /* WAIT_FOREVER-like UINT64_MAX: for ever */
    uint64_t preferred_until_ns; /* afterwards used only where nothing else will do */
    enum netif_address_state state;
    uint8_t probes_left;
};

struct netif_router {
    struct ip_address address; /* link-local */
    uint64_t expires_ns;       /* 0: free */
};

struct netif_prefix {
    struct ip_address prefix;
    uint64_t expires_ns; /* 0: free */
    uint8_t length;
};

struct netif {
    bool ipv4_valid;
    uint8_t ipv4_prefix_length;
    uint16_t mtu_bytes;      /* of the link, lowered by DHCP or router advertisements */
    uint16_t ipv6_mtu_bytes; /* router advertisement; at most mtu_bytes */
    uint8_t ipv6_hop_limit;
    uint32_t ipv4; /* host order */
    uint32_t ipv4_mask;
    uint32_t ipv4_gateway; /* 0: none */
    struct ip_address ipv4_address;
    struct netif_address ipv6[NETIF_IPV6_ADDRESSES_MAX]; /* [0] is the link-local one */
    struct netif_router routers[NETIF_IPV6_ROUTERS_MAX];
    struct netif_prefix prefixes[NETIF_IPV6_PREFIXES_MAX];
    struct ip_address dns_servers[NETIF_DNS_SERVERS_MAX];
    uint32_t dns_server_count;
    struct net_timer arp_announce_timer;
    uint8_t arp_announces_left;
    uint64_t arp_defended_ns;
    struct net_timer router_timer; /* router solicitations, then expiry of what they brought */
    uint8_t router_solicits_left;
    struct net_timer mld_timer; /* until the answer to a listener query */
};

void netif_init(struct net_stack *stack);
void netif_destroy(struct net_stack *stack);

/* Sets or, with address 0.0.0.0, removes the IPv4 address, and announces it (RFC 5227 §2.3). */
void netif_set_ipv4(struct net_stack *stack, const uint8_t address[4], uint8_t prefix_length,
                    const uint8_t gateway[4]);
/* Lowers the MTU of the link (never below the IPv4 minimum, never above the device's). */
void netif_set_mtu(struct net_stack *stack, uint32_t mtu_bytes);
/* Forgets the IPv4 servers, which DHCP brings; router advertisements bring the others. */
void netif_clear_dns_servers(struct net_stack *stack);
/* Ignored when known or when there is no room. */
void netif_add_dns_server(struct net_stack *stack, const struct ip_address *address);

static inline uint32_t netif_ipv4_from_bytes(const uint8_t bytes[4])
{
    uint32_t raw;
    __builtin_memcpy(&raw, bytes, sizeof(raw));
    return __builtin_bswap32(raw);
}

/* Whether an IPv6 address is assigned here and has passed duplicate detection. */
bool netif_has_ipv6(const struct netif *netif, const struct ip_address *address);
/* The entry of an address in any state, or NULL. */
struct netif_address *netif_find_ipv6(struct netif *netif, const struct ip_address *address);
/* Whether packets to this multicast group are for us: all-nodes and solicited-node groups. */
bool netif_in_group_ipv6(const struct netif *netif, const struct ip_address *group);
/* The best source for a destination (RFC 6724 §5: scope, preference, prefix), or false. */
bool netif_select_ipv6_source(const struct net_stack *stack, const struct ip_address *destination,
                              struct ip_address *out);
bool netif_ipv6_on_link(const struct net_stack *stack, const struct ip_address *address);
/* The router to use: one known to be reachable where there is one. False: none. */
bool netif_select_router(const struct net_stack *stack, struct ip_address *out);
