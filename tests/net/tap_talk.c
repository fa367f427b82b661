#include "tests/net/tap_talk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct conversation *conversations;

/* The byte at a position of the pattern, which Python repeats. */
static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

struct conversation *talk_add(struct net_socket *socket, enum role role)
{
    struct conversation *talk = calloc(1, sizeof(*talk));
    if (talk == NULL) {
        abort();
    }
    talk->socket = socket;
    talk->role = role;
    talk->ready = true;
    talk->next = conversations;
    conversations = talk;
    net_socket_set_user(socket, talk);
    return talk;
}

void talk_end(struct conversation *talk)
{
    net_socket_close(talk->socket);
    talk->socket = NULL; /* the list is swept at a quiet moment */
}

void talk_sweep(void)
{
    struct conversation **link = &conversations;
    while (*link != NULL) {
        struct conversation *talk = *link;
        if (talk->socket == NULL) {
            *link = talk->next;
            free(talk);
        } else {
            link = &talk->next;
        }
    }
}

void talk_listen(struct net_stack *stack, uint16_t port, enum role role)
{
    struct net_endpoint local = {.port = port};
    struct net_socket *socket;
    enum net_socket_type type = role == ROLE_DATAGRAM ? NET_SOCKET_DATAGRAM : NET_SOCKET_STREAM;
    if (net_socket_open(stack, NET_FAMILY_IPV6, type, &socket) != ERR_OK ||
        net_socket_bind(socket, &local) != ERR_OK ||
        (role != ROLE_DATAGRAM && net_socket_listen(socket, 64) != ERR_OK)) {
        fprintf(stderr, "tap_host: cannot listen on %u\n", port);
        exit(1);
    }
    talk_add(socket, role);
}

static void do_accept(struct conversation *listener, enum role role)
{
    struct net_socket *socket;
    while (net_socket_accept(listener->socket, &socket) == ERR_OK) {
        talk_add(socket, role);
    }
}

static void do_datagrams(struct conversation *talk)
{
    struct net_const_span received;
    struct net_endpoint source;
    struct net_span span;

    while (net_socket_receive_source(talk->socket, &source) == ERR_OK &&
           net_socket_receive_peek(talk->socket, 0, &received) == ERR_OK) {
        if (net_socket_send_reserve(talk->socket, received.length_bytes, &span) == ERR_OK) {
            if (received.length_bytes > 0) {
                memcpy(span.data, received.data, received.length_bytes);
            }
            (void)!net_socket_send_commit(talk->socket, received.length_bytes, &source);
        }
        net_socket_receive_consume(talk->socket, received.length_bytes);
    }
}

/* Sends up to `length` bytes; how many went, or -1 when the connection is broken. */
static int64_t send_some(struct conversation *talk, const uint8_t *data, size_t length)
{
    size_t done = 0;
    while (done < length) {
        struct net_span span;
        enum err error = net_socket_send_reserve(talk->socket, length - done, &span);
        if (error == ERR_AGAIN) {
            break;
        }
        if (error != ERR_OK) {
            return -1;
        }
        size_t take = span.length_bytes < length - done ? span.length_bytes : length - done;
        memcpy(span.data, data + done, take);
        if (net_socket_send_commit(talk->socket, take, NULL) != ERR_OK) {
            return -1;
        }
        done += take;
    }
    return (int64_t)done;
}

static void do_echo(struct conversation *talk)
{
    for (;;) {
        struct net_const_span span;
        enum err error = net_socket_receive_peek(talk->socket, 0, &span);
        if (error == ERR_AGAIN) {
            return;
        }
        if (error != ERR_OK || span.length_bytes == 0) {
            talk_end(talk);
            return;
        }
        int64_t sent = send_some(talk, span.data, span.length_bytes);
        if (sent < 0) {
            talk_end(talk);
            return;
        }
        if (sent == 0) {
            return;
        }
        net_socket_receive_consume(talk->socket, (size_t)sent);
    }
}

