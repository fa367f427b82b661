/*
 * Sockets: what applications (through wasi/) see of the TCP/IP stack. TCP and UDP, IPv4
 * and IPv6 stand behind one type, and nothing here ever blocks: a call that
 * cannot proceed answers ERR_AGAIN (or ERR_INPROGRESS), and hooks.wake (net.h) tells when it is
 * worth to ask again.
 *
 * Data crosses as spans of kernel memory, so that net/ never sees a guest address: the
 * caller asks for writable memory, fills it and commits it; it looks at received memory in place
 * and consumes it. A span stays valid until the next call on the same socket or the next
 * net_stack_poll, whichever comes first.
 *
 * Ownership: net_socket_open and _accept hand a socket to the caller, net_socket_close takes
 * it back; the connection behind it may live on (FIN, TIME_WAIT), invisibly.
 * Context: normal kernel context, never re-entered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "net/ip.h"
#include "net/net.h"

enum net_family { NET_FAMILY_IPV4 = 4, NET_FAMILY_IPV6 = 6 };
enum net_socket_type { NET_SOCKET_STREAM, NET_SOCKET_DATAGRAM };

/* One end: IPv4 addresses in the mapped form of ip.h, all zero = any; port in host order. */
struct net_endpoint {
    struct ip_address address;
    uint16_t port;
};

struct net_span {
    uint8_t *data;
    size_t length_bytes;
};
struct net_const_span {
    const uint8_t *data;
    size_t length_bytes;
};

enum net_socket_event {
    NET_EVENT_READABLE_BIT = 1u << 0, /* data, a connection to accept, end of stream or an error */
    NET_EVENT_WRITABLE_BIT = 1u << 1, /* room to send, or sending fails at once */
    NET_EVENT_PEER_CLOSED_BIT = 1u << 2, /* the peer sent FIN: reads end after the queued data */
    NET_EVENT_HANGUP_BIT = 1u << 3,      /* neither direction works any more */
    NET_EVENT_ERROR_BIT = 1u << 4,       /* NET_OPTION_ERROR has something to tell */
};

enum net_shutdown { NET_SHUTDOWN_READ_BIT = 1u << 0, NET_SHUTDOWN_WRITE_BIT = 1u << 1 };

/* Booleans are 0 and 1. [ro]: cannot be set. */
enum net_socket_option {
    NET_OPTION_REUSE_ADDRESS,
    NET_OPTION_TYPE,           /* [ro] enum net_socket_type */
    NET_OPTION_ERROR,          /* [ro] enum err of the pending error; reading clears it */
    NET_OPTION_BROADCAST,      /* datagram sockets may send to broadcast addresses */
    NET_OPTION_SEND_BUFFER,    /* bytes; setting it ends auto-tuning */
    NET_OPTION_RECEIVE_BUFFER, /* bytes; setting it ends auto-tuning */
    NET_OPTION_KEEP_ALIVE,
    NET_OPTION_KEEP_IDLE,     /* seconds before the first probe */
    NET_OPTION_KEEP_INTERVAL, /* seconds between probes */
    NET_OPTION_KEEP_COUNT,    /* unanswered probes before the connection is dropped */
    NET_OPTION_LINGER,        /* seconds, -1 = off; 0 makes close send RST */
    NET_OPTION_RECEIVE_LOW,   /* bytes that make the socket READABLE; at least 1 */
    NET_OPTION_ACCEPTING,     /* [ro] whether the socket listens */
    NET_OPTION_NO_DELAY,      /* turns Nagle's algorithm off */
    NET_OPTION_USER_TIMEOUT,  /* ms that sent data may stay unacknowledged; 0 = default */
    NET_OPTION_IPV6_ONLY,     /* an IPv6 socket does not serve IPv4 */
    NET_OPTION_HOP_LIMIT,     /* of sent packets, 1..255 */
    NET_OPTION_SEGMENT_BYTES, /* [ro] TCP: effective maximum segment size */
};

/*
 * Errors: ERR_NOBUFS when memory_limit_bytes does not allow another socket. The new socket is
 * unbound and reports no events but WRITABLE (datagram) or HANGUP (stream).
 */
enum err net_socket_open(struct net_stack *stack, enum net_family family, enum net_socket_type type,
                         struct net_socket **out) WARN_UNUSED;

/*
 * Gives the socket back. Queued data still goes out, then FIN (RST if received data was never
 * read, or with linger 0). The pointer is dead afterwards; no more wake calls come for it.
 */
void net_socket_close(struct net_socket *socket);

/* A pointer of the caller's, NULL at first; accepted sockets start with NULL too. */
void *net_socket_user(const struct net_socket *socket);
void net_socket_set_user(struct net_socket *socket, void *user);

enum net_family net_socket_family(const struct net_socket *socket);
enum net_socket_type net_socket_type(const struct net_socket *socket);

/* ERR_ADDRINUSE, ERR_ADDRNOTAVAIL (not ours), ERR_AFNOSUPPORT, ERR_INVAL (bound already). */
enum err net_socket_bind(struct net_socket *socket, const struct net_endpoint *local) WARN_UNUSED;

