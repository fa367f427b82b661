/* UDP sockets over the wire and over loopback, their errors, bounds and fragments. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "net/socket.h"
#include "tests/unit/net_harness.h"

#define S 1000000000ull

static const uint8_t own[4] = {10, 0, 0, 2};
static const uint8_t peer[4] = {10, 0, 0, 1};
static const uint8_t loopback[4] = {127, 0, 0, 1};

static struct harness *start(uint32_t features)
{
    struct harness *harness = harness_create(false, features);
    uint8_t frame[64];
    size_t length = frame_arp(frame, ARP_REQUEST, harness_peer, peer, harness_mac, own);
    harness_receive(harness, frame, length, 0);
    harness_clear(harness);
    return harness;
}

static struct net_socket *bound(struct harness *harness, enum net_family family, uint16_t port)
{
    struct net_endpoint local = {.port = port};
    struct net_socket *socket;
    assert_int_equal(net_socket_open(harness->stack, family, NET_SOCKET_DATAGRAM, &socket), ERR_OK);
    assert_int_equal(net_socket_bind(socket, &local), ERR_OK);
    return socket;
}

static struct net_endpoint endpoint(const uint8_t address[4], uint16_t port)
{
    return (struct net_endpoint){.address = ip_address_from_ipv4(address), .port = port};
}

static enum err send_to(struct net_socket *socket, const struct net_endpoint *to, const void *data,
                        size_t length)
{
    struct net_span span;
    enum err error = net_socket_send_reserve(socket, length, &span);
    if (error != ERR_OK) {
        return error;
    }
    assert_int_equal(span.length_bytes, length);
    if (length > 0) {
        memcpy(span.data, data, length);
    }
    return net_socket_send_commit(socket, length, to);
}

static void receive_udp(struct harness *harness, uint16_t from, uint16_t to, const void *data,
                        size_t length, size_t part)
{
    uint8_t payload[1480];
    uint8_t frame[1600];
    length = payload_udp(payload, peer, own, from, to, data, length);
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_UDP, 0, payload, length), part);
}

static void expect_datagram(struct net_socket *socket, const void *data, size_t length)
{
    struct net_const_span span;
    assert_true((net_socket_events(socket) & NET_EVENT_READABLE_BIT) != 0);
    assert_int_equal(net_socket_readable_bytes(socket), length);
    assert_int_equal(net_socket_receive_peek(socket, 0, &span), ERR_OK);
    assert_int_equal(span.length_bytes, length);
    if (length > 0) {
        assert_memory_equal(span.data, data, length);
    }
    net_socket_receive_consume(socket, length);
}

static void test_receives(void **state)
{
    struct harness *harness = start(0);
    struct net_socket *socket = bound(harness, NET_FAMILY_IPV4, 5000);
    struct net_endpoint source;
    struct net_const_span span;
    uint8_t large[1400];
    (void)state;
    memset(large, 0x42, sizeof(large));
    assert_int_equal(net_socket_receive_peek(socket, 0, &span), ERR_AGAIN);
    receive_udp(harness, 1234, 5000, "first", 5, 0);
    receive_udp(harness, 1235, 5000, "", 0, 0);
    receive_udp(harness, 1236, 5000, large, sizeof(large), 100);
    assert_int_equal(harness->wake_count, 3);
    assert_int_equal(net_socket_receive_source(socket, &source), ERR_OK);
    assert_int_equal(source.port, 1234);
    assert_memory_equal(ip_address_ipv4_bytes(&source.address), peer, 4);
    expect_datagram(socket, "first", 5);
    expect_datagram(socket, "", 0);
    expect_datagram(socket, large, sizeof(large));
    assert_int_equal(net_socket_receive_source(socket, &source), ERR_AGAIN);
    net_socket_close(socket);
    harness_destroy(harness);
}

static void test_sends(void **state)
{
    (void)state;
    for (uint32_t features = 0; features <= NETDEV_TX_CHECKSUM_BIT; features++) {
        struct harness *harness = start(features);
        struct net_socket *socket = bound(harness, NET_FAMILY_IPV4, 5000);
        struct net_endpoint to = endpoint(peer, 9);
        assert_int_equal(send_to(socket, &to, "hello!!", 7), ERR_OK);
        const struct ipv4_header *header = sent_ipv4(harness, 0);
        assert_non_null(header);
        assert_int_equal(be16_get(header->total_length), 20 + 8 + 7);
        assert_int_equal(header->protocol, IP_UDP);
        const struct udp_header *udp = (const struct udp_header *)(header + 1);
        assert_int_equal(be16_get(udp->source_port), 5000);
        assert_int_equal(be16_get(udp->destination_port), 9);
        assert_int_equal(be16_get(udp->length), 15);
        assert_memory_equal(udp + 1, "hello!!", 7);
        struct ip_address from = ip_address_from_ipv4(own);
        uint32_t sum = ip_pseudo_sum(&from, &to.address, IP_UDP, 15);
        if (features == 0) {
            assert_int_equal(checksum_fold(checksum_add(sum, udp, 15)), 0xffff);
        } else { /* the device finishes what stands there */
            assert_int_equal(be16_get(udp->checksum), be16_get(be16_from_sum(checksum_fold(sum))));
        }
        net_socket_close(socket);
        harness_destroy(harness);
    }
}

