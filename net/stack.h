/*
 * The inside of a stack instance, for the files of net/ only.
 *
 * struct net_stack holds what all modules share; each module keeps its own state in a struct
 * of its own that the pointers here lead to, allocated by its X_init and freed by its
 * X_destroy (which must tolerate that the pointer is still NULL).
 * All memory comes from net_allocate, so that memory_limit_bytes bounds the whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ip.h"
#include "net/net.h"
#include "net/timer.h"

struct ip_state;
struct udp_state;
struct dhcp_state;
struct dns_state;
struct tcp_state;

struct net_stack {
    struct net_hooks hooks;
    struct net_config config;
    struct netdev *device;     /* NULL: loopback only */
    uint64_t now_ns;           /* read at the start of each call from outside */
    size_t memory_used_bytes;  /* allocations, and received buffers while queued */
    size_t lent_bytes;         /* of the device's receive buffers, held in queues */
    uint32_t route_generation; /* struct ip_route.generation; raised when routes change */
    uint32_t packet_spare_count;
    struct net_packet *packet_spares;
    bool device_dirty;     /* handed to transmit since the last flush */
    bool transmit_blocked; /* the device's ring is full: transports hold back new data */
    struct net_timers timers;
    struct ip_state *ip;
    struct udp_state *udp;
    struct dhcp_state *dhcp;
    struct dns_state *dns;
    struct tcp_state *tcp;
};

/* Zeroed memory, or NULL when the limit or the machine says no. Give the same size back. */
void *net_allocate(struct net_stack *stack, size_t size_bytes) WARN_UNUSED;
/* The same, not cleared. */
void *net_allocate_raw(struct net_stack *stack, size_t size_bytes) WARN_UNUSED;
void net_release(struct net_stack *stack, void *block, size_t size_bytes);
/* The same for memory that others allocated but a queue of ours pins (received buffers). */
void net_charge(struct net_stack *stack, size_t size_bytes);
void net_uncharge(struct net_stack *stack, size_t size_bytes);

/*
 * How scarce memory is. RELAXED: take what helps; SCARCE: no new connections, no growing
 * buffers; EXHAUSTED: only what keeps a promise already made (acknowledgements,
 * retransmissions, the next byte in order).
 */
enum net_pressure { NET_PRESSURE_RELAXED, NET_PRESSURE_SCARCE, NET_PRESSURE_EXHAUSTED };
static inline enum net_pressure net_pressure(const struct net_stack *stack)
{
    size_t limit = stack->config.memory_limit_bytes;
    if (stack->memory_used_bytes < limit - limit / 4) {
        return NET_PRESSURE_RELAXED;
    }
    return stack->memory_used_bytes < limit - limit / 8 ? NET_PRESSURE_SCARCE
                                                        : NET_PRESSURE_EXHAUSTED;
}

/* Whether a queue should copy what it keeps rather than hold the device's buffers. */
static inline bool net_device_is_short(const struct net_stack *stack)
{
    return stack->device != NULL && stack->device->receive_pool_bytes != 0 &&
           stack->lent_bytes >= stack->device->receive_pool_bytes / 2;
}

/*
 * A packet to transmit, with everything but fragments[] and header[] zeroed, header_start =
 * IP_TRANSPORT_START, owner = the stack and done = a function that gives it back to the pool.
 * Who replaces `done` calls net_packet_release in the end. NULL: out of memory.
 */
struct net_packet *net_packet_allocate(struct net_stack *stack) WARN_UNUSED;
void net_packet_release(struct net_stack *stack, struct net_packet *packet);

/* Reads the clock once; every entry from outside into the stack begins with it. */
static inline uint64_t net_stack_tick(struct net_stack *stack)
{
    stack->now_ns = stack->hooks.now_ns(stack->hooks.context);
    return stack->now_ns;
}

static inline uint32_t net_random32(struct net_stack *stack)
{
    uint32_t value;
    stack->hooks.random(stack->hooks.context, &value, sizeof(value));
    return value;
}

/*
 * The modules' entries, called by stack.c. ip_init covers ARP, NDP, ICMP and loopback, sets the
 * device's receive hook, and is the last that can fail: it and dhcp_start send packets, which a
 * stack that is given up must not have done. Timers of all modules live in stack->timers.
 */
enum err udp_init(struct net_stack *stack) WARN_UNUSED;
void udp_destroy(struct net_stack *stack);
enum err ip_init(struct net_stack *stack) WARN_UNUSED;
void ip_destroy(struct net_stack *stack);
/* Delivers loopback packets, retries what found the device's ring full; true: did something. */
bool ip_poll(struct net_stack *stack);
enum err dns_init(struct net_stack *stack) WARN_UNUSED;
void dns_destroy(struct net_stack *stack);
enum err dhcp_init(struct net_stack *stack) WARN_UNUSED; /* idle when config.dhcp is false */
void dhcp_start(struct net_stack *stack);
void dhcp_destroy(struct net_stack *stack);
enum err tcp_init(struct net_stack *stack) WARN_UNUSED;
void tcp_destroy(struct net_stack *stack);
/* Sends what connections accumulated during a batch: data, acknowledgements. */
bool tcp_poll(struct net_stack *stack);
/* Answers net_stack_is_configured. */
bool ip_is_configured(const struct net_stack *stack);
