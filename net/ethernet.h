/*
 * Ethernet framing (IEEE 802.3, RFC 894, RFC 2464): input demultiplexing and output.
 *
 * Inside of net/. Context as net.h says.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/stack.h"

/* What the device received: its receive hook, with the stack as context. Takes ownership. */
void ethernet_input(void *context, struct net_buffer *chain);

extern const uint8_t ethernet_broadcast[ETHERNET_ADDRESS_BYTES];

/*
 * Puts an Ethernet header in front of the packet (its destination may be filled in later by
 * ethernet_set_destination) with our address as the source.
 */
void ethernet_push_header(struct net_stack *stack, struct net_packet *packet, uint16_t type);
void ethernet_set_destination(struct net_packet *packet,
                              const uint8_t link[ETHERNET_ADDRESS_BYTES]);

/* Hands a complete frame to the device, or to the backlog when its ring is full. Takes it. */
void ethernet_transmit(struct net_stack *stack, struct net_packet *packet);
/* Retries the backlog; true when a packet left it. */
bool ethernet_flush_backlog(struct net_stack *stack);

/* The link address of a multicast or broadcast IP address (RFC 1112 §6.4, RFC 2464 §7). */
void ethernet_group_address(const struct ip_address *group, uint8_t out[ETHERNET_ADDRESS_BYTES]);
