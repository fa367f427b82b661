/*
 * IPv4 (RFC 791, RFC 1122 §3.2): header checks on input, headers on output.
 *
 * Inside of net/. Context as net.h says.
 */
#pragma once

#include "net/ip_state.h"

/* A datagram whose header begins at `offset` of the chain. Takes ownership. */
void ipv4_input(struct net_stack *stack, struct net_buffer *chain, uint32_t offset,
                enum ip_arrival arrival);
#define IPV4_VERSION_WORDS_5 0x45u
/*
 * Puts a header in front of the packet. `fragment` is the flags and offset field; payload_bytes
 * counts everything behind the header.
 */
struct ipv4_header *ipv4_push_header(struct net_packet *packet, const struct ip_route *route,
                                     uint8_t protocol, uint8_t ecn, uint32_t payload_bytes);
/* Stores identification and fragment field and makes the checksum right again. */
void ipv4_set_fragment(struct ipv4_header *header, uint16_t identification, uint16_t fragment);
