/*
 * Sockets without a network: queues in memory that a test fills and empties by hand.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/socket.h"

#define FAKE_SOCKET_BYTES 4096u

struct net_socket {
    enum net_family family;
    enum net_socket_type type;
    void *user;
    uint32_t extra_events; /* enum net_socket_event, besides what the queues say */
    bool is_listening;
    bool is_connected;
    bool peer_closed;
    uint32_t shut;              /* enum net_shutdown */
    struct net_socket *waiting; /* to be accepted */
    struct net_socket *next_waiting;
    struct net_endpoint local;
    struct net_endpoint remote;
    uint8_t received[FAKE_SOCKET_BYTES];
    size_t received_bytes;
    bool has_datagram;
    uint8_t sent[FAKE_SOCKET_BYTES];
    size_t sent_bytes;
    size_t send_room_bytes;
    struct net_endpoint sent_to;
    enum err error; /* reported once */
    int64_t options[32];
};

/* Live sockets, to see what the WASI layer closes. */
extern size_t fake_socket_count;
/* The last one that net_socket_open made. */
extern struct net_socket *fake_socket_last;
/* What net_socket_connect answers; ERR_OK connects at once. */
extern enum err fake_connect_answer;

/* A connected stream, as accept would hand it out. */
struct net_socket *fake_socket_connected(void);
/* Queues a connection on a listener and wakes it. */
struct net_socket *fake_socket_arrive(struct net_socket *listener);
/* Data arrives; the socket wakes. */
void fake_socket_deliver(struct net_socket *socket, const void *data, size_t size_bytes);
