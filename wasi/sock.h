/*
 * What the socket dialects (preview 1, WasmEdge, WAMR) have in common: each file of
 * imported functions decodes its own arguments and calls these. Normal kernel context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "net/socket.h"
#include "wasi/guest_memory.h"

/* ERR_NETDOWN without a network card and stack. */
enum err wasi_socket_open(enum net_family family, enum net_socket_type type,
                          struct guest_addr out_fd) WARN_UNUSED;
/* Waits for a connection unless NONBLOCK is set; `flags` become the new descriptor's. */
enum err wasi_socket_accept(uint32_t fd, uint32_t flags, struct guest_addr out_fd) WARN_UNUSED;
/* Waits until connected or refused unless NONBLOCK is set. */
enum err wasi_socket_connect(uint32_t fd, const struct net_endpoint *remote) WARN_UNUSED;
enum err wasi_socket_bind(uint32_t fd, const struct net_endpoint *local) WARN_UNUSED;
enum err wasi_socket_listen(uint32_t fd, uint32_t backlog) WARN_UNUSED;
/*
 * Without a static address the network has none until DHCP is done, which an application that
 * has just started cannot know. Waits for it, at most until ten seconds after boot; true if
 * the network has an address now and had none before: worth another attempt.
 */
bool wasi_socket_wait_address(void);
/* `is_peer`: the other end. */
enum err wasi_socket_endpoint(uint32_t fd, bool is_peer, struct net_endpoint *out,
                              enum net_family *family) WARN_UNUSED;

/* recv and send in the form that all dialects reduce to. */
struct wasi_socket_transfer {
    uint32_t fd;
    struct guest_addr iovecs;
    uint32_t iovec_count;
    uint32_t flags;
    struct guest_addr size;        /* out: bytes moved */
    const struct net_endpoint *to; /* send: NULL for the connected peer */
    struct net_endpoint *from;     /* receive: NULL when nobody asks */
    bool is_truncated;             /* receive: result */
};
enum err wasi_socket_transfer_receive(struct wasi_socket_transfer *transfer) WARN_UNUSED;
enum err wasi_socket_transfer_send(struct wasi_socket_transfer *transfer) WARN_UNUSED;
