/* RFC 9293 §3.10 state by state, with RFC 5961, 6191 and 7323: one rule a test. */
#include "tests/unit/tcp_harness.h"

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static void start(void **state, struct peer *peer, unsigned options)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);

    peer_connect(peer, h, listener, 4000, options);
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
    assert_int_equal(syn->flags, SYN | TCP_ECE_BIT | TCP_CWR_BIT);
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
    struct net_endpoint remote;

    assert_int_equal(net_socket_events(socket), 0);
    assert_int_equal(net_socket_remote(socket, &remote), ERR_NOTCONN);
    peer_send(&peer, SYN | ACK, 0);
    EXPECT(tcp_next(h), ACK, peer.ack, 301, 0);
    assert_int_equal(net_socket_remote(socket, &remote), ERR_OK);
    assert_int_equal(remote.port, 7000);
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
    assert_int_equal(net_socket_remote(socket, &(struct net_endpoint){.port = 0}), ERR_NOTCONN);
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

/* RFC 3168 §6.1.1: asked for by our SYN, granted by ECE alone, and not asked for twice. */
static void test_connect_with_ecn(void **state)
{
    static const uint8_t answers[4] = {TCP_ECE_BIT, 0, TCP_CWR_BIT, TCP_ECE_BIT | TCP_CWR_BIT};
    struct tcp_harness *h = *state;

    for (unsigned i = 0; i < 4; i++) {
        struct peer peer;
        struct net_socket *socket = connecting(h, &peer);
        peer_send(&peer, (uint8_t)(SYN | ACK | answers[i]), 0);
        EXPECT(tcp_next(h), ACK, peer.ack, 301, 0);
        assert_int_equal(inner(socket)->options.ecn, i == 0);
        socket_write(socket, 10);
        tcp_poll_now(h);
        assert_int_equal(tcp_next(h)->ect, i == 0);
        tcp_advance(h, 5 * SECOND);
        assert_true(h->sent_count > h->looked_at);
        for (; h->looked_at < h->sent_count; h->looked_at++) {
            assert_false(h->sent[h->looked_at].ect); /* §6.1.5: what is sent again is not marked */
        }
        assert_int_equal(net_socket_set_option(socket, NET_OPTION_LINGER, 0), ERR_OK);
        net_socket_close(socket);
        EXPECT(tcp_next(h), RST | ACK, peer.ack + 10, 301, 0);
    }
    struct peer peer;
    struct net_socket *socket = connecting(h, &peer);
    tcp_advance(h, 1500 * MS);
    EXPECT(tcp_next(h), SYN, peer.ack - 1, 0, 0);
    peer_send(&peer, SYN | ACK | TCP_ECE_BIT, 0);
    assert_false(inner(socket)->options.ecn);
}

static void test_simultaneous_open(void **state)
{
    struct tcp_harness *h = *state;
    struct peer peer;
    struct net_socket *socket = connecting(h, &peer);

    peer_send(&peer, SYN, 0);
    EXPECT(tcp_next(h), SYN | ACK, peer.ack - 1, 301, 0); /* the peer's SYN did not ask for ECN */
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

/* Beyond the bound the oldest goes, and nothing else changes. */
static void test_time_wait_is_bounded(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);

    h->stack->tcp->time_wait_limit = 3;
    for (uint16_t i = 0; i < 5; i++) {
        struct peer peer;
        peer_connect(&peer, h, listener, (uint16_t)(4000 + i), WITH_NOTHING);
        net_socket_close(peer.socket);
        tcp_poll_now(h);
        tcp_next(h);
        peer.ack++;
        peer_send(&peer, FIN | ACK, 0);
        assert_int_equal(tcp_next(h)->flags, ACK);
        assert_int_equal(h->stack->tcp->time_wait_count, i < 3 ? i + 1 : 3);
    }
    assert_int_equal(h->stack->tcp->time_wait_first->entry.remote_port, 4002);
    tcp_advance(h, 61 * SECOND);
    assert_int_equal(h->stack->tcp->table.count, 0);
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
    /* RFC 9293 §3.6.1; with the number that the peer expects, which RFC 5961 §3.2 demands. */
    EXPECT(tcp_next(h), RST, peer.ack, 0, 0);
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
    /* One that acknowledges what was never sent does not move the clock. */
    peer.value = 9000;
    peer.ack += 5000;
    peer_send_at(&peer, ACK, peer.seq, 10);
    peer.ack -= 5000;
    peer.value = 6001;
    assert_int_equal(tcp_next(h)->echo, 6000);
    peer_send(&peer, ACK, 10);
    assert_int_equal(net_socket_readable_bytes(peer.socket), 20);
    peer_send_at(&peer, RST, peer.seq, 0); /* a reset is believed all the same */
    assert_int_equal(inner(peer.socket)->status, TCP_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP_TEST(test_connect),
        TCP_TEST(test_connect_refused),
        TCP_TEST(test_connect_times_out),
        TCP_TEST(test_connect_with_ecn),
        TCP_TEST(test_simultaneous_open),
        TCP_TEST(test_peer_closes_first),
        TCP_TEST(test_time_wait),
        TCP_TEST(test_time_wait_reuse),
        TCP_TEST(test_time_wait_is_bounded),
        TCP_TEST(test_simultaneous_close),
        TCP_TEST(test_fin_wait_2_ends),
        TCP_TEST(test_reset),
        TCP_TEST(test_syn_in_established),
        TCP_TEST(test_ack_of_nothing),
        TCP_TEST(test_close_with_unread_data),
        TCP_TEST(test_linger_zero),
        TCP_TEST(test_data_after_close),
        TCP_TEST(test_paws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
