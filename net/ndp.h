/*
 * Neighbour discovery (RFC 4861), stateless address configuration (RFC 4862) and the DNS
 * servers of router advertisements (RFC 8106).
 *
 * Inside of net/; neighbours are in net/ip_neighbour.h, addresses in net/netif.h.
 */
#pragma once

#include "net/ip_state.h"

/* Starts duplicate detection of the link-local address and, after it, router solicitation. */
void ndp_start(struct net_stack *stack);
/*
 * An ICMPv6 message of types 133 to 136 with a correct checksum; all of it is contiguous from
 * ip->payload_offset. The caller keeps the chain.
 */
void ndp_input(struct net_stack *stack, const struct net_buffer *chain,
               const struct ip_received *ip);
/* Asks for an address: by solicited-node multicast, or by unicast when link is not NULL. */
void ndp_solicit(struct net_stack *stack, const struct ip_address *target,
                 const uint8_t link[ETHERNET_ADDRESS_BYTES]);

/* ndp_router.c: the router's part of ndp_input. */
void ndp_router_input(struct net_stack *stack, const uint8_t *message, uint32_t length,
                      const struct ip_received *ip);
/* Assigns an address and starts duplicate detection. */
void ndp_add_address(struct net_stack *stack, const struct ip_address *address,
                     uint64_t valid_until_ns, uint64_t preferred_until_ns);
void ndp_interface_identifier(const struct net_stack *stack, uint8_t out[8]);
