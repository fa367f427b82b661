/* TCP behind net/socket.h: what the application may do in which state. */
#include "net/tcp.h"

#include "kernel/base/inline.h"

#define BACKLOG_MAXIMUM 65535u
/* Written data goes out on the next poll, together; this much does not wait for it. */
#define OUTPUT_AT_ONCE_BYTES 65536u

static const struct tcp_socket *const_socket(const struct net_socket *socket)
{
    return (const struct tcp_socket *)socket;
}

static enum err open_socket(struct net_stack *stack, struct net_socket **out)
{
    struct tcp_socket *sock =
        net_pressure(stack) == NET_PRESSURE_EXHAUSTED ? NULL : tcp_socket_create(stack);

    if (sock == NULL) {
        return ERR_NOBUFS;
    }
    *out = &sock->base;
    return ERR_OK;
}

static void close_socket(struct net_socket *socket)
{
    tcp_close(tcp_socket_of(socket));
}

static enum err bind_socket(struct net_socket *socket, const struct net_endpoint *local)
{
    struct tcp_socket *sock = tcp_socket_of(socket);

    return sock->status == TCP_CLOSED && !sock->established ? tcp_bind(sock, local) : ERR_INVAL;
}

static enum err listen_socket(struct net_socket *socket, uint32_t backlog)
{
    struct tcp_socket *sock = tcp_socket_of(socket);
    struct net_endpoint any = {.address = socket->local.address};
    enum err err;

    backlog = backlog == 0 ? 1 : backlog;
    backlog = backlog > BACKLOG_MAXIMUM ? BACKLOG_MAXIMUM : backlog;
    if (sock->status == TCP_LISTEN) {
        sock->listener->backlog = backlog;
        return ERR_OK;
    }
    if (sock->status != TCP_CLOSED || sock->established) {
        return ERR_INVAL;
    }
    if (socket->bound_explicitly &&
        tcp_find_listener(socket->stack, &socket->local.address, socket->local.port) != NULL) {
        return ERR_ADDRINUSE;
    }
    if (!socket->bound_explicitly) {
        err = tcp_bind(sock, &any);
        if (err != ERR_OK) {
            return err;
        }
    }
    sock->listener = net_allocate(socket->stack, sizeof(*sock->listener));
    if (sock->listener == NULL) {
        return ERR_NOBUFS;
    }
    sock->listener->backlog = backlog;
    sock->status = TCP_LISTEN;
    return ERR_OK;
}

static enum err accept_socket(struct net_socket *socket, struct net_socket **out)
{
    struct tcp_socket *sock = tcp_socket_of(socket);
    struct tcp_listener *listener = sock->listener;
    struct tcp_socket *accepted;

    if (sock->status != TCP_LISTEN) {
        return ERR_INVAL;
    }
    accepted = listener->accept_first;
    if (accepted == NULL) {
        return ERR_AGAIN;
    }
    listener->accept_first = accepted->accept_next;
    if (listener->accept_first == NULL) {
        listener->accept_last = NULL;
    }
    listener->accept_count--;
    accepted->peer->accept_count--;
    accepted->accept_next = NULL;
    accepted->accept_queued = false;
    accepted->listener = NULL;
    *out = &accepted->base;
    return ERR_OK;
}

static enum err connect_socket(struct net_socket *socket, const struct net_endpoint *remote)
{
    struct tcp_socket *sock = tcp_socket_of(socket);

    if (sock->status == TCP_SYN_SENT || sock->status == TCP_SYN_RECEIVED) {
        return ERR_ALREADY;
    }
    if (sock->established) {
        return ERR_ISCONN;
    }
    if (sock->status != TCP_CLOSED) {
        return ERR_INVAL;
    }
    if (socket->error != ERR_OK) { /* of an attempt before, that nobody asked for */
        return net_socket_take_error(socket);
    }
    return tcp_connect(sock, remote);
}

