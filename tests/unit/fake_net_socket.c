#include "tests/unit/fake_net_socket.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/fail_nth.h"
#include "wasi/wasi.h"

size_t fake_socket_count;
struct net_socket *fake_socket_last;
enum err fake_connect_answer;

static struct net_socket *make(enum net_family family, enum net_socket_type type)
{
    struct net_socket *socket = calloc(1, sizeof(*socket));

    socket->family = family;
    socket->type = type;
    socket->send_room_bytes = 1024;
    fake_socket_count++;
    fake_socket_last = socket;
    return socket;
}

struct net_socket *fake_socket_connected(void)
{
    struct net_socket *socket = make(NET_FAMILY_IPV4, NET_SOCKET_STREAM);

    socket->is_connected = true;
    return socket;
}

struct net_socket *fake_socket_arrive(struct net_socket *listener)
{
    struct net_socket *socket = fake_socket_connected();

    socket->next_waiting = listener->waiting;
    listener->waiting = socket;
    wasi_socket_wake(NULL, listener);
    return socket;
}

void fake_socket_deliver(struct net_socket *socket, const void *data, size_t size_bytes)
{
    memcpy(socket->received + socket->received_bytes, data, size_bytes);
    socket->received_bytes += size_bytes;
    socket->has_datagram = true;
    wasi_socket_wake(NULL, socket);
}

enum err net_socket_open(struct net_stack *stack, enum net_family family, enum net_socket_type type,
                         struct net_socket **out)
{
    (void)stack;
    if (fail_nth_now()) {
        return ERR_NOBUFS;
    }
    *out = make(family, type);
    return ERR_OK;
}

void net_socket_close(struct net_socket *socket)
{
    while (socket->waiting != NULL) {
        struct net_socket *next = socket->waiting->next_waiting;

        free(socket->waiting);
        fake_socket_count--;
        socket->waiting = next;
    }
    fake_socket_count--;
    free(socket);
}

void *net_socket_user(const struct net_socket *socket)
{
    return socket->user;
}

void net_socket_set_user(struct net_socket *socket, void *user)
{
    socket->user = user;
}

enum net_family net_socket_family(const struct net_socket *socket)
{
    return socket->family;
}

enum net_socket_type net_socket_type(const struct net_socket *socket)
{
    return socket->type;
}

enum err net_socket_bind(struct net_socket *socket, const struct net_endpoint *local)
{
    if (socket->local.port != 0) {
        return ERR_INVAL;
    }
    socket->local = *local;
    return ERR_OK;
}

enum err net_socket_listen(struct net_socket *socket, uint32_t backlog)
{
    (void)backlog;
    socket->is_listening = true;
    return ERR_OK;
}

enum err net_socket_accept(struct net_socket *socket, struct net_socket **out)
{
    if (!socket->is_listening) {
        return ERR_INVAL;
    }
    if (socket->waiting == NULL) {
        return ERR_AGAIN;
    }
    *out = socket->waiting;
    socket->waiting = (*out)->next_waiting;
    return ERR_OK;
}

enum err net_socket_connect(struct net_socket *socket, const struct net_endpoint *remote)
{
    socket->remote = *remote;
    socket->is_connected = fake_connect_answer == ERR_OK;
    return fake_connect_answer;
}

enum err net_socket_shutdown(struct net_socket *socket, uint32_t how)
{
    if (!socket->is_connected) {
        return ERR_NOTCONN;
    }
    socket->shut |= how;
    return ERR_OK;
}

void net_socket_local(const struct net_socket *socket, struct net_endpoint *out)
{
    *out = socket->local;
}

enum err net_socket_remote(const struct net_socket *socket, struct net_endpoint *out)
{
    if (!socket->is_connected) {
        return ERR_NOTCONN;
    }
    *out = socket->remote;
    return ERR_OK;
}

enum err net_socket_set_option(struct net_socket *socket, enum net_socket_option option,
                               int64_t value)
{
    socket->options[option] = value;
    return ERR_OK;
}

enum err net_socket_get_option(struct net_socket *socket, enum net_socket_option option,
                               int64_t *out)
{
    if (option == NET_OPTION_ERROR) {
        *out = socket->error;
        socket->error = ERR_OK;
        return ERR_OK;
    }
    *out = option == NET_OPTION_TYPE ? (int64_t)socket->type : socket->options[option];
    return ERR_OK;
}

