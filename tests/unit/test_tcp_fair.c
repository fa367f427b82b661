/* Fair shares of memory, half-open connections and accept queues among peers (decision 29). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/tcp.h"
#include "tests/unit/tcp_harness.h"

#define MODERN (WITH_TIMESTAMPS | WITH_SACK | WITH_SCALING)
enum { GREEDY = 1, OTHER = 7 };

/* Makes `peer` hold so many sixteenths of the limit. */
static void hold(struct tcp_harness *h, struct peer *peer, size_t sixteenths)
{
    size_t bytes = h->stack->config.memory_limit_bytes / 16 * sixteenths;

    h->stack->memory_used_bytes += bytes;
    inner(peer->socket)->peer->charged_bytes += bytes;
}

static void give_back(struct tcp_harness *h, struct peer *peer, size_t sixteenths)
{
    size_t bytes = h->stack->config.memory_limit_bytes / 16 * sixteenths;

    h->stack->memory_used_bytes -= bytes;
    inner(peer->socket)->peer->charged_bytes -= bytes;
}

static void forget_sent(struct tcp_harness *h)
{
    tcp_poll_now(h);
    h->sent_count = 0;
    h->looked_at = 0;
}

static bool answers_syn(struct tcp_harness *h, uint8_t host, uint16_t port)
{
    struct seg syn = {
        .flags = SYN, .seq = 1, .source_port = port, .destination_port = 80, .mss = 1460};
    uint8_t before = h->host;

    forget_sent(h);
    h->host = host;
    tcp_inject(h, &syn);
    tcp_poll_now(h);
    h->host = before;
    return h->sent_count == 1 && h->sent[0].flags == (SYN | ACK);
}

/* What the socket can queue before it says that there is no room. */
static size_t queue_all(struct net_socket *socket)
{
    struct net_span span;
    size_t total = 0;

    while (net_socket_send_reserve(socket, 16384, &span) == ERR_OK) {
        assert_int_equal(net_socket_send_commit(socket, span.length_bytes, NULL), ERR_OK);
        total += span.length_bytes;
    }
    return total;
}

/* The window that the stack tells, unscaled, after a segment was read. */
static uint32_t window_after_read(struct tcp_harness *h, struct peer *peer)
{
    struct tcp_socket *sock = inner(peer->socket);

    for (unsigned i = 0; i < 50; i++) { /* what was promised is used up */
        peer_send(peer, ACK, 1400);
        (void)socket_read(peer->socket);
        forget_sent(h);
    }
    return sock->receive_edge - sock->receive_next;
}

static void test_greedy_peer_is_held_back(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);
    struct peer greedy;
    struct peer other;
    size_t queued;

    h->host = GREEDY;
    peer_connect(&greedy, h, listener, 4000, MODERN);
    h->host = OTHER;
    peer_connect(&other, h, listener, 4000, MODERN);
    assert_ptr_not_equal(inner(greedy.socket)->peer, inner(other.socket)->peer);

    hold(h, &greedy, 13);
    assert_int_equal(net_pressure(h->stack), NET_PRESSURE_SCARCE);
    assert_false(answers_syn(h, GREEDY, 4001));
    assert_true(answers_syn(h, OTHER, 4001));
    assert_true(answers_syn(h, 8, 4001));
    assert_true(window_after_read(h, &other) > TCP_BUFFER_FLOOR);
    h->host = GREEDY;
    assert_in_range(window_after_read(h, &greedy), 1, TCP_BUFFER_FLOOR);
    queued = queue_all(greedy.socket);
    assert_in_range(queued, TCP_BUFFER_FLOOR, TCP_BUFFER_FLOOR + 2048);
    assert_int_equal(queue_all(other.socket), TCP_BUFFER_INITIAL);
    give_back(h, &greedy, 13);
    assert_false(net_socket_events(greedy.socket) & NET_EVENT_WRITABLE_BIT);
    tcp_advance(h, 125 * MS); /* the application hears of it */
    assert_true(net_socket_events(greedy.socket) & NET_EVENT_WRITABLE_BIT);
    assert_int_equal(queue_all(greedy.socket), TCP_BUFFER_INITIAL - queued);
}

