/*
 * Moving data between descriptors and guest vectors: the common ground of fd_* and sock_*.
 *
 * Vectors have been checked (guest_memory.h). All functions move as much as the
 * descriptor's semantics allow and report success when at least a byte moved. They
 * wait, running the pollers, unless the descriptor has NONBLOCK. Normal kernel context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "net/socket.h"
#include "wasi/descriptor.h"
#include "wasi/guest_memory.h"

/*
 * The kernel's bounce buffer for data that has no span of its own (console, directories). One
 * user at a time: valid until the current imported function returns.
 */
#define WASI_BOUNCE_BYTES 65536u
extern uint8_t wasi_bounce[WASI_BOUNCE_BYTES];

struct wasi_receive {
    uint32_t flags;              /* in: enum wasi_riflags */
    struct net_endpoint *source; /* in: where the sender goes, or NULL */
    uint32_t received_bytes;     /* out */
    bool is_truncated;           /* out: the datagram was longer */
};

enum err wasi_socket_receive(struct wasi_descriptor *descriptor, struct guest_vector *vector,
                             struct wasi_receive *receive) WARN_UNUSED;
/* `destination`: of a datagram, or NULL. */
enum err wasi_socket_send(struct wasi_descriptor *descriptor, struct guest_vector *vector,
                          const struct net_endpoint *destination, uint32_t *sent_bytes) WARN_UNUSED;

/* A call that may have to be repeated. Zero but for the first two members. */
struct wasi_retry {
    const struct wasi_descriptor *descriptor;
    uint64_t deadline_ns;
    bool has_polled;
};

/* What to do after ERR_AGAIN from a socket: ERR_OK to try again, ERR_AGAIN to report it. */
enum err wasi_retry_again(struct wasi_retry *retry) WARN_UNUSED;

/*
 * When to give up: `timeout_ns` from now, or never for 0. And one round of waiting:
 * ERR_AGAIN for a descriptor with NONBLOCK or when the deadline has passed.
 */
uint64_t wasi_deadline_after(uint64_t timeout_ns);
enum err wasi_wait_ready(const struct wasi_descriptor *descriptor,
                         uint64_t deadline_ns) WARN_UNUSED;
