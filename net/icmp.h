/*
 * ICMP (RFC 792, RFC 1122 §3.2.2) and ICMPv6 (RFC 4443): echo, and errors in both directions.
 *
 * Inside of net/. Context as net.h says.
 */
#pragma once

#include "net/ip_state.h"

/* Each takes ownership of the chain. */
void icmp_input(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip);
void icmpv6_input(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip);

/*
 * Sends an error about a received datagram, quoting it, unless the rules (RFC 1122 §3.2.2, RFC
 * 4443 §2.4(e)) or the rate limit forbid it. Takes ownership. `rest` is the header's last word.
 */
void icmp_send_error(struct net_stack *stack, struct net_buffer *chain,
                     const struct ip_received *ip, uint8_t type, uint8_t code, uint32_t rest);

/* Hands an error about a packet of ours to its transport. */
void icmp_report(struct net_stack *stack, uint8_t protocol, const struct ip_error *error);

/* Answers an echo request; `reply_type` says in which family. Takes ownership. */
void icmp_echo_reply(struct net_stack *stack, struct net_buffer *chain,
                     const struct ip_received *ip, uint8_t reply_type);
