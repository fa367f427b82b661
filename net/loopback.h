/*
 * The loopback interface: packets to ourselves come back on the next poll.
 *
 * Inside of net/. Bounded; never delivers from within a transmit, so that transports are not
 * re-entered. Context as net.h says.
 */
#pragma once

#include "net/stack.h"

/* A packet that begins with its IP header. Copies it and completes it; takes ownership. */
void loopback_transmit(struct net_stack *stack, struct net_packet *packet);
/* Delivers what was queued before the call; true when there was anything. */
bool loopback_poll(struct net_stack *stack);
void loopback_destroy(struct net_stack *stack);
