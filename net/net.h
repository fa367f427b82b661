/*
 * The TCP/IP stack: one instance per network card, no global state, no threads.
 *
 * It builds unchanged on the host: everything it needs from outside comes through
 * the device (drivers/netdev.h) and struct net_hooks. Nothing blocks. All calls in
 * normal kernel context (or from a timer tick that interrupted Wasm code, never
 * while another call is in progress).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/netdev.h"
#include "kernel/base/err.h"

struct net_stack;
struct net_socket;

struct net_hooks {
    void *context;
    uint64_t (*now_ns)(void *context); /* monotonic */
    void (*random)(void *context, void *data, size_t size_bytes);
    void *(*allocate)(void *context, size_t size_bytes); /* 16-byte aligned or NULL */
    void (*free)(void *context, void *block);
    /* Readiness of a socket changed (net/socket.h); must only set flags or link lists. */
    void (*wake)(void *context, struct net_socket *socket);
};

struct net_config {
    bool dhcp; /* else the static fields below count */
    uint8_t address[4];
    uint8_t prefix_length;
    uint8_t gateway[4];        /* 0.0.0.0: none */
    uint8_t dns[4];            /* 0.0.0.0: none */
    char hostname[64];         /* told to the DHCP server; "": none */
    size_t memory_limit_bytes; /* for all buffers and connections together */
};

/* device may be NULL: then only the loopback interface (127.0.0.1, ::1) exists. */
enum err net_stack_create(const struct net_hooks *hooks, struct netdev *device,
                          const struct net_config *config, struct net_stack **out) WARN_UNUSED;
void net_stack_destroy(struct net_stack *stack);

/*
 * Receives, runs due timers, transmits, reclaims. Returns true when anything was
 * done; lowers *next_deadline_ns to the next timer.
 */
bool net_stack_poll(struct net_stack *stack, uint64_t *next_deadline_ns);

/* Whether the interface has an IPv4 address (static, or DHCP is bound). */
bool net_stack_is_configured(const struct net_stack *stack);

/*
 * Whether everything that closed sockets still had to say has been acknowledged, FIN included:
 * what the end of the machine waits for, a while. Walks all connections.
 */
bool net_stack_is_drained(const struct net_stack *stack);