static enum err shutdown_socket(struct net_socket *socket, uint32_t how)
{
    struct tcp_socket *sock = tcp_socket_of(socket);

    if (!sock->established) {
        return ERR_NOTCONN;
    }
    if (how & NET_SHUTDOWN_READ_BIT) {
        sock->receive_shut = true;
        tcp_receive_clear(sock);
    }
    if (how & NET_SHUTDOWN_WRITE_BIT) {
        tcp_shutdown_write(sock);
    }
    tcp_wake(sock);
    return ERR_OK;
}

static uint32_t buffer_size(const struct tcp_socket *sock, int64_t value)
{
    uint32_t maximum = tcp_buffer_maximum(tcp_stack(sock));

    if (value < TCP_BUFFER_MINIMUM) {
        return TCP_BUFFER_MINIMUM;
    }
    return value > maximum ? maximum : (uint32_t)value;
}

static enum err set_seconds(uint32_t *field, int64_t value)
{
    if (value < 1 || value > 32767) {
        return ERR_INVAL;
    }
    *field = (uint32_t)value;
    return ERR_OK;
}

static enum err set_option(struct net_socket *socket, enum net_socket_option option, int64_t value)
{
    struct tcp_socket *sock = tcp_socket_of(socket);
    enum err err = ERR_OK;

    /* Not every option is TCP's; socket.c knows the common ones. */
    switch ((int)option) {
    case NET_OPTION_SEND_BUFFER:
        sock->send_auto = false;
        sock->send_limit_bytes = buffer_size(sock, value);
        return ERR_OK;
    case NET_OPTION_RECEIVE_BUFFER:
        sock->receive_auto = false;
        sock->receive_limit_bytes = buffer_size(sock, value);
        return ERR_OK;
    case NET_OPTION_KEEP_ALIVE:
        sock->keep_alive = value != 0;
        break;
    case NET_OPTION_KEEP_IDLE:
        err = set_seconds(&sock->keep_idle_s, value);
        break;
    case NET_OPTION_KEEP_INTERVAL:
        return set_seconds(&sock->keep_interval_s, value);
    case NET_OPTION_KEEP_COUNT:
        if (value < 1 || value > 127) {
            return ERR_INVAL;
        }
        sock->keep_count = (uint8_t)value;
        return ERR_OK;
    case NET_OPTION_LINGER:
        sock->linger_s = value < 0 ? -1 : value > INT32_MAX ? INT32_MAX : (int32_t)value;
        return ERR_OK;
    case NET_OPTION_RECEIVE_LOW:
        sock->receive_low_bytes = value < 1 ? 1 : value > INT32_MAX ? INT32_MAX : (uint32_t)value;
        tcp_wake(sock);
        return ERR_OK;
    case NET_OPTION_NO_DELAY:
        sock->no_delay = value != 0;
        if (sock->no_delay && tcp_is_synchronized(sock)) {
            tcp_mark_pending(sock); /* what Nagle held back */
        }
        return ERR_OK;
    case NET_OPTION_USER_TIMEOUT:
        if (value < 0 || value > INT32_MAX) {
            return ERR_INVAL;
        }
        sock->user_timeout_ms = (uint32_t)value;
        return ERR_OK;
    default:
        return ERR_NOPROTOOPT;
    }
    if (err == ERR_OK && tcp_is_synchronized(sock)) {
        tcp_arm_keep_alive(sock);
    }
    return err;
}

static enum err get_option(struct net_socket *socket, enum net_socket_option option, int64_t *out)
{
    const struct tcp_socket *sock = const_socket(socket);

