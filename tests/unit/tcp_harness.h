/*
 * One real stack and a peer that the test plays: segments go in one by one, what the stack
 * sends is looked at field by field. For tests of single rules of RFC 9293 and its companions.
 *
 * The peer is 10.0.0.1 (or another, struct tcp_harness.host), the stack 10.0.0.2. Time stands still
 * unless tcp_advance moves it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/socket.h"
#include "net/tcp.h"

#define SENT_MAX 512u
#define MS       1000000ull
#define SECOND   1000000000ull

/* A segment, either way. Options that are absent are false or 0. */
struct seg {
    uint8_t flags;
    uint32_t seq;
    uint32_t ack;
    uint32_t length;
    uint16_t window;
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t mss;
    uint8_t shift; /* +1: present */
    bool sack_ok;
    bool timestamps;
    uint32_t value;
    uint32_t echo;
    uint8_t sack_count;
    uint32_t sack[8];
    bool ect;
    uint8_t first_byte;
    uint64_t time_ns; /* when it was sent */
};

struct tcp_harness {
    struct net_stack *stack;
    struct netdev device;
    uint64_t now_ns;
    uint64_t random_state;
    size_t allocated_bytes;
    size_t buffer_count;
    uint64_t wake_count;
    struct net_packet *held;
    size_t sent_count;
    struct seg sent[SENT_MAX];
    size_t looked_at; /* sent[] below this has been taken by tcp_next */
    bool arp_asked;
    bool arp_silent; /* the peer does not answer ARP any more */
    uint8_t host;    /* segments come from 10.0.0.host; 0: 1 */
    uint8_t arp_host;
    bool ends; /* the stack is being destroyed: what it still sends is taken at once */
};

/* For cmocka's setup and teardown; *state is the harness. */
int tcp_setup(void **state);
int tcp_teardown(void **state);

void tcp_inject(struct tcp_harness *h, const struct seg *segment);
void tcp_advance(struct tcp_harness *h, uint64_t duration_ns);
void tcp_poll_now(struct tcp_harness *h);
/* The next segment that the stack sent; fails the test when there is none. */
struct seg *tcp_next(struct tcp_harness *h);
/* Fails the test when there is a segment that was not taken. */
void tcp_nothing_sent(struct tcp_harness *h);

struct net_socket *tcp_listener(struct tcp_harness *h, uint16_t port, uint32_t backlog);
/* A connection to the stack's port 80 through a whole handshake; peer's numbers from 1000. */
struct peer {
    struct tcp_harness *h;
    uint16_t port;
    uint16_t stack_port;
    uint32_t seq; /* the peer's next */
    uint32_t ack; /* what the peer acknowledges */
    bool timestamps;
    uint32_t value;
    uint32_t echo;
    uint16_t window;
    struct net_socket *socket;
};
enum { WITH_NOTHING = 0, WITH_TIMESTAMPS = 1, WITH_SACK = 2, WITH_SCALING = 4, WITH_ECN = 8 };
void peer_connect(struct peer *peer, struct tcp_harness *h, struct net_socket *listener,
                  uint16_t port, unsigned options);
void peer_send(struct peer *peer, uint8_t flags, uint32_t length);
/* Without moving peer->seq. */
void peer_send_at(struct peer *peer, uint8_t flags, uint32_t seq, uint32_t length);

void socket_write(struct net_socket *socket, size_t length);
/* Reads and drops everything; returns the number of bytes. */
size_t socket_read(struct net_socket *socket);

/* Flags without their prefix, as in the standards' notation. */
enum {
    FIN = TCP_FIN_BIT,
    SYN = TCP_SYN_BIT,
    RST = TCP_RST_BIT,
    PSH = TCP_PSH_BIT,
    ACK = TCP_ACK_BIT
};

/* PSH is a matter of taste and not looked at. */
#define EXPECT(segment, wanted_flags, wanted_seq, wanted_ack, wanted_length)                       \
    do {                                                                                           \
        const struct seg *s_ = (segment);                                                          \
        assert_int_equal(s_->flags & ~PSH, wanted_flags);                                          \
        assert_int_equal(s_->seq, wanted_seq);                                                     \
        assert_int_equal(s_->ack, wanted_ack);                                                     \
        assert_int_equal(s_->length, wanted_length);                                               \
    } while (0)

#define TCP_TEST(name) cmocka_unit_test_setup_teardown(name, tcp_setup, tcp_teardown)

static inline struct tcp_socket *inner(struct net_socket *socket)
{
    return (struct tcp_socket *)socket;
}
