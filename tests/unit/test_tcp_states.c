/* RFC 9293 §3.10 state by state, with RFC 5961, 6191 and 7323: one rule a test. */
#include "tests/unit/tcp_harness.h"

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

enum {
    FIN = TCP_FIN_BIT,
    SYN = TCP_SYN_BIT,
    RST = TCP_RST_BIT,
    PSH = TCP_PSH_BIT,
    ACK = TCP_ACK_BIT
};

#define EXPECT(segment, wanted_flags, wanted_seq, wanted_ack, wanted_length)                       \
    do {                                                                                           \
        const struct seg *s_ = (segment);                                                          \
        assert_int_equal(s_->flags & ~PSH, wanted_flags);                                          \
        assert_int_equal(s_->seq, wanted_seq);                                                     \
        assert_int_equal(s_->ack, wanted_ack);                                                     \
        assert_int_equal(s_->length, wanted_length);                                               \
    } while (0)

static struct tcp_socket *inner(struct net_socket *socket)
{
    return (struct tcp_socket *)socket;
}

static void start(void **state, struct peer *peer, unsigned options)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);

    peer_connect(peer, h, listener, 4000, options);
}

static void test_closed_port(void **state)
{
    struct tcp_harness *h = *state;
    struct seg segment = {.flags = SYN, .seq = 7, .source_port = 1, .destination_port = 81};

    tcp_inject(h, &segment);
    EXPECT(tcp_next(h), RST | ACK, 0, 8, 0);
    segment =
        (struct seg){.flags = ACK, .seq = 7, .ack = 99, .source_port = 1, .destination_port = 81};
    tcp_inject(h, &segment);
    EXPECT(tcp_next(h), RST, 99, 0, 0);
    segment.flags = RST;
    tcp_inject(h, &segment);
    tcp_nothing_sent(h);
}

static void test_handshake_options(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);
    struct peer peer;

    peer_connect(&peer, h, listener, 4000, WITH_TIMESTAMPS | WITH_SACK | WITH_SCALING);
    assert_int_equal(h->sent[0].mss, 1460);
    assert_true(h->sent[0].sack_ok);
    assert_true(h->sent[0].timestamps);
    assert_int_equal(h->sent[0].echo, 5000);
    assert_true(h->sent[0].shift > 1);
    peer_connect(&peer, h, listener, 4001, WITH_NOTHING);
    assert_false(h->sent[1].sack_ok);
    assert_false(h->sent[1].timestamps);
    assert_int_equal(h->sent[1].shift, 0);
    assert_int_equal(inner(peer.socket)->mss, 1460);
}

static void test_syn_ack_repeats_then_forgets(void **state)
{
    struct tcp_harness *h = *state;
    struct seg syn = {.flags = SYN, .seq = 9, .source_port = 5, .destination_port = 80};

    tcp_listener(h, 80, 8);
    tcp_inject(h, &syn);
    tcp_advance(h, 200 * SECOND);
    assert_int_equal(h->sent_count, 1 + TCP_SYN_ACK_RETRIES);
    assert_int_equal(h->stack->tcp->request_count, 0);
}

static void test_reset_of_request(void **state)
{
    struct tcp_harness *h = *state;
    struct seg segment = {.flags = SYN, .seq = 9, .source_port = 5, .destination_port = 80};

    tcp_listener(h, 80, 8);
    tcp_inject(h, &segment);
    segment.flags = RST;
    segment.seq = 500;
    tcp_inject(h, &segment); /* not the exact number */
    assert_int_equal(h->stack->tcp->request_count, 1);
    segment.seq = 10;
    tcp_inject(h, &segment);
    assert_int_equal(h->stack->tcp->request_count, 0);
}

static void test_data_with_handshake(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);
    struct net_socket *socket;
    struct seg segment = {
        .flags = SYN, .seq = 9, .source_port = 5, .destination_port = 80, .window = 1000};

    tcp_inject(h, &segment);
    segment.flags = ACK;
    segment.seq = 10;
    segment.ack = tcp_next(h)->seq + 1;
    segment.length = 100;
    tcp_inject(h, &segment);
    assert_int_equal(net_socket_events(listener), NET_EVENT_READABLE_BIT);
    assert_int_equal(net_socket_accept(listener, &socket), ERR_OK);
    assert_int_equal(net_socket_readable_bytes(socket), 100);
    assert_int_equal(net_socket_accept(listener, &socket), ERR_AGAIN);
}