    switch ((int)option) {
    case NET_OPTION_SEND_BUFFER:
        *out = sock->send_limit_bytes;
        return ERR_OK;
    case NET_OPTION_RECEIVE_BUFFER:
        *out = sock->receive_limit_bytes;
        return ERR_OK;
    case NET_OPTION_KEEP_ALIVE:
        *out = sock->keep_alive;
        return ERR_OK;
    case NET_OPTION_KEEP_IDLE:
        *out = sock->keep_idle_s;
        return ERR_OK;
    case NET_OPTION_KEEP_INTERVAL:
        *out = sock->keep_interval_s;
        return ERR_OK;
    case NET_OPTION_KEEP_COUNT:
        *out = sock->keep_count;
        return ERR_OK;
    case NET_OPTION_LINGER:
        *out = sock->linger_s;
        return ERR_OK;
    case NET_OPTION_RECEIVE_LOW:
        *out = sock->receive_low_bytes;
        return ERR_OK;
    case NET_OPTION_ACCEPTING:
        *out = sock->status == TCP_LISTEN;
        return ERR_OK;
    case NET_OPTION_NO_DELAY:
        *out = sock->no_delay;
        return ERR_OK;
    case NET_OPTION_USER_TIMEOUT:
        *out = sock->user_timeout_ms;
        return ERR_OK;
    case NET_OPTION_SEGMENT_BYTES:
        *out = sock->mss == 0 ? TCP_MSS_DEFAULT : tcp_payload_mss(sock);
        return ERR_OK;
    default:
        return ERR_NOPROTOOPT;
    }
}

/* ---- Readiness ------------------------------------------------------------------------------ */

static bool read_ends(const struct tcp_socket *sock)
{
    return sock->fin_received || sock->receive_shut || sock->status == TCP_CLOSED;
}

static NEVER_INLINE uint32_t events_by_the_rules(const struct net_socket *socket)
{
    const struct tcp_socket *sock = const_socket(socket);
    uint32_t events = socket->error != ERR_OK ? NET_EVENT_ERROR_BIT : 0;

    if (sock->status == TCP_LISTEN) {
        return sock->listener->accept_first != NULL ? NET_EVENT_READABLE_BIT : 0;
    }
    if (sock->status == TCP_SYN_SENT || sock->status == TCP_SYN_RECEIVED) {
        return events;
    }
    if (sock->status == TCP_CLOSED) {
        events |= NET_EVENT_HANGUP_BIT;
        if (!sock->established && socket->error == ERR_OK) {
            return events;
        }
        events |= NET_EVENT_READABLE_BIT | NET_EVENT_WRITABLE_BIT;
        return sock->fin_received ? events | NET_EVENT_PEER_CLOSED_BIT : events;
    }
    if (sock->receive_queued_bytes >= sock->receive_low_bytes || read_ends(sock)) {
        events |= NET_EVENT_READABLE_BIT;
    }
    if (sock->fin_queued || tcp_is_writable(sock)) {
        events |= NET_EVENT_WRITABLE_BIT;
    }
    if (sock->fin_received) {
        events |= NET_EVENT_PEER_CLOSED_BIT;
        events |= sock->fin_queued ? NET_EVENT_HANGUP_BIT : 0;
    }
    return events;
}

/* An open connection with less than half a buffer on its way, as one that is served mostly is. */
static uint32_t socket_events(const struct net_socket *socket)
{
    const struct tcp_socket *sock = const_socket(socket);
    uint32_t unusual = (uint32_t)(sock->status ^ TCP_ESTABLISHED) | socket->error |
                       sock->fin_received | sock->receive_shut | sock->starved;

    if (unusual != 0 || sock->send_end - sock->send_una > sock->send_limit_bytes / 2) {
        return events_by_the_rules(socket);
    }
    return NET_EVENT_WRITABLE_BIT |
           (sock->receive_queued_bytes >= sock->receive_low_bytes ? NET_EVENT_READABLE_BIT : 0u);
}

static size_t readable_bytes(const struct net_socket *socket)
{
    return const_socket(socket)->receive_queued_bytes;
}

static size_t writable_bytes(const struct net_socket *socket)
{
    const struct tcp_socket *sock = const_socket(socket);

    return tcp_is_synchronized(sock) && !sock->fin_queued ? tcp_send_room(sock) : 0;
}

