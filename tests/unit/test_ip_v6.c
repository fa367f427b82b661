/* IPv6: extension headers, ICMPv6, neighbour discovery, address configuration, fragments. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/net_harness.h"

#define S 1000000000ull

static const uint8_t link_local[16] = {0xfe, 0x80, 0, 0,    0,    0,    0,    0,
                                       0x50, 0x54, 0, 0xff, 0xfe, 0x12, 0x34, 0x56};
static const uint8_t solicited[16] = {0xff, 2, 0, 0, 0,    0,    0,    0,
                                      0,    0, 0, 1, 0xff, 0x12, 0x34, 0x56};
static const uint8_t router[16] = {0xfe, 0x80, [15] = 1};
static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
static const uint8_t nobody[16];
static const uint8_t global[16] = {0x20, 1,    0xd, 0xb8, 0,    0,    0,    0,
                                   0x50, 0x54, 0,   0xff, 0xfe, 0x12, 0x34, 0x56};

static void receive_icmpv6(struct harness *harness, const uint8_t source[16],
                           const uint8_t destination[16], uint8_t hops, uint8_t type, uint32_t rest,
                           const void *data, size_t length)
{
    uint8_t payload[1500];
    uint8_t frame[1600];
    length = payload_icmpv6(payload, source, destination, type, 0, rest, data, length);
    harness_receive(harness, frame,
                    frame_ipv6(frame, source, destination, IP_ICMPV6, hops, payload, length), 0);
}

static void learn_router(struct harness *harness)
{
    uint8_t body[24];
    memcpy(body, link_local, 16);
    memcpy(body + 16, "\1\1", 2);
    memcpy(body + 18, harness_peer, 6);
    receive_icmpv6(harness, router, solicited, 255, ICMPV6_NEIGHBOUR_SOLICIT, 0, body, 24);
}

static struct harness *start(void)
{
    struct harness *harness = harness_create(false, 0);
    harness_run(harness, 2 * S); /* duplicate detection takes one */
    harness_clear(harness);
    return harness;
}

static const struct icmp_header *sent_icmpv6(const struct harness *harness, size_t index)
{
    const struct ipv6_header *ip = sent_ipv6(harness, index);
    if (ip == NULL || ip->next_header != IP_ICMPV6) {
        return NULL;
    }
    struct ip_address from = ip_address_from_ipv6(ip->source);
    struct ip_address to = ip_address_from_ipv6(ip->destination);
    uint16_t length = be16_get(ip->payload_length);
    uint32_t sum = ip_pseudo_sum(&from, &to, IP_ICMPV6, length);
    assert_int_equal(checksum_fold(checksum_add(sum, ip + 1, length)), 0xffff);
    return (const struct icmp_header *)(ip + 1);
}

static void test_configures_link_local(void **state)
{
    struct harness *harness = harness_create(false, 0);
    (void)state;
    harness_run(harness, 20 * S);
    size_t probes = 0;
    size_t solicits = 0;
    for (size_t i = 0; i < harness->frame_count; i++) {
        const struct icmp_header *icmp = sent_icmpv6(harness, i);
        if (icmp == NULL) {
            continue;
        }
        const struct ipv6_header *ip = sent_ipv6(harness, i);
        assert_int_equal(ip->hop_limit, 255);
        if (icmp->type == ICMPV6_NEIGHBOUR_SOLICIT) {
            assert_memory_equal(ip->source, nobody, 16);
            assert_memory_equal(ip->destination, solicited, 16);
            assert_memory_equal(icmp + 1, link_local, 16);
            probes++;
        } else {
            assert_int_equal(icmp->type, ICMPV6_ROUTER_SOLICIT);
            assert_memory_equal(ip->source, link_local, 16);
            solicits++;
        }
    }
    assert_int_equal(probes, 1);
    assert_int_equal(solicits, 3);
    harness_destroy(harness);
}