static void test_bad_ack_in_handshake(void **state)
{
    struct tcp_harness *h = *state;
    struct seg segment = {.flags = SYN, .seq = 9, .source_port = 5, .destination_port = 80};

    tcp_listener(h, 80, 8);
    tcp_inject(h, &segment);
    tcp_next(h);
    segment.flags = ACK;
    segment.seq = 10;
    segment.ack = 12345;
    tcp_inject(h, &segment);
    EXPECT(tcp_next(h), RST, 12345, 0, 0);
}

static struct net_socket *connecting(struct tcp_harness *h, struct peer *peer)
{
    struct net_endpoint remote = {.address = ip_address_from_ipv4((uint8_t[4]){10, 0, 0, 1}),
                                  .port = 7000};
    struct net_socket *socket;
    struct seg *syn;

    assert_int_equal(net_socket_open(h->stack, NET_FAMILY_IPV4, NET_SOCKET_STREAM, &socket),
                     ERR_OK);
    assert_int_equal(net_socket_events(socket), NET_EVENT_HANGUP_BIT);
    assert_int_equal(net_socket_connect(socket, &remote), ERR_INPROGRESS);
    assert_int_equal(net_socket_connect(socket, &remote), ERR_ALREADY);
    tcp_poll_now(h);
    syn = tcp_next(h);
    assert_int_equal(syn->flags, SYN);
    *peer = (struct peer){.h = h,
                          .port = 7000,
                          .stack_port = syn->source_port,
                          .seq = 300,
                          .ack = syn->seq + 1,
                          .window = 65535,
                          .socket = socket};
    return socket;
}

static void test_connect(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_socket *socket = connecting(h, &peer);

    assert_int_equal(net_socket_events(socket), 0);
    peer_send(&peer, SYN | ACK, 0);
    EXPECT(tcp_next(h), ACK, peer.ack, 301, 0);
    assert_int_equal(net_socket_events(socket), NET_EVENT_WRITABLE_BIT);
    assert_int_equal(net_socket_connect(socket, &(struct net_endpoint){.port = 1}), ERR_ISCONN);
}

static void test_connect_refused(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_socket *socket = connecting(h, &peer);
    int64_t value;

    peer.ack += 5;
    peer_send(&peer, RST | ACK, 0); /* acknowledges what was not sent: ignored */
    assert_int_equal(net_socket_events(socket), 0);
    peer.ack -= 5;
    peer_send(&peer, RST | ACK, 0);
    assert_true(net_socket_events(socket) & NET_EVENT_ERROR_BIT);
    assert_int_equal(net_socket_get_option(socket, NET_OPTION_ERROR, &value), ERR_OK);
    assert_int_equal(value, ERR_CONNREFUSED);
    assert_int_equal(net_socket_get_option(socket, NET_OPTION_ERROR, &value), ERR_OK);
    assert_int_equal(value, ERR_OK);
    net_socket_close(socket);
    assert_int_equal(h->stack->tcp->socket_count, 0);
}

static void test_connect_times_out(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_socket *socket = connecting(h, &peer);
    struct net_const_span span;

    tcp_advance(h, 60 * SECOND);
    assert_int_equal(h->sent_count, 1 + 5); /* 1, 3, 7, 15, 31 s */
    tcp_advance(h, 100 * SECOND);
    assert_int_equal(h->sent_count, 1 + TCP_SYN_RETRIES);
    assert_int_equal(net_socket_receive_peek(socket, 0, &span), ERR_TIMEDOUT);
    assert_int_equal(net_socket_receive_peek(socket, 0, &span), ERR_NOTCONN);
    net_socket_close(socket);
}