/* ---- Data ----------------------------------------------------------------------------------- */

static enum err send_reserve(struct net_socket *socket, size_t want_bytes, struct net_span *out)
{
    struct tcp_socket *sock = tcp_socket_of(socket);

    if (socket->error != ERR_OK) {
        return net_socket_take_error(socket);
    }
    if (sock->status == TCP_SYN_SENT || sock->status == TCP_SYN_RECEIVED) {
        return ERR_AGAIN;
    }
    if (!sock->established || sock->status == TCP_LISTEN) {
        return ERR_NOTCONN;
    }
    if (sock->fin_queued || sock->status == TCP_CLOSED) {
        return ERR_PIPE;
    }
    return tcp_send_reserve(sock, want_bytes, out);
}

static enum err send_commit(struct net_socket *socket, size_t length_bytes,
                            const struct net_endpoint *destination)
{
    struct tcp_socket *sock = tcp_socket_of(socket);

    (void)destination;
    if (!tcp_is_synchronized(sock) || sock->fin_queued) {
        return ERR_PIPE;
    }
    if (length_bytes == 0) {
        return ERR_OK;
    }
    tcp_send_commit(sock, (uint32_t)length_bytes);
    tcp_mark_pending(sock);
    if (sock->send_end - sock->send_next >= OUTPUT_AT_ONCE_BYTES &&
        tcp_in_flight(sock) < sock->cwnd) {
        net_stack_tick(socket->stack);
        tcp_output(sock);
    }
    return ERR_OK;
}

static enum err receive_peek(struct net_socket *socket, size_t offset_bytes,
                             struct net_const_span *out)
{
    struct tcp_socket *sock = tcp_socket_of(socket);
    const struct net_buffer *part = sock->receive_first;

    while (part != NULL && offset_bytes >= part->length_bytes) {
        offset_bytes -= part->length_bytes;
        part = part->next_packet;
    }
    if (part != NULL) {
        out->data = part->data + offset_bytes;
        out->length_bytes = part->length_bytes - offset_bytes;
        return ERR_OK;
    }
    if (socket->error != ERR_OK) {
        return net_socket_take_error(socket);
    }
    if (sock->status == TCP_SYN_SENT || sock->status == TCP_SYN_RECEIVED) {
        return ERR_AGAIN;
    }
    if (!sock->established || sock->status == TCP_LISTEN) {
        return ERR_NOTCONN;
    }
    if (!read_ends(sock)) {
        return ERR_AGAIN;
    }
    out->data = NULL;
    out->length_bytes = 0;
    return ERR_OK;
}

static void receive_consume(struct net_socket *socket, size_t length_bytes)
{
    struct tcp_socket *sock = tcp_socket_of(socket);
    uint32_t length = length_bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)length_bytes;

    tcp_receive_discard(sock, length);
    if (tcp_is_synchronized(sock) && tcp_window_update_due(sock)) {
        tcp_mark_pending(sock);
    }
}

static enum err receive_source(struct net_socket *socket, struct net_endpoint *out)
{
    if (!const_socket(socket)->established) {
        return ERR_NOTCONN;
    }
    *out = socket->remote;
    return ERR_OK;
}

const struct socket_protocol tcp_socket_protocol = {
    .open = open_socket,
    .close = close_socket,
    .bind = bind_socket,
    .listen = listen_socket,
    .accept = accept_socket,
    .connect = connect_socket,
    .shutdown = shutdown_socket,
    .set_option = set_option,
    .get_option = get_option,
    .events = socket_events,
    .readable_bytes = readable_bytes,
    .writable_bytes = writable_bytes,
    .send_reserve = send_reserve,
    .send_commit = send_commit,
    .receive_peek = receive_peek,
    .receive_consume = receive_consume,
    .receive_source = receive_source,
};
