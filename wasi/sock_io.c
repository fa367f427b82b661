/* Data of sockets: between guest vectors and the network's spans, one copy each way. */
#include "wasi/transfer.h"

#include "kernel/base/inline.h"
#include "kernel/clock.h"
#include "kernel/wait.h"
#include "wasi/instance.h"
#include "wasi/sock.h"
#include "wasi/types.h"

uint64_t wasi_deadline_after(uint64_t timeout_ns)
{
    uint64_t deadline_ns;

    if (timeout_ns == 0 || __builtin_add_overflow(clock_monotonic_ns(), timeout_ns, &deadline_ns)) {
        return WAIT_FOREVER;
    }
    return deadline_ns;
}

enum err wasi_wait_ready(const struct wasi_descriptor *descriptor, uint64_t deadline_ns)
{
    if ((descriptor->flags & WASI_FDFLAG_NONBLOCK_BIT) != 0) {
        return ERR_AGAIN;
    }
    if (deadline_ns != WAIT_FOREVER && clock_monotonic_ns() >= deadline_ns) {
        return ERR_AGAIN;
    }
    wasi_wait(deadline_ns);
    return ERR_OK;
}

/*
 * An error that comes after some data has moved must wait for the next call: the network
 * reports it only once.
 */
static enum err finish(struct wasi_descriptor *descriptor, enum err error, uint32_t moved_bytes)
{
    if (moved_bytes == 0) {
        return error;
    }
    if (error != ERR_OK && error != ERR_AGAIN) {
        descriptor->socket.deferred_error = (uint8_t)error;
    }
    return ERR_OK;
}

static enum err take_deferred(struct wasi_descriptor *descriptor)
{
    enum err error = (enum err)descriptor->socket.deferred_error;

    descriptor->socket.deferred_error = ERR_OK;
    return error;
}

/*
 * A program that only ever asks NONBLOCK sockets again would never see progress if nobody
 * ran the stack; one that empties its sockets after every poll_oneoff should not pay for
 * it each time. So such a call runs the stack when the last run by one is this long ago.
 */
#define SELF_POLL_NS 100000u

static bool self_poll(void)
{
    static uint64_t last_ns;
    uint64_t now_ns = clock_monotonic_ns();

    if (now_ns - last_ns < SELF_POLL_NS) {
        return false;
    }
    last_ns = now_ns;
    return wait_poll();
}

/* At most once a call: under a flood there is always something that happened. */
enum err wasi_retry_again(struct wasi_retry *retry)
{
    if ((retry->descriptor->flags & WASI_FDFLAG_NONBLOCK_BIT) == 0) {
        return wasi_wait_ready(retry->descriptor, retry->deadline_ns);
    }
    if (retry->has_polled) {
        return ERR_AGAIN;
    }
    retry->has_polled = true;
    return self_poll() ? ERR_OK : ERR_AGAIN;
}

static enum err receive_stream(struct wasi_descriptor *descriptor, struct guest_vector *vector,
                               struct wasi_receive *receive)
{
    struct net_socket *socket = descriptor->socket.socket;
    bool is_peek = (receive->flags & WASI_RECV_PEEK_BIT) != 0;
    bool wants_all = (receive->flags & WASI_RECV_WAITALL_BIT) != 0 && !is_peek;
    struct wasi_retry retry = {
        .descriptor = descriptor,
        .deadline_ns = wasi_deadline_after(descriptor->socket.receive_timeout_ns),
    };

    for (;;) {
        struct net_const_span span;
        size_t got_bytes;
        enum err error =
            net_socket_receive_peek(socket, is_peek ? receive->received_bytes : 0, &span);

        if (error == ERR_AGAIN && (receive->received_bytes == 0 || wants_all)) {
            error = wasi_retry_again(&retry);
            if (error == ERR_OK) {
                continue;
            }
        }
        if (error != ERR_OK) {
            return finish(descriptor, error, receive->received_bytes);
        }
        got_bytes = guest_vector_write(vector, span.data, span.length_bytes);
        if (got_bytes == 0) {
            return ERR_OK; /* end of stream, or the vector is full */
        }
        receive->received_bytes += (uint32_t)got_bytes;
        if (!is_peek) {
            net_socket_receive_consume(socket, got_bytes);
        }
        if (receive->received_bytes == vector->total_bytes) {
            return ERR_OK;
        }
    }
}