static void test_reports_its_group(void **state)
{
    struct harness *harness = harness_create(false, 0);
    uint8_t body[20] = {0};
    (void)state;
    harness_run(harness, 2 * S);
    for (int answer = 0; answer < 2; answer++) {
        size_t reports = 0;
        for (size_t i = 0; i < harness->frame_count; i++) {
            const struct ipv6_header *ip = sent_ipv6(harness, i);
            if (ip == NULL || ip->next_header != 0) {
                continue;
            }
            const uint8_t *payload = (const uint8_t *)(ip + 1);
            struct ip_address from = ip_address_from_ipv6(ip->source);
            struct ip_address to = ip_address_from_ipv6(ip->destination);
            uint32_t sum = ip_pseudo_sum(&from, &to, IP_ICMPV6, 28);
            assert_int_equal(ip->hop_limit, 1);
            assert_int_equal(be16_get(ip->payload_length), 36);
            assert_memory_equal(payload, "\x3a\0\5\2\0\0\1\0", 8);
            assert_int_equal(payload[8], ICMPV6_LISTENER_REPORT);
            assert_int_equal(payload[15], 1); /* one group for all addresses */
            assert_int_equal(payload[16], answer ? 2 : 4);
            assert_memory_equal(payload + 20, solicited, 16);
            assert_int_equal(checksum_fold(checksum_add(sum, payload + 8, 28)), 0xffff);
            reports++;
        }
        assert_int_equal(reports, answer ? 1 : 2);
        harness_clear(harness);
        /* Two queries within the time of one answer get one. */
        receive_icmpv6(harness, router, all_nodes, 1, ICMPV6_LISTENER_QUERY, 1000u << 16, body, 20);
        receive_icmpv6(harness, router, all_nodes, 1, ICMPV6_LISTENER_QUERY, 1000u << 16, body, 20);
        harness_run(harness, 2 * S);
    }
    receive_icmpv6(harness, router, all_nodes, 64, ICMPV6_LISTENER_QUERY, 0, body, 20);
    receive_icmpv6(harness, router, all_nodes, 1, ICMPV6_LISTENER_QUERY, 0, body, 10);
    harness_clear(harness);
    harness_run(harness, S);
    assert_int_equal(harness->frame_count, 0);
    harness_destroy(harness);
}

static void test_detects_duplicate(void **state)
{
    (void)state;
    for (int by_advert = 0; by_advert < 2; by_advert++) {
        struct harness *harness = harness_create(false, 0);
        harness_run(harness, S / 2);
        if (by_advert) {
            receive_icmpv6(harness, router, all_nodes, 255, ICMPV6_NEIGHBOUR_ADVERT, 0x20000000,
                           link_local, 16);
        } else {
            receive_icmpv6(harness, nobody, solicited, 255, ICMPV6_NEIGHBOUR_SOLICIT, 0, link_local,
                           16);
        }
        harness_run(harness, 5 * S);
        assert_int_equal(harness->stack->ip->netif.ipv6[0].state, NETIF_ADDRESS_DUPLICATE);
        harness_destroy(harness);
    }
}

static void test_answers_solicitation(void **state)
{
    struct harness *harness = start();
    (void)state;
    learn_router(harness);
    const struct icmp_header *icmp = sent_icmpv6(harness, 0);
    assert_non_null(icmp);
    assert_int_equal(icmp->type, ICMPV6_NEIGHBOUR_ADVERT);
    assert_int_equal(be32_get(icmp->rest), 0x60000000);
    assert_memory_equal((const uint8_t *)(icmp + 1), link_local, 16);
    assert_memory_equal((const uint8_t *)(icmp + 1) + 18, harness_mac, 6);
    assert_memory_equal(harness->frames[0].data, harness_peer, 6);
    /* Wrong hop limit, wrong options, wrong target: nothing. */
    harness_clear(harness);
    uint8_t body[24] = {0};
    memcpy(body, link_local, 16);
    memcpy(body + 16, "\1\1\2\0\0\0\0\1", 8);
    receive_icmpv6(harness, router, solicited, 254, ICMPV6_NEIGHBOUR_SOLICIT, 0, body, 24);
    body[17] = 0;
    receive_icmpv6(harness, router, solicited, 255, ICMPV6_NEIGHBOUR_SOLICIT, 0, body, 24);
    body[17] = 9;
    receive_icmpv6(harness, router, solicited, 255, ICMPV6_NEIGHBOUR_SOLICIT, 0, body, 24);
    body[17] = 1;
    body[15] ^= 1;
    receive_icmpv6(harness, router, solicited, 255, ICMPV6_NEIGHBOUR_SOLICIT, 0, body, 24);
    receive_icmpv6(harness, router, solicited, 255, ICMPV6_NEIGHBOUR_SOLICIT, 0, body, 10);
    assert_int_equal(harness->frame_count, 0);
    harness_destroy(harness);
}

