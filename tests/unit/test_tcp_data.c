/* Data, windows and timers: RFC 9293 §3.8. */
#include "tests/unit/tcp_harness.h"

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define MODERN (WITH_TIMESTAMPS | WITH_SACK | WITH_SCALING)

static void start(void **state, struct peer *peer, unsigned options)
{
    struct tcp_harness *h = *state;

    peer_connect(peer, h, tcp_listener(h, 80, 8), 4000, options);
}

static void test_delayed_ack(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    peer_send(&peer, ACK, 1000);
    tcp_nothing_sent(h);
    tcp_advance(h, 30 * MS);
    tcp_nothing_sent(h);
    tcp_advance(h, 15 * MS);
    EXPECT(tcp_next(h), ACK, peer.ack, 2001, 0);
    peer_send(&peer, ACK, 1000);
    tcp_nothing_sent(h);
    peer_send(&peer, ACK, 1000); /* every second one at once */
    EXPECT(tcp_next(h), ACK, peer.ack, 4001, 0);
}

static void test_answer_carries_ack(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, MODERN);
    peer_send(&peer, ACK | PSH, 100);
    assert_int_equal(socket_read(peer.socket), 100);
    socket_write(peer.socket, 40);
    socket_write(peer.socket, 1000); /* two writes, one segment */
    tcp_nothing_sent(h);
    tcp_poll_now(h);
    EXPECT(tcp_next(h), ACK, peer.ack, 1101, 1040);
    tcp_advance(h, 100 * MS);
    tcp_nothing_sent(h);
}

static void test_holes(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct seg *answer;

    start(state, &peer, MODERN);
    peer_send_at(&peer, ACK, 1101, 100);
    answer = tcp_next(h);
    EXPECT(answer, ACK, peer.ack, 1001, 0);
    assert_int_equal(answer->sack_count, 1);
    assert_int_equal(answer->sack[0], 1101);
    assert_int_equal(answer->sack[1], 1201);
    peer_send_at(&peer, ACK, 1301, 100);
    answer = tcp_next(h);
    assert_int_equal(answer->sack_count, 2);
    assert_int_equal(answer->sack[0], 1301); /* the newest first */
    assert_int_equal(answer->sack[2], 1101);
    peer_send_at(&peer, ACK, 1201, 100);
    answer = tcp_next(h);
    assert_int_equal(answer->sack_count, 1);
    assert_int_equal(answer->sack[0], 1101);
    assert_int_equal(answer->sack[1], 1401);
    assert_int_equal(net_socket_readable_bytes(peer.socket), 0);
    peer_send_at(&peer, ACK, 1001, 150); /* overlaps what is there */
    answer = tcp_next(h);
    EXPECT(answer, ACK, peer.ack, 1401, 0);
    assert_int_equal(answer->sack_count, 0);
    assert_int_equal(socket_read(peer.socket), 400);
    peer_send_at(&peer, ACK, 1001, 100); /* RFC 2883 */
    answer = tcp_next(h);
    EXPECT(answer, ACK, peer.ack, 1401, 0);
    assert_int_equal(answer->sack_count, 1);
    assert_int_equal(answer->sack[0], 1001);
    assert_int_equal(answer->sack[1], 1101);
}

static void test_fin_before_its_data(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    peer_send_at(&peer, FIN | ACK, 1101, 50);
    assert_int_equal(net_socket_events(peer.socket) & NET_EVENT_PEER_CLOSED_BIT, 0);
    peer_send_at(&peer, ACK, 1001, 100);
    assert_int_equal(inner(peer.socket)->status, TCP_CLOSE_WAIT);
    assert_int_equal(h->sent[h->sent_count - 1].ack, 1152);
    assert_int_equal(socket_read(peer.socket), 150);
}

