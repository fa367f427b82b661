/*
 * IPv6 (RFC 8200): header chains on input, headers on output.
 *
 * Inside of net/. Context as net.h says.
 */
#pragma once

#include "net/ip_state.h"

/* A datagram whose header begins at `offset` of the chain. Takes ownership. */
void ipv6_input(struct net_stack *stack, struct net_buffer *chain, uint32_t offset,
                enum ip_arrival arrival);
struct ipv6_header *ipv6_push_header(struct net_packet *packet, const struct ip_route *route,
                                     uint8_t next_header, uint8_t ecn, uint32_t payload_bytes);