static void test_simultaneous_open(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_socket *socket = connecting(h, &peer);

    peer_send(&peer, SYN, 0);
    EXPECT(tcp_next(h), SYN | ACK, peer.ack - 1, 301, 0);
    assert_int_equal(inner(socket)->status, TCP_SYN_RECEIVED);
    peer_send_at(&peer, SYN | ACK, 300, 0);
    assert_int_equal(inner(socket)->status, TCP_ESTABLISHED);
    peer_send(&peer, ACK, 10);
    assert_int_equal(net_socket_readable_bytes(socket), 10);
}

static void test_peer_closes_first(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_const_span span;

    start(state, &peer, WITH_NOTHING);
    peer_send(&peer, FIN | ACK, 3);
    EXPECT(tcp_next(h), ACK, peer.ack, 1005, 0);
    assert_int_equal(net_socket_events(peer.socket),
                     NET_EVENT_READABLE_BIT | NET_EVENT_WRITABLE_BIT | NET_EVENT_PEER_CLOSED_BIT);
    assert_int_equal(socket_read(peer.socket), 3);
    assert_int_equal(net_socket_receive_peek(peer.socket, 0, &span), ERR_OK);
    assert_int_equal(span.length_bytes, 0);
    socket_write(peer.socket, 5); /* half closed: this way still works */
    tcp_poll_now(h);
    EXPECT(tcp_next(h), ACK, peer.ack, 1005, 5);
    net_socket_close(peer.socket);
    tcp_poll_now(h);
    EXPECT(tcp_next(h), FIN | ACK, peer.ack + 5, 1005, 0);
    assert_int_equal(h->stack->tcp->orphan_count, 1);
    peer.ack += 6;
    peer_send(&peer, ACK, 0);
    assert_int_equal(h->stack->tcp->orphan_count, 0);
    assert_int_equal(h->stack->tcp->time_wait_count, 0);
}

/* Through FIN_WAIT_1 and FIN_WAIT_2 into TIME_WAIT. */
static void into_time_wait(void **state, struct peer *peer, unsigned options)
{
    struct tcp_harness *h = *state;

    start(state, peer, options);
    net_socket_close(peer->socket);
    tcp_poll_now(h);
    EXPECT(tcp_next(h), FIN | ACK, peer->ack, 1001, 0);
    peer->ack++;
    peer_send(peer, ACK, 0);
    assert_int_equal(h->stack->tcp->orphan_count, 1);
    peer_send(peer, FIN | ACK, 0);
    EXPECT(tcp_next(h), ACK, peer->ack, 1002, 0);
    assert_int_equal(h->stack->tcp->orphan_count, 0);
    assert_int_equal(h->stack->tcp->time_wait_count, 1);
}

static void test_time_wait(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    into_time_wait(state, &peer, WITH_NOTHING);
    tcp_advance(h, 40 * SECOND);
    peer_send_at(&peer, FIN | ACK, 1001, 0); /* our ACK was lost: start over */
    EXPECT(tcp_next(h), ACK, peer.ack, 1002, 0);
    peer_send_at(&peer, RST, 1002, 0); /* RFC 1337 */
    tcp_advance(h, 40 * SECOND);
    assert_int_equal(h->stack->tcp->time_wait_count, 1);
    tcp_advance(h, 30 * SECOND);
    assert_int_equal(h->stack->tcp->time_wait_count, 0);
    tcp_nothing_sent(h);
}

static void test_time_wait_reuse(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    uint32_t old_next;
    struct seg *answer;

    into_time_wait(state, &peer, WITH_NOTHING);
    old_next = peer.ack;
    peer_send_at(&peer, SYN, 900, 0); /* may be an old duplicate */
    EXPECT(tcp_next(h), ACK, old_next, 1002, 0);
    assert_int_equal(h->stack->tcp->time_wait_count, 1);
    peer_send_at(&peer, SYN, 50000, 0);
    answer = tcp_next(h);
    assert_int_equal(answer->flags, SYN | ACK);
    assert_true(seq_after(answer->seq, old_next));
    assert_int_equal(h->stack->tcp->time_wait_count, 0);
}