/* Waits for the first datagram. */
static enum err wait_datagram(struct wasi_descriptor *descriptor)
{
    struct wasi_retry retry = {
        .descriptor = descriptor,
        .deadline_ns = wasi_deadline_after(descriptor->socket.receive_timeout_ns),
    };

    for (;;) {
        struct net_const_span span;
        enum err error = net_socket_receive_peek(descriptor->socket.socket, 0, &span);

        if (error != ERR_AGAIN) {
            return error;
        }
        error = wasi_retry_again(&retry);
        if (error != ERR_OK) {
            return error;
        }
    }
}

static enum err receive_datagram(struct wasi_descriptor *descriptor, struct guest_vector *vector,
                                 struct wasi_receive *receive)
{
    struct net_socket *socket = descriptor->socket.socket;
    size_t datagram_bytes;
    enum err error = wait_datagram(descriptor);

    if (error == ERR_OK && receive->source != NULL) {
        error = net_socket_receive_source(socket, receive->source);
    }
    if (error != ERR_OK) {
        return error;
    }
    datagram_bytes = net_socket_readable_bytes(socket);
    for (;;) {
        struct net_const_span span;
        size_t got_bytes;

        error = net_socket_receive_peek(socket, receive->received_bytes, &span);
        if (error != ERR_OK) {
            return error;
        }
        got_bytes = guest_vector_write(vector, span.data, span.length_bytes);
        if (got_bytes == 0) {
            break;
        }
        receive->received_bytes += (uint32_t)got_bytes;
    }
    receive->is_truncated = receive->received_bytes < datagram_bytes;
    if ((receive->flags & WASI_RECV_PEEK_BIT) == 0) {
        net_socket_receive_consume(socket, datagram_bytes);
    }
    return ERR_OK;
}

/*
 * The usual call: all that has arrived lies in one piece, which fits the buffers. False: nothing
 * was done.
 */
static bool receive_at_once(struct wasi_descriptor *descriptor, struct guest_vector *vector,
                            struct wasi_receive *receive)
{
    struct net_socket *socket = descriptor->socket.socket;
    struct net_const_span span;

    if (descriptor->socket.deferred_error != ERR_OK || receive->flags != 0 ||
        receive->source != NULL || !net_socket_take_begin(socket, &span) ||
        span.length_bytes > vector->total_bytes) {
        return false;
    }
    (void)guest_vector_write(vector, span.data, span.length_bytes);
    receive->received_bytes = (uint32_t)span.length_bytes;
    receive->is_truncated = false;
    net_socket_take_end(socket);
    return true;
}

static NEVER_INLINE enum err receive_by_the_rules(struct wasi_descriptor *descriptor,
                                                  struct guest_vector *vector,
                                                  struct wasi_receive *receive)
{
    struct net_socket *socket = descriptor->socket.socket;
    enum err error = take_deferred(descriptor);

    receive->received_bytes = 0;
    receive->is_truncated = false;
    if (error != ERR_OK) {
        return error;
    }
    if (net_socket_type(socket) == NET_SOCKET_DATAGRAM) {
        return receive_datagram(descriptor, vector, receive);
    }
    if (receive->source != NULL) {
        error = net_socket_remote(socket, receive->source);
    }
    if (error != ERR_OK || vector->total_bytes == 0) {
        return error;
    }
    return receive_stream(descriptor, vector, receive);
}

enum err wasi_socket_receive(struct wasi_descriptor *descriptor, struct guest_vector *vector,
                             struct wasi_receive *receive)
{
    return receive_at_once(descriptor, vector, receive)
               ? ERR_OK
               : receive_by_the_rules(descriptor, vector, receive);
}