static void test_bad_datagrams(void **state)
{
    struct harness *harness = start(0);
    struct net_socket *socket = bound(harness, NET_FAMILY_IPV4, 5000);
    uint8_t payload[64];
    uint8_t frame[128];
    (void)state;
    size_t good = payload_udp(payload, peer, own, 1, 5000, "data", 4);
    for (size_t i = 0; i < good; i++) { /* any flipped bit, any cut */
        payload[i] ^= 0x10;
        harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_UDP, 0, payload, good), 0);
        payload[i] ^= 0x10;
        harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_UDP, 0, payload, i), 0);
    }
    payload[4] = 0xff; /* a length beyond the packet, without checksum */
    memset(payload + 6, 0, 2);
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_UDP, 0, payload, good), 0);
    payload[4] = 0;
    payload[5] = 7;
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_UDP, 0, payload, good), 0);
    assert_int_equal(net_socket_events(socket) & NET_EVENT_READABLE_BIT, 0);
    payload[5] = (uint8_t)good; /* and none at all is allowed (RFC 768) */
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_UDP, 0, payload, good), 0);
    expect_datagram(socket, "data", 4);
    net_socket_close(socket);
    harness_destroy(harness);
}

static void test_queue_is_bounded(void **state)
{
    struct harness *harness = start(0);
    struct net_socket *socket = bound(harness, NET_FAMILY_IPV4, 5000);
    uint8_t data[1000] = {0};
    (void)state;
    assert_int_equal(net_socket_set_option(socket, NET_OPTION_RECEIVE_BUFFER, 10000), ERR_OK);
    for (int i = 0; i < 50; i++) {
        receive_udp(harness, 1, 5000, data, sizeof(data), 0);
    }
    size_t count = 0;
    while (net_socket_readable_bytes(socket) > 0) {
        net_socket_receive_consume(socket, 0);
        count++;
    }
    assert_int_equal(count, 9);
    assert_int_equal(harness->stack->ip->statistics.dropped_udp, 41);
    net_socket_close(socket);
    harness_destroy(harness);
}

static void test_closed_port_is_refused(void **state)
{
    struct harness *harness = start(0);
    (void)state;
    receive_udp(harness, 1, 5000, "x", 1, 0);
    const struct ipv4_header *header = sent_ipv4(harness, 0);
    assert_non_null(header);
    const struct icmp_header *icmp = (const struct icmp_header *)(header + 1);
    assert_int_equal(icmp->type, ICMP_UNREACHABLE);
    assert_int_equal(icmp->code, ICMP_CODE_PORT);
    harness_destroy(harness);
}

static void test_connected_socket_hears_errors(void **state)
{
    struct harness *harness = start(0);
    struct net_socket *socket = bound(harness, NET_FAMILY_IPV4, 5000);
    struct net_endpoint remote = endpoint(peer, 7);
    struct net_span span;
    uint8_t payload[128];
    uint8_t frame[256];
    int64_t value;
    (void)state;
    assert_int_equal(net_socket_connect(socket, &remote), ERR_OK);
    receive_udp(harness, 8, 5000, "other", 5, 0); /* from elsewhere: refused */
    assert_int_equal(net_socket_readable_bytes(socket), 0);
    receive_udp(harness, 7, 5000, "peer", 4, 0);
    expect_datagram(socket, "peer", 4);
    harness_clear(harness);
    assert_int_equal(send_to(socket, NULL, "x", 1), ERR_OK);
    size_t length = payload_icmp(payload, ICMP_UNREACHABLE, ICMP_CODE_PORT, 0,
                                 harness->frames[0].data + 14, 28);
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_ICMP, 0, payload, length), 0);
    assert_true((net_socket_events(socket) & NET_EVENT_ERROR_BIT) != 0);
    assert_int_equal(net_socket_send_reserve(socket, 1, &span), ERR_CONNREFUSED);
    assert_int_equal(net_socket_get_option(socket, NET_OPTION_ERROR, &value), ERR_OK);
    assert_int_equal(value, ERR_OK);
    /* "Too big" lowers the path's MTU, and the next large datagram goes in fragments. */
    length = payload_icmp(payload, ICMP_UNREACHABLE, ICMP_CODE_FRAGMENT, 600,
                          harness->frames[0].data + 14, 28);
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_ICMP, 0, payload, length), 0);
    harness_clear(harness);
    uint8_t large[1200] = {1};
    assert_int_equal(send_to(socket, NULL, large, sizeof(large)), ERR_OK);
    assert_int_equal(harness->frame_count, 3);
    net_socket_close(socket);
    harness_destroy(harness);
}