static void test_simultaneous_close(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    net_socket_close(peer.socket);
    tcp_poll_now(h);
    EXPECT(tcp_next(h), FIN | ACK, peer.ack, 1001, 0);
    peer_send(&peer, FIN | ACK, 0); /* crosses ours */
    EXPECT(tcp_next(h), ACK, peer.ack + 1, 1002, 0);
    assert_int_equal(h->stack->tcp->orphan_count, 1); /* CLOSING */
    peer.ack++;
    peer_send(&peer, ACK, 0);
    assert_int_equal(h->stack->tcp->time_wait_count, 1);
    assert_int_equal(h->stack->tcp->orphan_count, 0);
}

static void test_fin_wait_2_ends(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    net_socket_close(peer.socket);
    tcp_poll_now(h);
    peer.ack++;
    peer_send(&peer, ACK, 0);
    assert_int_equal(h->stack->tcp->orphan_count, 1);
    tcp_advance(h, 61 * SECOND);
    assert_int_equal(h->stack->tcp->orphan_count, 0);
}

static void test_reset(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_const_span span;

    start(state, &peer, WITH_NOTHING);
    peer_send(&peer, ACK, 7);
    peer_send_at(&peer, RST, peer.seq + 100, 0); /* in the window, not exact: RFC 5961 §3.2 */
    EXPECT(tcp_next(h), ACK, peer.ack, 1008, 0);
    peer_send_at(&peer, RST, peer.seq - 100000, 0);
    tcp_nothing_sent(h);
    assert_int_equal(inner(peer.socket)->status, TCP_ESTABLISHED);
    peer_send_at(&peer, RST, peer.seq, 0);
    tcp_nothing_sent(h);
    assert_int_equal(net_socket_events(peer.socket),
                     NET_EVENT_READABLE_BIT | NET_EVENT_WRITABLE_BIT | NET_EVENT_HANGUP_BIT |
                         NET_EVENT_ERROR_BIT);
    assert_int_equal(net_socket_receive_peek(peer.socket, 0, &span), ERR_OK);
    assert_int_equal(socket_read(peer.socket), 7);
    assert_int_equal(net_socket_events(peer.socket) & NET_EVENT_ERROR_BIT, 0);
    net_socket_close(peer.socket);
    assert_int_equal(h->stack->tcp->socket_count, 1);
}

static void test_syn_in_established(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    peer_send_at(&peer, SYN, peer.seq + 5, 0); /* RFC 5961 §4.2 */
    EXPECT(tcp_next(h), ACK, peer.ack, 1001, 0);
    assert_int_equal(inner(peer.socket)->status, TCP_ESTABLISHED);
}

static void test_ack_of_nothing(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    uint32_t right;

    start(state, &peer, WITH_NOTHING);
    right = peer.ack;
    peer.ack += 1000;
    peer_send_at(&peer, ACK, peer.seq, 10); /* data with an impossible ACK: RFC 5961 §5.2 */
    EXPECT(tcp_next(h), ACK, right, 1001, 0);
    peer.ack = right - 100000;
    peer_send_at(&peer, ACK, peer.seq, 10);
    EXPECT(tcp_next(h), ACK, right, 1001, 0);
    assert_int_equal(net_socket_readable_bytes(peer.socket), 0);
}

static void test_close_with_unread_data(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    peer_send(&peer, ACK, 7);
    net_socket_close(peer.socket);
    assert_int_equal(tcp_next(h)->flags, RST | ACK); /* RFC 2525 §2.17 */
    assert_int_equal(h->stack->tcp->socket_count, 1);
}

static void test_linger_zero(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    assert_int_equal(net_socket_set_option(peer.socket, NET_OPTION_LINGER, 0), ERR_OK);
    net_socket_close(peer.socket);
    assert_int_equal(tcp_next(h)->flags, RST | ACK);
}

static void test_data_after_close(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    net_socket_close(peer.socket);
    tcp_poll_now(h);
    tcp_next(h);
    peer_send(&peer, ACK, 10);
    assert_int_equal(tcp_next(h)->flags, RST | ACK);
    assert_int_equal(h->stack->tcp->orphan_count, 0);
}