/* Nearly nothing is left: who holds it all gets no more than one segment a connection. */
static void test_last_reserve(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);
    struct peer greedy;
    struct peer other;

    h->host = GREEDY;
    peer_connect(&greedy, h, listener, 4000, MODERN);
    h->host = OTHER;
    peer_connect(&other, h, listener, 4000, MODERN);
    hold(h, &greedy, 14);
    h->stack->memory_used_bytes += 65536;
    assert_int_equal(net_pressure(h->stack), NET_PRESSURE_EXHAUSTED);
    assert_true(answers_syn(h, OTHER, 4001));

    /* In order, in the window: the first is taken, the second must come again. */
    h->host = GREEDY;
    forget_sent(h);
    peer_send(&greedy, ACK, 1000);
    tcp_poll_now(h);
    peer_send_at(&greedy, ACK, greedy.seq, 1000);
    tcp_poll_now(h);
    assert_int_equal(h->stack->tcp->statistics.data_refused, 1);
    assert_int_equal(h->sent[h->sent_count - 1].ack, greedy.seq);
    assert_int_equal(inner(greedy.socket)->receive_queued_bytes, 1000);
    assert_int_equal(socket_read(greedy.socket), 1000);
    peer_send(&greedy, ACK, 1000);
    assert_int_equal(socket_read(greedy.socket), 1000);

    /* The other's promise holds, holes included. */
    h->host = OTHER;
    peer_send(&other, ACK, 1000);
    peer_send(&other, ACK, 1000);
    peer_send_at(&other, ACK, other.seq + 1000, 1000);
    assert_int_equal(inner(other.socket)->receive_queued_bytes, 2000);
    assert_int_equal(inner(other.socket)->range_count, 1);
    assert_int_equal(h->stack->tcp->statistics.data_refused, 1);
    assert_in_range(queue_all(other.socket), TCP_BUFFER_FLOOR, TCP_BUFFER_INITIAL);

    /* The reserve is gone: not even that, until memory comes back. */
    h->host = GREEDY;
    hold(h, &greedy, 1);
    peer_send_at(&greedy, ACK, greedy.seq, 1000);
    assert_int_equal(inner(greedy.socket)->receive_queued_bytes, 0);
    give_back(h, &greedy, 15);
    h->stack->memory_used_bytes -= 65536;
    peer_send(&greedy, ACK, 1000);
    assert_int_equal(socket_read(greedy.socket), 1000);
}

/* Half of the table of half-open connections is the most that one address gets without cookies. */
static void test_half_open(void **state)
{
    struct tcp_harness *h = *state;

    (void)tcp_listener(h, 80, 1000);
    for (unsigned i = 0; i < 600; i++) {
        assert_true(answers_syn(h, GREEDY, (uint16_t)(1000 + i)));
        tcp_advance(h, MS);
    }
    assert_int_equal(h->stack->tcp->request_count, 512);
    assert_int_equal(h->stack->tcp->statistics.cookies_sent, 88);
    assert_true(answers_syn(h, OTHER, 1000));
    assert_int_equal(h->stack->tcp->request_count, 513);
    /* They end one day, and the tally with them. */
    for (unsigned i = 0; i < 1000; i++) {
        tcp_advance(h, 100 * MS);
        forget_sent(h);
    }
    assert_int_equal(h->stack->tcp->request_count, 0);
    assert_true(answers_syn(h, GREEDY, 900));
    assert_int_equal(h->stack->tcp->request_count, 1);
}

static bool connects(struct tcp_harness *h, uint8_t host, uint16_t port)
{
    uint32_t before = h->stack->tcp->socket_count;

    if (!answers_syn(h, host, port)) {
        return false;
    }
    struct seg ack = {.flags = ACK,
                      .seq = 2,
                      .ack = h->sent[0].seq + 1,
                      .window = 1000,
                      .source_port = port,
                      .destination_port = 80};
    h->host = host;
    tcp_inject(h, &ack);
    return h->stack->tcp->socket_count == before + 1;
}

/* A slow application's accept queue always has a place for someone else. */
static void test_accept_queue(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 32);
    struct net_socket *accepted;
    unsigned count = 0;

    while (count < 40 && connects(h, GREEDY, (uint16_t)(1000 + count))) {
        count++;
    }
    assert_in_range(count, 28, 30);
    assert_true(connects(h, OTHER, 1000));
    assert_int_equal(net_socket_accept(listener, &accepted), ERR_OK);
    net_socket_close(accepted);
    assert_int_equal(net_socket_accept(listener, &accepted), ERR_OK);
    net_socket_close(accepted);
    assert_true(connects(h, GREEDY, 2000));
}

static void test_accounts(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);
    struct peer peer;
    const struct tcp_peer *account;
    size_t least;

    peer_connect(&peer, h, listener, 4000, MODERN);
    account = inner(peer.socket)->peer;
    least = account->charged_bytes;
    socket_write(peer.socket, 12000);
    peer_send(&peer, ACK, 1400);
    peer_send(&peer, ACK, 1400);
    tcp_poll_now(h);
    assert_int_equal(account->charged_bytes, least + 3 * TCP_PEER_PAGE_BYTES);
    peer.ack += 12000;
    peer_send(&peer, ACK, 0);
    assert_int_equal(account->charged_bytes, least);
    peer_send_at(&peer, ACK, peer.seq + 1400, 1400); /* what waits behind a hole counts, too */
    peer_send_at(&peer, ACK, peer.seq + 4200, 1400);
    tcp_poll_now(h);
    assert_int_equal(account->charged_bytes, least + TCP_PEER_PAGE_BYTES);
    assert_int_equal(account->connection_count, 1);
    assert_int_equal(h->stack->tcp->peers.count, 1);
    net_socket_close(peer.socket);
    assert_int_equal(h->stack->tcp->peers.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP_TEST(test_greedy_peer_is_held_back),
        TCP_TEST(test_last_reserve),
        TCP_TEST(test_half_open),
        TCP_TEST(test_accept_queue),
        TCP_TEST(test_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
