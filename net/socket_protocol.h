/*
 * What is behind a socket: the common part of every socket object, and the table of operations
 * that TCP and UDP fill in. socket.c checks arguments and dispatches; tcp_socket.c and
 * udp.c implement. Only files of net/ include this.
 *
 * A transport's own socket struct begins with struct net_socket and is allocated and freed by
 * the transport. Operations a transport does not have are NULL (answer: ERR_NOTSUP).
 */
#pragma once

#include "net/socket.h"
#include "net/stack.h"

struct socket_protocol;

struct net_socket {
    const struct socket_protocol *protocol;
    struct net_stack *stack;
    void *user;
    /* A user inside of net/ (the resolver): called instead of the wake hook. */
    void (*notify)(struct net_socket *socket);
    struct net_endpoint local;  /* port 0: unbound */
    struct net_endpoint remote; /* port 0: no peer */
    uint8_t family;             /* enum net_family */
    uint8_t type;               /* enum net_socket_type */
    uint8_t hop_limit;          /* 0: the stack's default */
    uint8_t error;              /* enum err that the next call or NET_OPTION_ERROR reports */
    bool reuse_address;
    bool ipv6_only;
    bool bound_explicitly;
    bool orphaned; /* closed by its owner: no more wake calls */
};

/* All entries as their net_socket_* namesakes; arguments are checked already. */
struct socket_protocol {
    enum err (*open)(struct net_stack *stack, struct net_socket **out);
    void (*close)(struct net_socket *socket);
    enum err (*bind)(struct net_socket *socket, const struct net_endpoint *local);
    enum err (*listen)(struct net_socket *socket, uint32_t backlog);
    enum err (*accept)(struct net_socket *socket, struct net_socket **out);
    enum err (*connect)(struct net_socket *socket, const struct net_endpoint *remote);
    enum err (*shutdown)(struct net_socket *socket, uint32_t how);
    enum err (*set_option)(struct net_socket *socket, enum net_socket_option option, int64_t value);
    enum err (*get_option)(struct net_socket *socket, enum net_socket_option option, int64_t *out);
    uint32_t (*events)(const struct net_socket *socket);
    size_t (*readable_bytes)(const struct net_socket *socket);
    size_t (*writable_bytes)(const struct net_socket *socket);
    enum err (*send_reserve)(struct net_socket *socket, size_t want_bytes, struct net_span *out);
    enum err (*send_commit)(struct net_socket *socket, size_t length_bytes,
                            const struct net_endpoint *destination);
    enum err (*receive_peek)(struct net_socket *socket, size_t offset_bytes,
                             struct net_const_span *out);
    void (*receive_consume)(struct net_socket *socket, size_t length_bytes);
    enum err (*receive_source)(struct net_socket *socket, struct net_endpoint *out);
};

extern const struct socket_protocol tcp_socket_protocol;
extern const struct socket_protocol udp_socket_protocol;

static inline void net_socket_wake(struct net_socket *socket)
{
    if (socket->orphaned) {
        return;
    }
    if (socket->notify != NULL) {
        socket->notify(socket);
    } else {
        socket->stack->hooks.wake(socket->stack->hooks.context, socket);
    }
}

/* Makes a socket report to a user inside of net/ rather than to the application. */
static inline void net_socket_set_notify(struct net_socket *socket,
                                         void (*notify)(struct net_socket *socket))
{
    socket->notify = notify;
}

/* Takes the pending error, which is reported once. */
static inline enum err net_socket_take_error(struct net_socket *socket)
{
    enum err error = (enum err)socket->error;
    socket->error = ERR_OK;
    return error;
}
