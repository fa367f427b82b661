/*
 * Multicast listener reports (RFC 3810, the part of a host that joins only its own
 * solicited-node groups): switches that snoop deliver neighbour discovery only to reporters.
 *
 * Inside of net/. Context as net.h says.
 */
#pragma once

#include "net/ip_state.h"

/* Reports every group of ours as joined; after an address came or became valid. */
void mld_report_change(struct net_stack *stack);
/* A query with a correct checksum; it is answered after a random part of the time it allows. */
void mld_query_input(struct net_stack *stack, const struct net_buffer *chain,
                     const struct ip_received *ip);
