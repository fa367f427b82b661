/* Data, windows, timers and loss recovery: RFC 9293 §3.8, 5681, 6298, 2018, 8985, 3168. */
#include "tests/unit/tcp_harness.h"

#include <stdarg.h>
#include <setjmp.h>

#include <cmocka.h>

enum { FIN = TCP_FIN_BIT, RST = TCP_RST_BIT, PSH = TCP_PSH_BIT, ACK = TCP_ACK_BIT };
#define MODERN (WITH_TIMESTAMPS | WITH_SACK | WITH_SCALING)

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

    peer_connect(peer, h, tcp_listener(h, 80, 8), 4000, options);
}

static void peer_sack(struct peer *peer, unsigned count, const uint32_t *blocks)
{
    struct seg segment = {.flags = ACK,
                          .seq = peer->seq,
                          .ack = peer->ack,
                          .window = peer->window,
                          .source_port = peer->port,
                          .destination_port = peer->stack_port,
                          .timestamps = peer->timestamps,
                          .value = peer->value,
                          .echo = peer->echo,
                          .sack_count = (uint8_t)count};
    for (unsigned i = 0; i < 2 * count; i++) {
        segment.sack[i] = blocks[i];
    }
    tcp_inject(peer->h, &segment);
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

static void test_retransmission_gives_up(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_const_span span;
    uint64_t first_ns;

    start(state, &peer, WITH_NOTHING);
    socket_write(peer.socket, 10);
    tcp_poll_now(h);
    tcp_next(h);
    first_ns = h->now_ns;
    while (h->sent_count == h->looked_at) {
        tcp_advance(h, MS);
    }
    EXPECT(tcp_next(h), ACK, peer.ack, 1001, 10);
    assert_true(h->now_ns - first_ns >= 200 * MS);
    tcp_advance(h, 3000 * SECOND);
    assert_int_equal(h->sent_count, 2 + TCP_RETRIES);
    assert_int_equal(net_socket_receive_peek(peer.socket, 0, &span), ERR_TIMEDOUT);
    assert_true(net_socket_events(peer.socket) & NET_EVENT_HANGUP_BIT);
}

static void test_user_timeout(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    assert_int_equal(net_socket_set_option(peer.socket, NET_OPTION_USER_TIMEOUT, 5000), ERR_OK);
    socket_write(peer.socket, 10);
    tcp_advance(h, 4 * SECOND);
    assert_int_equal(inner(peer.socket)->status, TCP_ESTABLISHED);
    tcp_advance(h, 10 * SECOND);
    assert_int_equal(inner(peer.socket)->status, TCP_CLOSED);
}

/* Sends ten segments; the peer's numbers stay. */
static void ten_segments(struct tcp_harness *h, struct peer *peer, uint32_t *size)
{
    *size = tcp_payload_mss(inner(peer->socket));
    socket_write(peer->socket, 10 * *size);
    tcp_poll_now(h);
    for (uint32_t i = 0; i < 10; i++) {
        EXPECT(tcp_next(h), ACK, peer->ack + i * *size, 1001, *size);
    }
    tcp_nothing_sent(h);
    tcp_advance(h, 10 * MS);
}

static void test_fast_retransmit_without_sack(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    uint32_t size;

    start(state, &peer, WITH_NOTHING);
    ten_segments(h, &peer, &size);
    peer.ack += 2 * size;
    peer_send(&peer, ACK, 0);
    peer_send(&peer, ACK, 0);
    peer_send(&peer, ACK, 0);
    tcp_nothing_sent(h);
    peer_send(&peer, ACK, 0); /* the third duplicate */
    EXPECT(tcp_next(h), ACK, peer.ack, 1001, size);
    tcp_nothing_sent(h);
    peer.ack += 3 * size; /* partial: RFC 6582 */
    peer_send(&peer, ACK, 0);
    EXPECT(tcp_next(h), ACK, peer.ack, 1001, size);
    peer.ack += 5 * size;
    peer_send(&peer, ACK, 0);
    assert_int_equal(inner(peer.socket)->recovery, TCP_RECOVERY_NONE);
    assert_true(inner(peer.socket)->cwnd < 10 * size);
    tcp_nothing_sent(h);
}

static void test_sack_recovery(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    uint32_t size;
    uint32_t una;

    start(state, &peer, MODERN);
    ten_segments(h, &peer, &size);
    una = peer.ack;
    peer_sack(&peer, 1, (uint32_t[]){una + size, una + 2 * size});
    peer_sack(&peer, 1, (uint32_t[]){una + size, una + 3 * size});
    tcp_nothing_sent(h);
    peer_sack(&peer, 2, (uint32_t[]){una + 4 * size, una + 5 * size, una + size, una + 3 * size});
    EXPECT(tcp_next(h), ACK, una, 1001, size); /* two lost segments, both known */
    peer_sack(&peer, 2, (uint32_t[]){una + 4 * size, una + 10 * size, una + size, una + 3 * size});
    EXPECT(tcp_next(h), ACK, una + 3 * size, 1001, size);
    tcp_nothing_sent(h);
    tcp_advance(h, 5 * MS);
    peer.ack = una + 10 * size;
    peer_send(&peer, ACK, 0);
    assert_int_equal(inner(peer.socket)->recovery, TCP_RECOVERY_NONE);
    assert_int_equal(inner(peer.socket)->sacked_bytes, 0);
    assert_null(inner(peer.socket)->record_first);
}

static void test_nonsense_sack(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    uint32_t size;
    uint32_t una;

    start(state, &peer, MODERN);
    ten_segments(h, &peer, &size);
    una = peer.ack;
    peer_sack(&peer, 3,
              (uint32_t[]){una + 2 * size, una + size, una + 5 * size, una + 90 * size, una + 1,
                           una + 2});
    peer_sack(&peer, 2, (uint32_t[]){0, UINT32_MAX, una - 5, una + 3 * size});
    assert_int_equal(inner(peer.socket)->sacked_bytes, 0);
    tcp_nothing_sent(h);
}

static void test_tail_loss_probe(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    uint32_t size;
    uint32_t una;

    start(state, &peer, MODERN);
    ten_segments(h, &peer, &size);
    una = peer.ack;
    peer.ack += 7 * size; /* three at the end are missing: nothing tells but a probe */
    peer.echo += 10;
    peer.value += 10;
    peer_send(&peer, ACK, 0);
    tcp_nothing_sent(h);
    tcp_advance(h, 60 * MS); /* well before the time-out */
    EXPECT(tcp_next(h), ACK, una + 9 * size, 1001, size);
    assert_int_equal(h->stack->tcp->statistics.loss_probes, 1);
    peer.echo = h->sent[h->sent_count - 1].value;
    peer_sack(&peer, 1, (uint32_t[]){una + 9 * size, una + 10 * size});
    tcp_advance(h, 30 * MS);
    EXPECT(tcp_next(h), ACK, una + 7 * size, 1001, size);
    assert_int_equal(h->stack->tcp->statistics.timeouts, 0);
}

static void test_spurious_timeout_is_undone(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    uint32_t size;
    uint32_t cwnd;
    uint32_t echo;

    start(state, &peer, WITH_TIMESTAMPS);
    ten_segments(h, &peer, &size);
    echo = h->sent[h->sent_count - 1].value;
    cwnd = inner(peer.socket)->cwnd;
    while (h->stack->tcp->statistics.timeouts == 0) {
        tcp_advance(h, 10 * MS);
    }
    assert_int_equal(inner(peer.socket)->cwnd, size);
    peer.echo = echo; /* the original arrived, only late (RFC 3522) */
    peer.ack += 10 * size;
    peer_send(&peer, ACK, 0);
    assert_true(inner(peer.socket)->cwnd >= cwnd);
    assert_int_equal(h->stack->tcp->statistics.undone, 1);
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

static void test_ecn(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    uint32_t size;
    uint32_t cwnd;
    struct seg marked;

    start(state, &peer, MODERN | WITH_ECN);
    assert_true(h->sent[0].flags & TCP_ECE_BIT);
    ten_segments(h, &peer, &size);
    assert_true(h->sent[h->sent_count - 1].ect);
    cwnd = inner(peer.socket)->cwnd;
    peer.ack += size;
    peer_send(&peer, ACK | TCP_ECE_BIT, 0);
    assert_true(inner(peer.socket)->cwnd < cwnd);
    cwnd = inner(peer.socket)->cwnd;
    peer.ack += size;
    peer_send(&peer, ACK | TCP_ECE_BIT, 0); /* once a round trip */
    assert_true(inner(peer.socket)->cwnd >= cwnd);
    marked = (struct seg){.flags = ACK,
                          .seq = peer.seq,
                          .ack = peer.ack,
                          .length = 10,
                          .window = peer.window,
                          .source_port = peer.port,
                          .destination_port = 80,
                          .timestamps = true,
                          .value = peer.value,
                          .echo = peer.echo,
                          .ect = true};
    peer.seq += 10;
    tcp_inject(h, &marked);
    assert_true(h->sent[h->sent_count - 1].flags & TCP_ECE_BIT);
    peer_send(&peer, ACK | TCP_CWR_BIT, 10);
    tcp_advance(h, 50 * MS);
    assert_false(h->sent[h->sent_count - 1].flags & TCP_ECE_BIT);
}

static void test_path_mtu(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    uint32_t size;
    struct ip_error error;

    start(state, &peer, WITH_NOTHING);
    ten_segments(h, &peer, &size);
    error = (struct ip_error){.report = IP_REPORT_TOO_BIG,
                              .source = inner(peer.socket)->entry.local,
                              .destination = inner(peer.socket)->entry.remote,
                              .source_port = 80,
                              .destination_port = 4000,
                              .sequence = peer.ack + 1000000,
                              .mtu_bytes = 1000};
    tcp_error(h->stack, &error); /* not about anything in flight: RFC 5927 */
    tcp_poll_now(h);
    tcp_nothing_sent(h);
    error.sequence = peer.ack;
    tcp_error(h->stack, &error);
    tcp_poll_now(h);
    assert_int_equal(inner(peer.socket)->mss, 960);
    EXPECT(tcp_next(h), ACK, peer.ack, 1001, 960);
}

static void test_slow_start_then_cubic(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    uint32_t size;

    start(state, &peer, MODERN);
    ten_segments(h, &peer, &size);
    assert_int_equal(inner(peer.socket)->cwnd, 10 * size);
    peer.ack += 10 * size;
    peer_send(&peer, ACK, 0);
    assert_int_equal(inner(peer.socket)->cwnd, 20 * size);
    tcp_advance(h, 5 * SECOND); /* RFC 5681 §4.1 */
    socket_write(peer.socket, 1);
    tcp_poll_now(h);
    assert_int_equal(inner(peer.socket)->cwnd, 10 * size);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, tcp_setup, tcp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_delayed_ack),
        TEST(test_answer_carries_ack),
        TEST(test_holes),
        TEST(test_fin_before_its_data),
        TEST(test_window_closes_and_opens),
        TEST(test_zero_window_probes),
        TEST(test_orphan_before_shut_window),
        TEST(test_shutdown_read_drops),
        TEST(test_nagle),
        TEST(test_retransmission_gives_up),
        TEST(test_user_timeout),
        TEST(test_fast_retransmit_without_sack),
        TEST(test_sack_recovery),
        TEST(test_nonsense_sack),
        TEST(test_tail_loss_probe),
        TEST(test_spurious_timeout_is_undone),
        TEST(test_keep_alive),
        TEST(test_answers_keep_alive),
        TEST(test_ecn),
        TEST(test_path_mtu),
        TEST(test_slow_start_then_cubic),
        TEST(test_tiny_segments_are_copied_together),
        TEST(test_many_holes_are_bounded),
        TEST(test_send_buffer_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