static void test_answers_ping(void **state)
{
    struct harness *harness = start();
    (void)state;
    learn_router(harness);
    harness_clear(harness);
    receive_icmpv6(harness, router, link_local, 64, ICMPV6_ECHO_REQUEST, 0x00070001, "abc", 3);
    receive_icmpv6(harness, router, all_nodes, 64, ICMPV6_ECHO_REQUEST, 0x00070002, "abcd", 4);
    assert_int_equal(harness->frame_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct icmp_header *icmp = sent_icmpv6(harness, i);
        assert_int_equal(icmp->type, ICMPV6_ECHO_REPLY);
        assert_memory_equal(sent_ipv6(harness, i)->source, link_local, 16);
        assert_memory_equal(icmp + 1, "abc", 3);
    }
    harness_destroy(harness);
}

/* A router advertisement with MTU, prefix and name server. */
static size_t advert(uint8_t *body, uint16_t lifetime_s, uint32_t valid_s)
{
    struct be32 valid = be32_make(valid_s);
    (void)lifetime_s;
    memset(body, 0, 8);
    memcpy(body + 8, "\1\1", 2);
    memcpy(body + 10, harness_peer, 6);
    memcpy(body + 16, "\5\1\0\0\0\0\5\x78", 8); /* 1400 */
    memcpy(body + 24, "\3\4\x40\xc0", 4);
    memcpy(body + 28, &valid, 4);
    memcpy(body + 32, &valid, 4);
    memset(body + 36, 0, 4);
    memcpy(body + 40, global, 8);
    memset(body + 48, 0, 8);
    memcpy(body + 56, "\x19\3\0\0\0\0\1\0", 8);
    memcpy(body + 64, global, 16);
    return 80;
}

static void test_router_advertisement(void **state)
{
    struct harness *harness = start();
    const struct netif *netif = &harness->stack->ip->netif;
    struct ip_address any = {0};
    uint8_t far_bytes[16] = {0x2a, [15] = 1};
    struct ip_address far = ip_address_from_ipv6(far_bytes);
    struct ip_address on_link = ip_address_from_ipv6(global);
    struct ip_route route;
    uint8_t body[128];
    (void)state;
    assert_int_equal(ip_route(harness->stack, &any, &far, &route), ERR_NETUNREACH);
    size_t length = advert(body, 1800, 86400);
    receive_icmpv6(harness, router, all_nodes, 255, ICMPV6_ROUTER_ADVERT, 64u << 24 | 1800, body,
                   length);
    harness_run(harness, 2 * S);
    struct ip_address address = ip_address_from_ipv6(global);
    assert_true(netif_has_ipv6(netif, &address));
    assert_int_equal(netif->dns_server_count, 2); /* the configured one and this */
    assert_int_equal(ip_route(harness->stack, &any, &far, &route), ERR_OK);
    assert_int_equal(route.mtu_bytes, 1400);
    assert_memory_equal(&route.source, global, 16);
    assert_memory_equal(&route.next_hop, router, 16);
    on_link.word[1] ^= 1ull << 56;
    assert_int_equal(ip_route(harness->stack, &any, &on_link, &route), ERR_OK);
    assert_true(ip_address_is_equal(&route.next_hop, &on_link));
    /* The router retires: no way out any more. */
    receive_icmpv6(harness, router, all_nodes, 255, ICMPV6_ROUTER_ADVERT, 64u << 24, body, 8);
    assert_int_equal(ip_route(harness->stack, &any, &far, &route), ERR_NETUNREACH);
    /* And the address's life is cut to two hours at most, not to nothing (RFC 4862 §5.5.3). */
    length = advert(body, 0, 1);
    receive_icmpv6(harness, router, all_nodes, 255, ICMPV6_ROUTER_ADVERT, 0, body, length);
    harness_run(harness, 7100 * S);
    assert_true(netif_has_ipv6(netif, &address));
    harness_run(harness, 200 * S);
    assert_false(netif_has_ipv6(netif, &address));
    harness_destroy(harness);
}