/* Takes everything there is; true at the end of the stream, negative errors end it too. */
static bool drain(struct conversation *talk, enum err *error)
{
    struct net_const_span span;
    while ((*error = net_socket_receive_peek(talk->socket, 0, &span)) == ERR_OK) {
        if (span.length_bytes == 0) {
            return true;
        }
        for (size_t i = 0; i < span.length_bytes; i++) {
            talk->sum = talk->sum * 16777619u ^ span.data[i];
        }
        talk->received += span.length_bytes;
        net_socket_receive_consume(talk->socket, span.length_bytes);
    }
    return *error != ERR_AGAIN;
}

static void do_sink(struct conversation *talk)
{
    char line[64];
    enum err error;
    if (!drain(talk, &error)) {
        return;
    }
    if (error == ERR_OK) {
        int length = snprintf(line, sizeof(line), "%" PRIu64 " %08x\n", talk->received, talk->sum);
        (void)send_some(talk, (const uint8_t *)line, (size_t)length);
    }
    talk_end(talk);
}

/* Sends the pattern until the room or the work ends; false when the connection is broken. */
static bool send_pattern(struct conversation *talk)
{
    while (talk->sent < talk->to_send) {
        uint8_t chunk[8192];
        uint64_t left = talk->to_send - talk->sent;
        size_t length = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);
        for (size_t i = 0; i < length; i++) {
            chunk[i] = pattern(talk->sent + i);
        }
        int64_t sent = send_some(talk, chunk, length);
        if (sent < 0) {
            return false;
        }
        talk->sent += (uint64_t)sent;
        if ((size_t)sent < length) {
            break;
        }
    }
    return true;
}

static void do_source(struct conversation *talk)
{
    struct net_const_span span;
    while (!talk->sending_done && net_socket_receive_peek(talk->socket, 0, &span) == ERR_OK) {
        if (span.length_bytes == 0) {
            talk_end(talk);
            return;
        }
        char character = (char)span.data[0];
        net_socket_receive_consume(talk->socket, 1);
        if (character == '\n') {
            talk->to_send = strtoull(talk->line, NULL, 10);
            talk->sending_done = true;
        } else if (talk->line_length < sizeof(talk->line) - 1) {
            talk->line[talk->line_length++] = character;
        }
    }
    if (!send_pattern(talk) || (talk->sending_done && talk->sent == talk->to_send)) {
        talk_end(talk);
    }
}

static void do_client(struct conversation *talk)
{
    int64_t pending;
    enum err error;
    uint32_t events = net_socket_events(talk->socket);

    if ((events & (NET_EVENT_WRITABLE_BIT | NET_EVENT_READABLE_BIT | NET_EVENT_ERROR_BIT)) == 0) {
        return;
    }
    if (!talk->sending_done && (events & NET_EVENT_ERROR_BIT) == 0) {
        if (send_pattern(talk) && talk->sent == talk->to_send) {
            talk->sending_done = true;
            (void)!net_socket_shutdown(talk->socket, NET_SHUTDOWN_WRITE_BIT);
        }
    }
    if ((events & NET_EVENT_ERROR_BIT) != 0 &&
        net_socket_get_option(talk->socket, NET_OPTION_ERROR, &pending) == ERR_OK) {
        printf("connect error=%d\n", (int)pending);
        talk_end(talk);
        return;
    }
    if (drain(talk, &error)) {
        printf("connect error=%d sent=%" PRIu64 " received=%" PRIu64 " sum=%08x\n", (int)error,
               talk->sent, talk->received, talk->sum);
        talk_end(talk);
    }
}

void talk_advance(struct conversation *talk)
{
    switch (talk->role) {
    case ROLE_ECHO_LISTENER:
        do_accept(talk, ROLE_ECHO);
        break;
    case ROLE_SINK_LISTENER:
        do_accept(talk, ROLE_SINK);
        break;
    case ROLE_SOURCE_LISTENER:
        do_accept(talk, ROLE_SOURCE);
        break;
    case ROLE_DATAGRAM:
        do_datagrams(talk);
        break;
    case ROLE_ECHO:
        do_echo(talk);
        break;
    case ROLE_SINK:
        do_sink(talk);
        break;
    case ROLE_SOURCE:
        do_source(talk);
        break;
    case ROLE_CLIENT:
        do_client(talk);
        break;
    }
}
