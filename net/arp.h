/*
 * ARP (RFC 826) with address conflict detection (RFC 5227 §2.4).
 *
 * Inside of net/; the cache itself is net/ip_neighbour.h. Context as net.h says.
 */
#pragma once

#include "net/stack.h"

/* A frame whose Ethernet header has been checked. Takes ownership. */
void arp_input(struct net_stack *stack, struct net_buffer *chain);
/* Asks for an address: by broadcast, or by unicast when link is not NULL. */
void arp_request(struct net_stack *stack, uint32_t target,
                 const uint8_t link[ETHERNET_ADDRESS_BYTES]);
/* Starts the announcements of our address (RFC 5227 §2.3); the first goes out at once. */
void arp_announce(struct net_stack *stack);
