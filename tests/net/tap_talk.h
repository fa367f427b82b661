/*
 * The conversations of tap_host: one a socket, each with a role of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/socket.h"

enum role {
    ROLE_ECHO_LISTENER,
    ROLE_SINK_LISTENER,
    ROLE_SOURCE_LISTENER,
    ROLE_DATAGRAM,
    ROLE_ECHO,
    ROLE_SINK,
    ROLE_SOURCE,
    ROLE_CLIENT,
};

struct conversation {
    struct conversation *next;
    struct net_socket *socket;
    enum role role;
    bool ready;
    bool sending_done;
    uint64_t to_send;
    uint64_t sent;
    uint64_t received;
    uint32_t sum;
    char line[128];
    size_t line_length;
};

extern struct conversation *conversations;

/* Owns the socket from here on. */
struct conversation *talk_add(struct net_socket *socket, enum role role);
void talk_listen(struct net_stack *stack, uint16_t port, enum role role);
/* Does what the socket allows now. */
void talk_advance(struct conversation *talk);
void talk_end(struct conversation *talk);
/* Frees what has ended; not from within a walk over the list. */
void talk_sweep(void);