static void test_rejects_bad_adverts(void **state)
{
    struct harness *harness = start();
    uint8_t outside[16] = {0x20, 1, [15] = 9};
    uint8_t body[128];
    (void)state;
    size_t length = advert(body, 1800, 86400);
    receive_icmpv6(harness, router, all_nodes, 64, ICMPV6_ROUTER_ADVERT, 1800, body, length);
    receive_icmpv6(harness, outside, all_nodes, 255, ICMPV6_ROUTER_ADVERT, 1800, body, length);
    for (size_t i = 0; i < length; i++) {
        if (i != 8 && i != 16 && i != 24 && i != 56) {
            receive_icmpv6(harness, router, all_nodes, 255, ICMPV6_ROUTER_ADVERT, 1800, body, i);
        }
    }
    body[57] = 0;
    receive_icmpv6(harness, router, all_nodes, 255, ICMPV6_ROUTER_ADVERT, 1800, body, length);
    struct ip_address address = ip_address_from_ipv6(global);
    assert_null(netif_find_ipv6(&harness->stack->ip->netif, &address));
    harness_destroy(harness);
}

static void test_extension_headers(void **state)
{
    struct harness *harness = start();
    uint8_t payload[256] = {0};
    uint8_t frame[512];
    (void)state;
    learn_router(harness);
    harness_clear(harness);
    /* Hop-by-hop and destination options with padding, then TCP. */
    memcpy(payload,
           "\x3c\0\1\4\0\0\0\0"
           "\6\0\0\0\0\0\0\0"
           "segment!",
           24);
    harness_receive(harness, frame, frame_ipv6(frame, router, link_local, 0, 64, payload, 24), 0);
    assert_int_equal(harness->tcp_input_count, 1);
    assert_int_equal(harness->tcp_received.payload_bytes, 8);
    assert_memory_equal(harness->tcp_data, "segment!", 8);
    /* An unknown option that must be reported, with the pointer to it. */
    memcpy(payload, "\6\0\xc5\4\0\0\0\0segment!", 16);
    harness_receive(harness, frame, frame_ipv6(frame, router, link_local, 60, 64, payload, 16), 0);
    const struct icmp_header *icmp = sent_icmpv6(harness, 0);
    assert_non_null(icmp);
    assert_int_equal(icmp->type, ICMPV6_PARAMETER_PROBLEM);
    assert_int_equal(icmp->code, 2);
    assert_int_equal(be32_get(icmp->rest), 42);
    /* One to be skipped, one to be dropped in silence. */
    payload[2] = 0x05;
    harness_receive(harness, frame, frame_ipv6(frame, router, link_local, 60, 64, payload, 16), 0);
    assert_int_equal(harness->tcp_input_count, 2);
    payload[2] = 0x45;
    harness_receive(harness, frame, frame_ipv6(frame, router, link_local, 60, 64, payload, 16), 0);
    /* A routing header with segments left, and one without. */
    memcpy(payload, "\6\0\0\1\0\0\0\0", 8);
    harness_receive(harness, frame, frame_ipv6(frame, router, link_local, 43, 64, payload, 16), 0);
    payload[3] = 0;
    harness_receive(harness, frame, frame_ipv6(frame, router, link_local, 43, 64, payload, 16), 0);
    assert_int_equal(harness->tcp_input_count, 3);
    /* A chain longer than anyone needs, headers cut short, hop-by-hop in the wrong place. */
    for (size_t i = 0; i < 20; i++) {
        memcpy(payload + i * 8, "\x3c\0\1\4\0\0\0\0", 8);
    }
    harness_receive(harness, frame, frame_ipv6(frame, router, link_local, 60, 64, payload, 160), 0);
    payload[1] = 200;
    harness_receive(harness, frame, frame_ipv6(frame, router, link_local, 60, 64, payload, 16), 0);
    payload[1] = 0;
    payload[0] = 0;
    harness_receive(harness, frame, frame_ipv6(frame, router, link_local, 60, 64, payload, 16), 0);
    assert_int_equal(harness->tcp_input_count, 3);
    harness_destroy(harness);
}