static enum err send_stream(struct wasi_descriptor *descriptor, struct guest_vector *vector,
                            uint32_t *sent_bytes)
{
    struct net_socket *socket = descriptor->socket.socket;
    struct wasi_retry retry = {
        .descriptor = descriptor,
        .deadline_ns = wasi_deadline_after(descriptor->socket.send_timeout_ns),
    };

    while (*sent_bytes < vector->total_bytes) {
        struct guest_vector position = *vector;
        struct net_span span;
        enum err error = net_socket_send_reserve(socket, vector->total_bytes - *sent_bytes, &span);

        if (error == ERR_OK) {
            size_t piece_bytes = guest_vector_read(vector, span.data, span.length_bytes);

            error = net_socket_send_commit(socket, piece_bytes, NULL);
            if (error == ERR_OK) {
                *sent_bytes += (uint32_t)piece_bytes;
                continue;
            }
            *vector = position;
        }
        if (error == ERR_AGAIN) {
            error = wasi_retry_again(&retry);
            if (error == ERR_OK) {
                continue;
            }
        }
        return finish(descriptor, error, *sent_bytes);
    }
    return ERR_OK;
}

static enum err send_datagram(struct wasi_descriptor *descriptor, struct guest_vector *vector,
                              const struct net_endpoint *destination, uint32_t *sent_bytes)
{
    struct net_socket *socket = descriptor->socket.socket;
    struct wasi_retry retry = {
        .descriptor = descriptor,
        .deadline_ns = wasi_deadline_after(descriptor->socket.send_timeout_ns),
    };

    for (;;) {
        struct guest_vector rest = *vector;
        struct net_span span;
        enum err error = net_socket_send_reserve(socket, vector->total_bytes, &span);

        if (error == ERR_OK) {
            (void)guest_vector_read(&rest, span.data, vector->total_bytes);
            error = net_socket_send_commit(socket, vector->total_bytes, destination);
        }
        if (error == ERR_NETDOWN && wasi_socket_wait_address()) {
            continue;
        }
        if (error == ERR_AGAIN) {
            error = wasi_retry_again(&retry);
            if (error == ERR_OK) {
                continue;
            }
        }
        if (error == ERR_OK) {
            *sent_bytes = vector->total_bytes;
        }
        return error;
    }
}

/* The usual call: a small answer on a stream where nothing waits. False: nothing was done. */
static bool send_at_once(struct wasi_descriptor *descriptor, struct guest_vector *vector)
{
    struct net_socket *socket = descriptor->socket.socket;
    void *room;

    if (descriptor->socket.deferred_error != ERR_OK || vector->total_bytes == 0) {
        return false;
    }
    room = net_socket_put_begin(socket, vector->total_bytes);
    if (room == NULL) {
        return false;
    }
    net_socket_put_end(socket, guest_vector_read(vector, room, vector->total_bytes));
    return true;
}

static NEVER_INLINE enum err send_by_the_rules(struct wasi_descriptor *descriptor,
                                               struct guest_vector *vector,
                                               const struct net_endpoint *destination,
                                               uint32_t *sent_bytes)
{
    enum err error = take_deferred(descriptor);

    *sent_bytes = 0;
    if (error != ERR_OK) {
        return error;
    }
    if (net_socket_type(descriptor->socket.socket) == NET_SOCKET_DATAGRAM) {
        return send_datagram(descriptor, vector, destination, sent_bytes);
    }
    return send_stream(descriptor, vector, sent_bytes);
}

enum err wasi_socket_send(struct wasi_descriptor *descriptor, struct guest_vector *vector,
                          const struct net_endpoint *destination, uint32_t *sent_bytes)
{
    if (!send_at_once(descriptor, vector)) {
        return send_by_the_rules(descriptor, vector, destination, sent_bytes);
    }
    *sent_bytes = vector->total_bytes;
    return ERR_OK;
}