static void test_paws(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_TIMESTAMPS);
    peer.value = 6000;
    peer_send(&peer, ACK, 10);
    peer.value = 5500; /* RFC 7323 §5 */
    peer_send_at(&peer, ACK, peer.seq, 10);
    assert_int_equal(net_socket_readable_bytes(peer.socket), 10);
    assert_int_equal(tcp_next(h)->flags, ACK);
    peer_send_at(&peer, RST, peer.seq, 0); /* a reset is believed all the same */
    assert_int_equal(inner(peer.socket)->status, TCP_CLOSED);
}

static void test_backlog(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 1);
    struct seg syn = {.flags = SYN, .seq = 1, .destination_port = 80, .source_port = 9};
    struct net_socket *socket;
    struct seg ack;

    tcp_inject(h, &syn);
    ack = (struct seg){.flags = ACK,
                       .seq = 2,
                       .ack = tcp_next(h)->seq + 1,
                       .destination_port = 80,
                       .source_port = 9};
    tcp_inject(h, &ack);
    syn.source_port = 10;
    tcp_inject(h, &syn);
    tcp_nothing_sent(h); /* full: silence makes the client try again */
    assert_int_equal(net_socket_accept(listener, &socket), ERR_OK);
    tcp_inject(h, &syn);
    assert_int_equal(tcp_next(h)->flags, SYN | ACK);
}

static void test_listener_closes(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);
    struct seg syn = {.flags = SYN, .seq = 1, .destination_port = 80, .source_port = 9};
    struct seg ack;

    tcp_inject(h, &syn);
    ack = (struct seg){.flags = ACK,
                       .seq = 2,
                       .ack = tcp_next(h)->seq + 1,
                       .destination_port = 80,
                       .source_port = 9};
    tcp_inject(h, &ack); /* waits for accept */
    syn.source_port = 10;
    tcp_inject(h, &syn); /* a request */
    tcp_next(h);
    net_socket_close(listener);
    assert_int_equal(tcp_next(h)->flags, RST | ACK);
    assert_int_equal(h->stack->tcp->request_count, 0);
    assert_int_equal(h->stack->tcp->socket_count, 0);
    assert_int_equal(h->stack->tcp->table.count, 0);
}

static void test_syn_cookies(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);
    struct net_socket *socket;
    struct seg syn = {.flags = SYN,
                      .seq = 1,
                      .destination_port = 80,
                      .mss = 1460,
                      .sack_ok = true,
                      .shift = 8,
                      .timestamps = true,
                      .value = 77,
                      .window = 1000};
    struct seg ack;
    const struct seg *answer = NULL;

    for (uint32_t i = 0; i < 1100; i++) {
        syn.source_port = (uint16_t)(2000 + i);
        tcp_inject(h, &syn);
        answer = tcp_next(h);
        assert_int_equal(answer->flags, SYN | ACK);
        ack = (struct seg){.flags = ACK,
                           .seq = 2,
                           .ack = answer->seq + 1,
                           .window = 1000,
                           .destination_port = 80,
                           .source_port = syn.source_port,
                           .timestamps = true,
                           .value = 78,
                           .echo = answer->value};
        h->sent_count = 0;
        h->looked_at = 0;
    }
    assert_true(h->stack->tcp->statistics.cookies_sent > 0);
    assert_true(h->stack->tcp->request_count <= 1024);
    ack.ack++;
    tcp_inject(h, &ack); /* a guess */
    assert_int_equal(tcp_next(h)->flags, RST);
    assert_int_equal(net_socket_accept(listener, &socket), ERR_AGAIN);
    ack.ack--;
    ack.length = 5;
    tcp_inject(h, &ack);
    assert_int_equal(net_socket_accept(listener, &socket), ERR_OK);
    assert_int_equal(net_socket_readable_bytes(socket), 5);
    assert_true(inner(socket)->options.sack);
    assert_int_equal(inner(socket)->options.send_shift, 7);
    assert_int_equal(inner(socket)->send_window, 1000 << 7);
    assert_int_equal(inner(socket)->mss, 1460);
}