/* Binds to a free port first where needed. Calling it again changes the backlog. */
enum err net_socket_listen(struct net_socket *socket, uint32_t backlog) WARN_UNUSED;

/* ERR_AGAIN when nothing waits, ERR_INVAL when the socket does not listen. */
enum err net_socket_accept(struct net_socket *socket, struct net_socket **out) WARN_UNUSED;

/*
 * Streams: ERR_INPROGRESS, then WRITABLE (connected) or ERROR; ERR_ALREADY while it lasts,
 * ERR_ISCONN afterwards; ERR_NOBUFS when memory has run out. Datagrams: sets the peer, ERR_OK at
 * once; a zero port dissolves it.
 */
enum err net_socket_connect(struct net_socket *socket,
                            const struct net_endpoint *remote) WARN_UNUSED;

/* `how` is a set of enum net_shutdown. ERR_NOTCONN. */
enum err net_socket_shutdown(struct net_socket *socket, uint32_t how) WARN_UNUSED;

/*
 * The local end is all zero while unbound. The remote end: ERR_NOTCONN, also while a stream still
 * connects: programs take it as the sign that the connection stands.
 */
void net_socket_local(const struct net_socket *socket, struct net_endpoint *out);
enum err net_socket_remote(const struct net_socket *socket, struct net_endpoint *out) WARN_UNUSED;

/* ERR_NOPROTOOPT: not an option of this type of socket. ERR_INVAL: bad value. */
enum err net_socket_set_option(struct net_socket *socket, enum net_socket_option option,
                               int64_t value) WARN_UNUSED;
enum err net_socket_get_option(struct net_socket *socket, enum net_socket_option option,
                               int64_t *out) WARN_UNUSED;

/* The current readiness, a set of enum net_socket_event; costs a few instructions. */
uint32_t net_socket_events(const struct net_socket *socket);
/* Bytes that can be received now: of the stream, or of the first datagram. */
size_t net_socket_readable_bytes(const struct net_socket *socket);
/* Streams: bytes that send_reserve could give out now. Datagrams: largest payload, or 0. */
size_t net_socket_writable_bytes(const struct net_socket *socket);

/*
 * Sending. Reserve gives writable memory: for streams 1..want_bytes bytes (often
 * fewer; call again after commit for more), for datagrams exactly want_bytes. Reserving
 * changes nothing; the next reserve may give the same memory. Commit sends the first
 * length_bytes of it; streams ignore `destination`, datagrams need it unless connected.
 *
 * ERR_AGAIN: no room (or still connecting); WRITABLE will be reported. ERR_PIPE: sending has
 * ended. ERR_NOTCONN. Datagrams: ERR_MSGSIZE, ERR_DESTADDRREQ, ERR_ACCES (broadcast not
 * allowed), ERR_NETUNREACH. A pending error (reset,
 * timed out, refused) is returned once, like NET_OPTION_ERROR.
 */
enum err net_socket_send_reserve(struct net_socket *socket, size_t want_bytes,
                                 struct net_span *out) WARN_UNUSED;
enum err net_socket_send_commit(struct net_socket *socket, size_t length_bytes,
                                const struct net_endpoint *destination) WARN_UNUSED;

/*
 * The short way of a stream that needs no way round: `length_bytes` of room while nothing else
 * waits to be sent or acknowledged, or NULL, which changes nothing: reserve and commit, then. What
 * was written there goes with put_end.
 */
void *net_socket_put_begin(struct net_socket *socket, size_t length_bytes);
void net_socket_put_end(struct net_socket *socket, size_t length_bytes);
/*
 * The same for receiving: false, with nothing changed, unless all that can be received lies in
 * one piece. take_end consumes that piece.
 */
bool net_socket_take_begin(const struct net_socket *socket, struct net_const_span *out);
void net_socket_take_end(struct net_socket *socket);

/*
 * Receiving. Peek shows the contiguous memory that holds the byte `offset_bytes` after the read
 * position (of the stream, or in the first datagram) up to the end of that part; ask again with a
 * larger offset, or after consuming, for what follows. ERR_OK with length 0: end of stream
 * (streams), or no byte at this offset (datagrams; an empty datagram at offset 0). ERR_AGAIN:
 * nothing has arrived. Pending errors as with sending, after all queued data.
 * Consume advances a stream by length_bytes (at most what is readable); for a datagram socket it
 * drops the whole first datagram, whatever length_bytes says.
 */
enum err net_socket_receive_peek(struct net_socket *socket, size_t offset_bytes,
                                 struct net_const_span *out) WARN_UNUSED;
void net_socket_receive_consume(struct net_socket *socket, size_t length_bytes);
/* The sender of the first queued datagram; ERR_AGAIN when there is none. Streams: the peer. */
enum err net_socket_receive_source(struct net_socket *socket, struct net_endpoint *out) WARN_UNUSED;
