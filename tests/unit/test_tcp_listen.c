/* The passive side: requests, backlog, SYN cookies; addresses and loopback. */
#include "tests/unit/tcp_harness.h"

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP_TEST(test_closed_port),
        TCP_TEST(test_handshake_options),
        TCP_TEST(test_syn_ack_repeats_then_forgets),
        TCP_TEST(test_reset_of_request),
        TCP_TEST(test_data_with_handshake),
        TCP_TEST(test_bad_ack_in_handshake),
        TCP_TEST(test_backlog),
        TCP_TEST(test_listener_closes),
        TCP_TEST(test_syn_cookies),
        TCP_TEST(test_addresses),
        TCP_TEST(test_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