static void test_drops_bad_headers(void **state)
{
    struct harness *harness = start();
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1};
    static const uint8_t loopback[16] = {[15] = 1};
    uint8_t frame[256];
    (void)state;
    size_t length = frame_ipv6(frame, router, link_local, IP_TCP, 64, "segment!", 8);
    for (size_t i = 0; i < length; i++) {
        harness_receive(harness, frame, i, 0);
    }
    harness_receive(harness, frame, frame_ipv6(frame, mapped, link_local, IP_TCP, 64, "x", 1), 0);
    harness_receive(harness, frame, frame_ipv6(frame, router, mapped, IP_TCP, 64, "x", 1), 0);
    harness_receive(harness, frame, frame_ipv6(frame, loopback, link_local, IP_TCP, 64, "x", 1), 0);
    harness_receive(harness, frame, frame_ipv6(frame, all_nodes, link_local, IP_TCP, 64, "x", 1),
                    0);
    harness_receive(harness, frame, frame_ipv6(frame, link_local, link_local, IP_TCP, 64, "x", 1),
                    0);
    harness_receive(harness, frame, frame_ipv6(frame, router, all_nodes, IP_TCP, 64, "x", 1), 0);
    assert_int_equal(harness->tcp_input_count, 0);
    harness_destroy(harness);
}

static void send_fragment(struct harness *harness, uint8_t next, const uint8_t *data, size_t offset,
                          size_t length, bool more)
{
    uint8_t payload[1500];
    uint8_t frame[1600];
    uint16_t field = (uint16_t)(offset | more);
    memcpy(payload, (uint8_t[8]){next, 0, (uint8_t)(field >> 8), (uint8_t)field, 0, 0, 0, 9}, 8);
    memcpy(payload + 8, data + offset, length);
    harness_receive(harness, frame,
                    frame_ipv6(frame, router, link_local, 44, 64, payload, length + 8), 0);
}

static void test_fragments(void **state)
{
    struct harness *harness = start();
    uint8_t data[4000];
    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 3);
    }
    send_fragment(harness, IP_TCP, data, 2000, 1000, false);
    send_fragment(harness, IP_TCP, data, 0, 1000, true);
    send_fragment(harness, IP_TCP, data, 1000, 1000, true);
    assert_int_equal(harness->tcp_input_count, 1);
    assert_int_equal(harness->tcp_received.payload_bytes, 3000);
    assert_memory_equal(harness->tcp_data, data, 3000);
    send_fragment(harness, IP_TCP, data, 0, 8, false); /* atomic */
    assert_int_equal(harness->tcp_input_count, 2);
    /* Neighbour discovery in fragments is refused (RFC 6980). */
    harness_clear(harness);
    uint8_t message[64];
    uint8_t body[24];
    memcpy(body, link_local, 16);
    memcpy(body + 16, "\1\1\2\0\0\0\0\1", 8);
    payload_icmpv6(message, router, link_local, ICMPV6_NEIGHBOUR_SOLICIT, 0, 0, body, 24);
    send_fragment(harness, IP_ICMPV6, message, 0, 16, true);
    send_fragment(harness, IP_ICMPV6, message, 16, 16, false);
    send_fragment(harness, IP_ICMPV6, message, 0, 32, false);
    assert_int_equal(harness->frame_count, 0);
    harness_destroy(harness);
}

static void test_errors_reach_tcp(void **state)
{
    struct harness *harness = start();
    uint8_t quoted[48];
    uint8_t frame[128];
    (void)state;
    frame_ipv6(frame, link_local, router, IP_TCP, 64, "\1\2\0\x50\0\0\0\7", 8);
    memcpy(quoted, frame + 14, 48);
    receive_icmpv6(harness, router, link_local, 64, ICMPV6_TOO_BIG, 1300, quoted, 48);
    assert_int_equal(harness->tcp_error_count, 1);
    assert_int_equal(harness->tcp_error.report, IP_REPORT_TOO_BIG);
    assert_int_equal(harness->tcp_error.mtu_bytes, 1300);
    assert_int_equal(harness->tcp_error.destination_port, 80);
    assert_int_equal(harness->tcp_error.sequence, 7);
    receive_icmpv6(harness, router, link_local, 64, ICMPV6_TOO_BIG, 1300, quoted, 47);
    quoted[8] ^= 1; /* not our source */
    receive_icmpv6(harness, router, link_local, 64, ICMPV6_TOO_BIG, 1300, quoted, 48);
    assert_int_equal(harness->tcp_error_count, 1);
    harness_destroy(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configures_link_local), cmocka_unit_test(test_reports_its_group),
        cmocka_unit_test(test_detects_duplicate),     cmocka_unit_test(test_answers_solicitation),
        cmocka_unit_test(test_answers_ping),          cmocka_unit_test(test_router_advertisement),
        cmocka_unit_test(test_rejects_bad_adverts),   cmocka_unit_test(test_extension_headers),
        cmocka_unit_test(test_drops_bad_headers),     cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_errors_reach_tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