static void test_window_closes_and_opens(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_const_span span;

    start(state, &peer, WITH_NOTHING);
    assert_int_equal(net_socket_set_option(peer.socket, NET_OPTION_RECEIVE_BUFFER, 4000), ERR_OK);
    while (peer.seq < 1001 + 65535) { /* all that the handshake promised */
        uint32_t left = 1001 + 65535 - peer.seq;
        peer_send(&peer, ACK, left < 1000 ? left : 1000);
    }
    assert_int_equal(net_socket_readable_bytes(peer.socket), 65535);
    assert_int_equal(h->sent[h->sent_count - 1].window, 0);
    h->looked_at = h->sent_count;
    peer_send_at(&peer, ACK, peer.seq, 1); /* a probe of one byte */
    EXPECT(tcp_next(h), ACK, peer.ack, peer.seq, 0);
    assert_int_equal(net_socket_readable_bytes(peer.socket), 65535);
    assert_int_equal(net_socket_receive_peek(peer.socket, 0, &span), ERR_OK);
    net_socket_receive_consume(peer.socket, 10);
    tcp_poll_now(h);
    tcp_nothing_sent(h); /* no silly window */
    assert_int_equal(socket_read(peer.socket), 65525);
    tcp_poll_now(h);
    assert_int_equal(tcp_next(h)->window, 4000);
}

static void test_zero_window_probes(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    peer.window = 0;
    peer_send_at(&peer, ACK, peer.seq, 0);
    socket_write(peer.socket, 500);
    tcp_poll_now(h);
    tcp_nothing_sent(h);
    for (int i = 0; i < 30; i++) { /* as long as it answers, for ever */
        tcp_advance(h, 121 * SECOND);
        assert_true(h->sent_count > h->looked_at);
        EXPECT(&h->sent[h->sent_count - 1], ACK, peer.ack - 1, 1001, 0);
        h->sent_count = 0;
        h->looked_at = 0;
        peer_send_at(&peer, ACK, peer.seq, 0);
    }
    assert_int_equal(inner(peer.socket)->status, TCP_ESTABLISHED);
    peer.window = 1000;
    peer_send_at(&peer, ACK, peer.seq, 0);
    EXPECT(tcp_next(h), ACK, peer.ack, 1001, 500);
}

/* Closed by its owner, the window shut for good: it must not stay for ever. */
static void test_orphan_before_shut_window(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    peer.window = 0;
    peer_send_at(&peer, ACK, peer.seq, 0);
    socket_write(peer.socket, 500);
    net_socket_close(peer.socket);
    assert_int_equal(h->stack->tcp->orphan_count, 1);
    for (int i = 0; i < 40 && h->stack->tcp->orphan_count > 0; i++) {
        tcp_advance(h, 121 * SECOND);
        h->sent_count = 0;
        h->looked_at = 0;
        peer_send_at(&peer, ACK, peer.seq, 0);
    }
    assert_int_equal(h->stack->tcp->orphan_count, 0);
}

static void test_shutdown_read_drops(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_const_span span;

    start(state, &peer, MODERN);
    peer_send_at(&peer, ACK, 1101, 100);
    assert_int_equal(net_socket_shutdown(peer.socket, NET_SHUTDOWN_READ_BIT), ERR_OK);
    peer_send_at(&peer, ACK, 1001, 100);
    assert_int_equal(h->sent[h->sent_count - 1].ack, 1201);
    assert_int_equal(net_socket_receive_peek(peer.socket, 0, &span), ERR_OK);
    assert_int_equal(span.length_bytes, 0);
    tcp_advance(h, SECOND);
    h->looked_at = h->sent_count;
    net_socket_close(peer.socket);
    tcp_poll_now(h);
    assert_int_equal(tcp_next(h)->flags, FIN | ACK);
}

static void test_nagle(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    socket_write(peer.socket, 10);
    tcp_poll_now(h);
    EXPECT(tcp_next(h), ACK, peer.ack, 1001, 10);
    socket_write(peer.socket, 20);
    tcp_poll_now(h);
    tcp_nothing_sent(h);
    peer.ack += 10;
    peer_send(&peer, ACK, 0);
    EXPECT(tcp_next(h), ACK, peer.ack, 1001, 20);
    assert_int_equal(net_socket_set_option(peer.socket, NET_OPTION_NO_DELAY, 1), ERR_OK);
    socket_write(peer.socket, 30);
    tcp_poll_now(h);
    EXPECT(tcp_next(h), ACK, peer.ack + 20, 1001, 30);
}