uint32_t net_socket_events(const struct net_socket *socket)
{
    uint32_t events = socket->extra_events;

    if (socket->received_bytes != 0 || socket->peer_closed || socket->waiting != NULL) {
        events |= NET_EVENT_READABLE_BIT;
    }
    if (socket->peer_closed) {
        events |= NET_EVENT_PEER_CLOSED_BIT;
    }
    if (socket->is_connected && socket->send_room_bytes != 0) {
        events |= NET_EVENT_WRITABLE_BIT;
    }
    if (socket->error != ERR_OK) {
        events |= NET_EVENT_ERROR_BIT | NET_EVENT_READABLE_BIT | NET_EVENT_WRITABLE_BIT;
    }
    return events;
}

size_t net_socket_readable_bytes(const struct net_socket *socket)
{
    return socket->received_bytes;
}

size_t net_socket_writable_bytes(const struct net_socket *socket)
{
    return socket->send_room_bytes;
}

static enum err take_error(struct net_socket *socket)
{
    enum err error = socket->error;

    socket->error = ERR_OK;
    return error;
}

enum err net_socket_send_reserve(struct net_socket *socket, size_t want_bytes, struct net_span *out)
{
    size_t room_bytes = socket->send_room_bytes;

    if (socket->error != ERR_OK) {
        return take_error(socket);
    }
    if (socket->type == NET_SOCKET_STREAM && !socket->is_connected) {
        return ERR_NOTCONN;
    }
    if ((socket->shut & NET_SHUTDOWN_WRITE_BIT) != 0) {
        return ERR_PIPE;
    }
    if (room_bytes == 0) {
        return ERR_AGAIN;
    }
    if (socket->type == NET_SOCKET_DATAGRAM && want_bytes > room_bytes) {
        return ERR_MSGSIZE;
    }
    /* Small pieces, so that loops are exercised. */
    if (socket->type == NET_SOCKET_STREAM && room_bytes > 100) {
        room_bytes = 100;
    }
    out->data = socket->sent + socket->sent_bytes;
    out->length_bytes = want_bytes < room_bytes ? want_bytes : room_bytes;
    return ERR_OK;
}

enum err net_socket_send_commit(struct net_socket *socket, size_t length_bytes,
                                const struct net_endpoint *destination)
{
    socket->sent_bytes += length_bytes;
    socket->send_room_bytes -= length_bytes;
    if (destination != NULL) {
        socket->sent_to = *destination;
    }
    return ERR_OK;
}

enum err net_socket_receive_peek(struct net_socket *socket, size_t offset_bytes,
                                 struct net_const_span *out)
{
    size_t left_bytes =
        offset_bytes < socket->received_bytes ? socket->received_bytes - offset_bytes : 0;

    out->data = socket->received + offset_bytes;
    out->length_bytes = left_bytes < 7 ? left_bytes : 7;
    if (socket->type == NET_SOCKET_DATAGRAM) {
        return socket->has_datagram ? ERR_OK : ERR_AGAIN;
    }
    if (left_bytes != 0) {
        return ERR_OK;
    }
    if (socket->error != ERR_OK) {
        return take_error(socket);
    }
    if (!socket->is_connected) {
        return ERR_NOTCONN;
    }
    return socket->peer_closed ? ERR_OK : ERR_AGAIN;
}

void net_socket_receive_consume(struct net_socket *socket, size_t length_bytes)
{
    if (socket->type == NET_SOCKET_DATAGRAM) {
        length_bytes = socket->received_bytes;
        socket->has_datagram = false;
    }
    memmove(socket->received, socket->received + length_bytes,
            socket->received_bytes - length_bytes);
    socket->received_bytes -= length_bytes;
}

enum err net_socket_receive_source(struct net_socket *socket, struct net_endpoint *out)
{
    *out = socket->remote;
    return ERR_OK;
}

bool net_stack_is_drained(const struct net_stack *stack)
{
    (void)stack;
    return true;
}

bool net_stack_is_configured(const struct net_stack *stack)
{
    (void)stack;
    return true;
}

/* The short way is tested with the network's own sockets. */
void *net_socket_put_begin(struct net_socket *socket, size_t length_bytes)
{
    (void)socket;
    (void)length_bytes;
    return NULL;
}

void net_socket_put_end(struct net_socket *socket, size_t length_bytes)
{
    (void)socket;
    (void)length_bytes;
}

bool net_socket_take_begin(const struct net_socket *socket, struct net_const_span *out)
{
    (void)socket;
    (void)out;
    return false;
}

void net_socket_take_end(struct net_socket *socket)
{
    (void)socket;
}