static void test_addresses(void **state)
{
    struct tcp_harness *h = *state;
    struct net_endpoint local = {.port = 80};
    struct net_endpoint elsewhere = {.address = ip_address_from_ipv4((uint8_t[4]){1, 2, 3, 4})};
    struct net_socket *one = tcp_listener(h, 80, 8);
    struct net_socket *two;
    struct net_socket *six;

    assert_int_equal(net_socket_open(h->stack, NET_FAMILY_IPV4, NET_SOCKET_STREAM, &two), ERR_OK);
    assert_int_equal(net_socket_set_option(two, NET_OPTION_REUSE_ADDRESS, 1), ERR_OK);
    assert_int_equal(net_socket_bind(two, &local), ERR_ADDRINUSE);
    assert_int_equal(net_socket_bind(two, &elsewhere), ERR_ADDRNOTAVAIL);
    local.port = 0;
    assert_int_equal(net_socket_bind(two, &local), ERR_OK);
    assert_int_equal(net_socket_bind(two, &local), ERR_INVAL);
    net_socket_local(two, &local);
    assert_true(local.port >= 32768);
    assert_int_equal(net_socket_open(h->stack, NET_FAMILY_IPV6, NET_SOCKET_STREAM, &six), ERR_OK);
    local = (struct net_endpoint){.port = 80};
    assert_int_equal(net_socket_bind(six, &local), ERR_ADDRINUSE); /* would serve IPv4, too */
    assert_int_equal(net_socket_set_option(six, NET_OPTION_IPV6_ONLY, 1), ERR_OK);
    assert_int_equal(net_socket_bind(six, &local), ERR_OK);
    net_socket_close(one);
    assert_int_equal(net_socket_accept(six, &one), ERR_INVAL);
}

static void test_loopback(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);
    struct net_endpoint remote = {.address = ip_address_from_ipv4((uint8_t[4]){127, 0, 0, 1}),
                                  .port = 80};
    struct net_socket *client;
    struct net_socket *server;
    size_t received = 0;

    assert_int_equal(net_socket_open(h->stack, NET_FAMILY_IPV4, NET_SOCKET_STREAM, &client),
                     ERR_OK);
    assert_int_equal(net_socket_connect(client, &remote), ERR_INPROGRESS);
    tcp_poll_now(h);
    assert_int_equal(net_socket_accept(listener, &server), ERR_OK);
    for (int i = 0; i < 100; i++) {
        struct net_span span;
        if (net_socket_send_reserve(client, 10000, &span) == ERR_OK) {
            memset(span.data, 1, span.length_bytes);
            assert_int_equal(net_socket_send_commit(client, span.length_bytes, NULL), ERR_OK);
            received -= span.length_bytes;
        }
        tcp_poll_now(h);
        received += socket_read(server);
    }
    tcp_advance(h, SECOND);
    received += socket_read(server);
    assert_int_equal(received, 0);
    tcp_nothing_sent(h);
    net_socket_close(client);
    net_socket_close(server);
    net_socket_close(listener);
    tcp_advance(h, 70 * SECOND);
    assert_int_equal(h->stack->tcp->table.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tcp_setup, tcp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_closed_port),
        TEST(test_handshake_options),
        TEST(test_syn_ack_repeats_then_forgets),
        TEST(test_reset_of_request),
        TEST(test_data_with_handshake),
        TEST(test_bad_ack_in_handshake),
        TEST(test_connect),
        TEST(test_connect_refused),
        TEST(test_connect_times_out),
        TEST(test_simultaneous_open),
        TEST(test_peer_closes_first),
        TEST(test_time_wait),
        TEST(test_time_wait_reuse),
        TEST(test_simultaneous_close),
        TEST(test_fin_wait_2_ends),
        TEST(test_reset),
        TEST(test_syn_in_established),
        TEST(test_ack_of_nothing),
        TEST(test_close_with_unread_data),
        TEST(test_linger_zero),
        TEST(test_data_after_close),
        TEST(test_paws),
        TEST(test_backlog),
        TEST(test_listener_closes),
        TEST(test_syn_cookies),
        TEST(test_addresses),
        TEST(test_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