static void test_keep_alive(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_const_span span;

    start(state, &peer, WITH_NOTHING);
    assert_int_equal(net_socket_set_option(peer.socket, NET_OPTION_KEEP_IDLE, 60), ERR_OK);
    assert_int_equal(net_socket_set_option(peer.socket, NET_OPTION_KEEP_INTERVAL, 10), ERR_OK);
    assert_int_equal(net_socket_set_option(peer.socket, NET_OPTION_KEEP_COUNT, 3), ERR_OK);
    tcp_advance(h, 100 * SECOND);
    tcp_nothing_sent(h); /* off by default */
    assert_int_equal(net_socket_set_option(peer.socket, NET_OPTION_KEEP_ALIVE, 1), ERR_OK);
    tcp_advance(h, 61 * SECOND);
    EXPECT(tcp_next(h), ACK, peer.ack - 1, 1001, 0);
    peer_send(&peer, ACK, 0); /* alive */
    tcp_advance(h, 59 * SECOND);
    tcp_nothing_sent(h);
    tcp_advance(h, 60 * SECOND);
    assert_int_equal(h->sent[h->sent_count - 1].flags, RST | ACK);
    assert_int_equal(net_socket_receive_peek(peer.socket, 0, &span), ERR_TIMEDOUT);
}

static void test_answers_keep_alive(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, MODERN);
    peer_send_at(&peer, ACK, peer.seq - 1, 0);
    EXPECT(tcp_next(h), ACK, peer.ack, 1001, 0);
}

static void test_tiny_segments_are_copied_together(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    for (int i = 0; i < 1000; i++) {
        peer_send(&peer, ACK, 1);
    }
    assert_int_equal(net_socket_readable_bytes(peer.socket), 1000);
    assert_true(h->buffer_count <= 1);
    assert_int_equal(socket_read(peer.socket), 1000);
}

static void test_many_holes_are_bounded(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, MODERN);
    for (uint32_t i = 0; i < 300; i++) {
        peer_send_at(&peer, ACK, 1002 + 2 * i, 1);
        h->sent_count = 0;
        h->looked_at = 0;
    }
    assert_int_equal(inner(peer.socket)->range_count, TCP_RANGES_MAX);
}

static void test_send_buffer_limit(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_span span;
    size_t total = 0;
    uint64_t woken;

    start(state, &peer, MODERN);
    assert_int_equal(net_socket_set_option(peer.socket, NET_OPTION_SEND_BUFFER, 30000), ERR_OK);
    while (net_socket_send_reserve(peer.socket, 7000, &span) == ERR_OK) {
        assert_int_equal(net_socket_send_commit(peer.socket, span.length_bytes, NULL), ERR_OK);
        total += span.length_bytes;
    }
    assert_int_equal(total, 30000);
    assert_int_equal(net_socket_events(peer.socket) & NET_EVENT_WRITABLE_BIT, 0);
    tcp_poll_now(h);
    woken = h->wake_count;
    peer.ack += 14000;
    peer_send(&peer, ACK, 0);
    assert_true(net_socket_events(peer.socket) & NET_EVENT_WRITABLE_BIT);
    assert_true(h->wake_count > woken);
}

/* Segments of 1400 bytes, each read after pause_ns; how large the receive buffer became. */
static uint32_t receive_buffer_after(struct tcp_harness *h, struct peer *peer, uint64_t pause_ns)
{
    for (unsigned i = 0; i < 200; i++) {
        peer_send(peer, ACK, 1400);
        tcp_advance(h, pause_ns);
        assert_int_equal(socket_read(peer->socket), 1400);
        tcp_poll_now(h);
        h->sent_count = 0;
        h->looked_at = 0;
    }
    return inner(peer->socket)->receive_limit_bytes;
}