static void test_largest_datagrams(void **state)
{
    struct harness *harness = start(0);
    struct net_socket *socket = bound(harness, NET_FAMILY_IPV4, 5000);
    struct net_endpoint to = endpoint(loopback, 5000);
    struct net_span span;
    static uint8_t data[65507];
    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 13);
    }
    assert_int_equal(net_socket_send_reserve(socket, 65508, &span), ERR_MSGSIZE);
    assert_int_equal(send_to(socket, &to, data, sizeof(data)), ERR_OK);
    harness_run(harness, 0);
    expect_datagram(socket, data, sizeof(data));
    to = endpoint(peer, 5000);
    assert_int_equal(send_to(socket, &to, data, sizeof(data)), ERR_OK);
    assert_int_equal(harness->frame_count, (65515 + 1479) / 1480);
    net_socket_close(socket);
    harness_destroy(harness);
}

static void test_loopback(void **state)
{
    struct harness *harness = start(0);
    struct net_socket *server = bound(harness, NET_FAMILY_IPV6, 7);
    struct net_socket *client;
    struct net_endpoint to = endpoint(own, 7);
    struct net_endpoint source;
    (void)state;
    assert_int_equal(net_socket_open(harness->stack, NET_FAMILY_IPV4, NET_SOCKET_DATAGRAM, &client),
                     ERR_OK);
    assert_int_equal(send_to(client, &to, "own", 3), ERR_OK);
    assert_int_equal(net_socket_readable_bytes(server), 0); /* never re-entered */
    harness_run(harness, 0);
    assert_int_equal(net_socket_receive_source(server, &source), ERR_OK);
    assert_true(ip_address_is_ipv4(&source.address));
    expect_datagram(server, "own", 3);
    assert_int_equal(send_to(server, &source, "back", 4), ERR_OK);
    harness_run(harness, 0);
    expect_datagram(client, "back", 4);
    /* "Any" is this host, and nobody there is an error for a connected socket. */
    struct net_endpoint any = {.port = 7};
    assert_int_equal(send_to(client, &any, "any", 3), ERR_OK);
    harness_run(harness, 0);
    expect_datagram(server, "any", 3);
    to.port = 8;
    assert_int_equal(net_socket_connect(client, &to), ERR_OK);
    assert_int_equal(send_to(client, NULL, "x", 1), ERR_OK);
    harness_run(harness, 0);
    harness_run(harness, 0);
    int64_t value;
    assert_int_equal(net_socket_get_option(client, NET_OPTION_ERROR, &value), ERR_OK);
    assert_int_equal(value, ERR_CONNREFUSED);
    /* Over IPv6's loopback address, too. */
    struct net_endpoint to6 = {.address = {{0, 1ull << 56}}, .port = 7};
    struct net_socket *client6;
    assert_int_equal(
        net_socket_open(harness->stack, NET_FAMILY_IPV6, NET_SOCKET_DATAGRAM, &client6), ERR_OK);
    assert_int_equal(send_to(client6, &to6, "six", 3), ERR_OK);
    harness_run(harness, 0);
    expect_datagram(server, "six", 3);
    net_socket_close(client6);
    net_socket_close(client);
    net_socket_close(server);
    assert_int_equal(harness->frame_count, 0);
    harness_destroy(harness);
}

