/* Loss and congestion: RFC 5681, 6298, 2018, 6582, 8985, 3168, 3522. */
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

/* Closed by its owner, the peer gone: about 100 s, however long the retransmission time is. */
static void test_orphan_without_peer(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;

    start(state, &peer, WITH_NOTHING);
    inner(peer.socket)->rto_us = 1000000;
    net_socket_close(peer.socket);
    tcp_advance(h, 99 * SECOND);
    assert_int_equal(h->stack->tcp->orphan_count, 1);
    tcp_advance(h, 30 * SECOND);
    assert_int_equal(h->stack->tcp->orphan_count, 0);
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

/* Nothing larger than 1024 bytes arrives, and no router says so (RFC 2923 §2.1). */
static void test_black_hole(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    uint32_t size;
    uint32_t done = 0;

    start(state, &peer, MODERN);
    ten_segments(h, &peer, &size);
    assert_true(size > 1024);
    for (unsigned i = 0; i < 2000 && inner(peer.socket)->send_una != inner(peer.socket)->send_end;
         i++) {
        tcp_advance(h, 20 * MS);
        for (; h->looked_at < h->sent_count; h->looked_at++) {
            const struct seg *sent = &h->sent[h->looked_at];
            if (sent->length + 52 <= 1024 && sent->seq == peer.ack) {
                peer.ack += sent->length;
                done += sent->length;
            }
        }
        peer_send(&peer, ACK, 0);
    }
    assert_int_equal(done, 10 * size);
    assert_true(h->now_ns < 1010 * SECOND);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP_TEST(test_retransmission_gives_up),
        TCP_TEST(test_user_timeout),
        TCP_TEST(test_orphan_without_peer),
        TCP_TEST(test_fast_retransmit_without_sack),
        TCP_TEST(test_sack_recovery),
        TCP_TEST(test_nonsense_sack),
        TCP_TEST(test_tail_loss_probe),
        TCP_TEST(test_spurious_timeout_is_undone),
        TCP_TEST(test_ecn),
        TCP_TEST(test_path_mtu),
        TCP_TEST(test_black_hole),
        TCP_TEST(test_slow_start_then_cubic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