/* A buffer grows with what passes in a round trip, and only while its size is ours to choose. */
static void test_receive_buffer_follows(void **state)
{
    struct tcp_harness *h = *state;
    struct peer slow;
    struct peer fast;
    struct peer fixed;
    struct net_socket *listener = tcp_listener(h, 80, 8);

    peer_connect(&slow, h, listener, 4000, MODERN);
    assert_int_equal(receive_buffer_after(h, &slow, 5 * MS), TCP_BUFFER_INITIAL);
    peer_connect(&fixed, h, listener, 4001, MODERN);
    assert_int_equal(net_socket_set_option(fixed.socket, NET_OPTION_RECEIVE_BUFFER, 50000), ERR_OK);
    assert_int_equal(receive_buffer_after(h, &fixed, 0), 50000);
    peer_connect(&fast, h, listener, 4002, MODERN);
    assert_true(receive_buffer_after(h, &fast, 0) >= 4 * TCP_BUFFER_INITIAL);
    peer_send(&fast, ACK, 1400);
    peer_send(&fast, ACK, 1400);
    uint32_t window = tcp_next(h)->window;
    assert_true(window << inner(fast.socket)->options.receive_shift > 2 * TCP_BUFFER_INITIAL);
}

static void test_send_buffer_follows(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, MODERN);
    for (unsigned round = 0; round < 6; round++) {
        struct net_span span;
        while (net_socket_send_reserve(peer.socket, 1000000, &span) == ERR_OK) {
            assert_int_equal(net_socket_send_commit(peer.socket, span.length_bytes, NULL), ERR_OK);
        }
        tcp_poll_now(h);
        peer.ack = inner(peer.socket)->send_next;
        h->sent_count = 0;
        h->looked_at = 0;
        tcp_advance(h, 20 * MS);
        peer_send(&peer, ACK, 0);
    }
    assert_true(inner(peer.socket)->send_limit_bytes >= 4 * TCP_BUFFER_INITIAL);
    assert_true(inner(peer.socket)->send_limit_bytes >= 2 * inner(peer.socket)->cwnd ||
                inner(peer.socket)->send_limit_bytes == tcp_buffer_maximum(h->stack));
}

/* Memory is scarce: no new connections, no larger buffers; those that are there go on. */
static void test_pressure(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_socket *listener = tcp_listener(h, 80, 8);
    struct seg syn = {.flags = SYN, .seq = 1, .source_port = 9, .destination_port = 80};
    size_t hog_bytes = h->stack->config.memory_limit_bytes / 16 * 13;

    peer_connect(&peer, h, listener, 4000, MODERN);
    h->stack->memory_used_bytes += hog_bytes;
    assert_int_equal(net_pressure(h->stack), NET_PRESSURE_SCARCE);
    inner(peer.socket)->peer->charged_bytes += hog_bytes; /* it is the peer that holds all this */
    tcp_inject(h, &syn);
    tcp_nothing_sent(h);
    assert_int_equal(receive_buffer_after(h, &peer, 0), TCP_BUFFER_INITIAL);
    socket_write(peer.socket, 10);
    tcp_poll_now(h);
    assert_int_equal(tcp_next(h)->length, 10);
    h->stack->memory_used_bytes += h->stack->config.memory_limit_bytes / 16;
    assert_int_equal(net_pressure(h->stack), NET_PRESSURE_EXHAUSTED);
    peer.ack += 10;
    peer_send(&peer, ACK, 1400); /* the next in order was promised */
    assert_int_equal(socket_read(peer.socket), 1400);
    h->stack->memory_used_bytes -= hog_bytes + h->stack->config.memory_limit_bytes / 16;
    inner(peer.socket)->peer->charged_bytes -= hog_bytes;
    tcp_inject(h, &syn);
    assert_int_equal(h->sent[h->sent_count - 1].flags & SYN, SYN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP_TEST(test_delayed_ack),
        TCP_TEST(test_answer_carries_ack),
        TCP_TEST(test_holes),
        TCP_TEST(test_fin_before_its_data),
        TCP_TEST(test_window_closes_and_opens),
        TCP_TEST(test_zero_window_probes),
        TCP_TEST(test_orphan_before_shut_window),
        TCP_TEST(test_shutdown_read_drops),
        TCP_TEST(test_nagle),
        TCP_TEST(test_keep_alive),
        TCP_TEST(test_answers_keep_alive),
        TCP_TEST(test_tiny_segments_are_copied_together),
        TCP_TEST(test_many_holes_are_bounded),
        TCP_TEST(test_send_buffer_limit),
        TCP_TEST(test_receive_buffer_follows),
        TCP_TEST(test_send_buffer_follows),
        TCP_TEST(test_pressure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