static void test_bindings(void **state)
{
    struct harness *harness = start(0);
    struct net_socket *first = bound(harness, NET_FAMILY_IPV4, 5000);
    struct net_socket *second;
    struct net_endpoint local = endpoint(own, 5000);
    struct net_endpoint elsewhere = endpoint(peer, 5000);
    (void)state;
    assert_int_equal(net_socket_open(harness->stack, NET_FAMILY_IPV4, NET_SOCKET_DATAGRAM, &second),
                     ERR_OK);
    assert_int_equal(net_socket_bind(second, &local), ERR_ADDRINUSE);
    assert_int_equal(net_socket_bind(second, &elsewhere), ERR_ADDRNOTAVAIL);
    assert_int_equal(net_socket_set_option(second, NET_OPTION_REUSE_ADDRESS, 1), ERR_OK);
    assert_int_equal(net_socket_bind(second, &local), ERR_ADDRINUSE);
    assert_int_equal(net_socket_set_option(first, NET_OPTION_REUSE_ADDRESS, 1), ERR_OK);
    assert_int_equal(net_socket_bind(second, &local), ERR_OK);
    receive_udp(harness, 1, 5000, "x", 1, 0); /* the more specific one wins */
    expect_datagram(second, "x", 1);
    assert_int_equal(net_socket_readable_bytes(first), 0);
    net_socket_close(second);
    /* Every ephemeral port is another one. */
    struct net_socket *sockets[200];
    for (int i = 0; i < 200; i++) {
        struct net_endpoint got;
        sockets[i] = bound(harness, NET_FAMILY_IPV6, 0);
        net_socket_local(sockets[i], &got);
        assert_true(got.port >= 49152);
        for (int j = 0; j < i; j++) {
            struct net_endpoint other;
            net_socket_local(sockets[j], &other);
            assert_int_not_equal(got.port, other.port);
        }
    }
    for (int i = 0; i < 200; i++) {
        net_socket_close(sockets[i]);
    }
    net_socket_close(first);
    harness_destroy(harness);
}

static void test_broadcast_needs_permission(void **state)
{
    struct harness *harness = start(0);
    struct net_socket *socket = bound(harness, NET_FAMILY_IPV4, 5000);
    static const uint8_t everyone[4] = {255, 255, 255, 255};
    static const uint8_t subnet[4] = {10, 0, 0, 255};
    static const uint8_t group[4] = {224, 1, 2, 3};
    static const uint8_t far[4] = {8, 8, 8, 8};
    struct net_endpoint to = endpoint(everyone, 9);
    (void)state;
    assert_int_equal(send_to(socket, &to, "x", 1), ERR_ACCES);
    assert_int_equal(net_socket_set_option(socket, NET_OPTION_BROADCAST, 1), ERR_OK);
    assert_int_equal(send_to(socket, &to, "x", 1), ERR_OK);
    assert_memory_equal(harness->frames[0].data, "\xff\xff\xff\xff\xff\xff", 6);
    to = endpoint(subnet, 9);
    assert_int_equal(send_to(socket, &to, "x", 1), ERR_OK);
    assert_memory_equal(harness->frames[1].data, "\xff\xff\xff\xff\xff\xff", 6);
    to = endpoint(group, 9);
    assert_int_equal(send_to(socket, &to, "x", 1), ERR_OK);
    assert_memory_equal(harness->frames[2].data, "\x01\x00\x5e\x01\x02\x03", 6);
    assert_int_equal(sent_ipv4(harness, 2)->time_to_live, 1);
    to = endpoint(far, 9); /* through the gateway, whom we know */
    assert_int_equal(send_to(socket, &to, "x", 1), ERR_OK);
    assert_memory_equal(harness->frames[3].data, harness_peer, 6);
    net_socket_close(socket);
    harness_destroy(harness);
}

static void test_congestion_blocks_and_wakes(void **state)
{
    struct harness *harness = start(0);
    struct net_socket *socket = bound(harness, NET_FAMILY_IPV4, 5000);
    struct net_endpoint to = endpoint(peer, 9);
    size_t sent = 0;
    (void)state;
    harness->ring_full = true;
    while (send_to(socket, &to, "x", 1) == ERR_OK) {
        sent++;
    }
    assert_true(sent < IP_BACKLOG_PACKETS_MAX);
    assert_int_equal(net_socket_events(socket) & NET_EVENT_WRITABLE_BIT, 0);
    harness->wake_count = 0;
    harness->ring_full = false;
    harness_run(harness, 0);
    assert_int_equal(harness->wake_count, 1);
    assert_true((net_socket_events(socket) & NET_EVENT_WRITABLE_BIT) != 0);
    assert_int_equal(harness->frame_count, sent);
    harness->ring_full = true;
    while (send_to(socket, &to, "x", 1) == ERR_OK) {
    }
    net_socket_close(socket); /* while blocked */
    harness->ring_full = false;
    harness_run(harness, S);
    harness_destroy(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receives),
        cmocka_unit_test(test_sends),
        cmocka_unit_test(test_bad_datagrams),
        cmocka_unit_test(test_queue_is_bounded),
        cmocka_unit_test(test_closed_port_is_refused),
        cmocka_unit_test(test_connected_socket_hears_errors),
        cmocka_unit_test(test_largest_datagrams),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_broadcast_needs_permission),
        cmocka_unit_test(test_congestion_blocks_and_wakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
