/*
 * The DHCPv4 client (RFC 2131, RFC 2132): an address, a router, name servers, an MTU.
 *
 * Inside of net/; dhcp_init and dhcp_destroy are declared in net/stack.h. It speaks UDP through
 * raw frames, because it must before there is an address. Context as net.h says.
 */
#pragma once

#include "net/stack.h"

/* Whether datagrams to addresses not (yet) ours may be for this client. */
bool dhcp_is_waiting(const struct net_stack *stack);
/* A datagram to port 68; the caller keeps the chain. Offsets as in udp_input. */
void dhcp_input(struct net_stack *stack, const struct net_buffer *chain,
                const struct ip_received *ip);
/*
 * Someone else uses our address. When the lease is new, declines it (RFC 2131 §3.1) and starts
 * over; false: the address is not, or no longer, this client's business.
 */
bool dhcp_conflict(struct net_stack *stack);
