/* Ethernet, ARP, the neighbour cache, IPv4, ICMP and reassembly against crafted frames. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/net_harness.h"

#define MS 1000000ull
#define S  1000000000ull

static const uint8_t own[4] = {10, 0, 0, 2};
static const uint8_t peer[4] = {10, 0, 0, 1};
static const uint8_t zero_mac[6];

static struct harness *start(void)
{
    struct harness *harness = harness_create(false, 0);
    harness_run(harness, 0);
    harness_clear(harness);
    return harness;
}

static void answer_arp(struct harness *harness)
{
    uint8_t frame[64];
    size_t length = frame_arp(frame, ARP_REPLY, harness_peer, peer, harness_mac, own);
    harness_receive(harness, frame, length, 0);
}

static void send_ping(struct harness *harness, size_t data_bytes, size_t part_bytes)
{
    uint8_t payload[2048];
    uint8_t frame[2048];
    uint8_t data[1500];
    for (size_t i = 0; i < data_bytes; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    size_t length = payload_icmp(payload, ICMP_ECHO_REQUEST, 0, 0x00010002, data, data_bytes);
    length = frame_ipv4(frame, peer, own, IP_ICMP, 0, payload, length);
    harness_receive(harness, frame, length, part_bytes);
}

/* ---- ARP ------------------------------------------------------------------------------------ */

static void test_announces_itself(void **state)
{
    struct harness *harness = harness_create(false, 0);
    (void)state;
    harness_run(harness, 10 * S);
    size_t announcements = 0;
    for (size_t i = 0; i < harness->frame_count; i++) {
        const struct arp_packet *arp = sent_arp(harness, i);
        if (arp == NULL) {
            continue;
        }
        assert_memory_equal(arp->sender_protocol, own, 4);
        assert_memory_equal(arp->target_protocol, own, 4);
        announcements++;
    }
    assert_int_equal(announcements, 2);
    harness_destroy(harness);
}

static void test_answers_arp_request(void **state)
{
    struct harness *harness = start();
    uint8_t frame[64];
    (void)state;
    harness_receive(harness, frame,
                    frame_arp(frame, ARP_REQUEST, harness_peer, peer, zero_mac, own), 0);
    assert_int_equal(harness->frame_count, 1);
    const struct arp_packet *arp = sent_arp(harness, 0);
    assert_non_null(arp);
    assert_int_equal(be16_get(arp->operation), ARP_REPLY);
    assert_memory_equal(arp->sender_hardware, harness_mac, 6);
    assert_memory_equal(arp->target_hardware, harness_peer, 6);
    assert_memory_equal(harness->frames[0].data, harness_peer, 6);
    /* What it learnt is used: the ping's answer needs no question. */
    send_ping(harness, 56, 0);
    assert_int_equal(harness->frame_count, 2);
    assert_non_null(sent_ipv4(harness, 1));
    harness_destroy(harness);
}

static void test_ignores_bad_arp(void **state)
{
    struct harness *harness = start();
    static const uint8_t outside[4] = {192, 168, 1, 1};
    static const uint8_t group_mac[6] = {1, 2, 3, 4, 5, 6};
    uint8_t frame[64];
    (void)state;
    size_t length = frame_arp(frame, ARP_REQUEST, group_mac, peer, zero_mac, own);
    harness_receive(harness, frame, length, 0);
    length = frame_arp(frame, ARP_REQUEST, harness_peer, outside, zero_mac, own);
    harness_receive(harness, frame, length, 0);
    length = frame_arp(frame, 7, harness_peer, peer, zero_mac, own);
    harness_receive(harness, frame, length, 0);
    length = frame_arp(frame, ARP_REQUEST, harness_peer, peer, zero_mac, own);
    harness_receive(harness, frame, length - 1, 0);
    harness_receive(harness, frame, length, 20); /* cut in parts no card would make */
    frame[14] = 9;
    harness_receive(harness, frame, length, 0);
    assert_int_equal(harness->frame_count, 0);
    assert_int_equal(harness->stack->ip->statistics.dropped_arp, 6);
    harness_destroy(harness);
}

static void test_defends_its_address_once(void **state)
{
    struct harness *harness = start();
    uint8_t frame[64];
    (void)state;
    harness_run(harness, 5 * S);
    harness_clear(harness);
    for (int i = 0; i < 5; i++) {
        size_t length = frame_arp(frame, ARP_REPLY, harness_peer, own, harness_mac, own);
        harness_receive(harness, frame, length, 0);
        harness_run(harness, 100 * MS);
    }
    assert_int_equal(harness->stack->ip->statistics.address_conflicts, 5);
    size_t announcements = 0;
    for (size_t i = 0; i < harness->frame_count; i++) {
        announcements += sent_arp(harness, i) != NULL;
    }
    assert_int_equal(announcements, 1);
    harness_destroy(harness);
}

static void test_packets_wait_for_arp(void **state)
{
    struct harness *harness = start();
    (void)state;
    send_ping(harness, 56, 0);
    send_ping(harness, 57, 0);
    assert_int_equal(harness->frame_count, 1); /* one question for both */
    const struct arp_packet *arp = sent_arp(harness, 0);
    assert_non_null(arp);
    assert_memory_equal(arp->target_protocol, peer, 4);
    answer_arp(harness);
    assert_int_equal(harness->frame_count, 3);
    assert_int_equal(be16_get(sent_ipv4(harness, 1)->total_length), 20 + 8 + 56);
    assert_int_equal(be16_get(sent_ipv4(harness, 2)->total_length), 20 + 8 + 57);
    assert_memory_equal(harness->frames[1].data, harness_peer, 6);
    harness_destroy(harness);
}

static void test_gives_up_on_silent_neighbour(void **state)
{
    struct harness *harness = start();
    (void)state;
    for (size_t i = 0; i < NEIGHBOUR_PENDING_MAX + 5; i++) {
        send_ping(harness, 8, 0);
    }
    harness_run(harness, 10 * S);
    size_t questions = 0;
    for (size_t i = 0; i < harness->frame_count; i++) {
        const struct arp_packet *arp = sent_arp(harness, i);
        questions += arp != NULL && memcmp(arp->target_protocol, peer, 4) == 0;
        assert_null(sent_ipv4(harness, i));
    }
    assert_int_equal(questions, 3);
    assert_int_equal(harness->stack->ip->statistics.dropped_unroutable, NEIGHBOUR_PENDING_MAX + 5);
    harness_destroy(harness);
}

static void test_stale_neighbour_is_verified(void **state)
{
    struct harness *harness = start();
    (void)state;
    send_ping(harness, 8, 0);
    answer_arp(harness);
    harness_run(harness, 60 * S); /* beyond any reachable time */
    harness_clear(harness);
    send_ping(harness, 8, 0); /* goes out at once, to the old address */
    assert_non_null(sent_ipv4(harness, 0));
    harness_run(harness, 6 * S);
    const struct arp_packet *arp = sent_arp(harness, 1);
    assert_non_null(arp);
    assert_memory_equal(harness->frames[1].data, harness_peer, 6); /* unicast probe */
    answer_arp(harness);
    harness_run(harness, 10 * S);
    assert_int_equal(harness->frame_count, 2);
    harness_destroy(harness);
}

static void test_cache_is_bounded(void **state)
{
    struct harness *harness = start();
    uint8_t frame[64];
    (void)state;
    for (unsigned i = 0; i < 3 * NEIGHBOURS_MAX; i++) {
        uint8_t address[4] = {10, 0, 0, (uint8_t)(3 + i % 250)};
        uint8_t mac[6] = {2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};
        harness_receive(harness, frame, frame_arp(frame, ARP_REQUEST, mac, address, zero_mac, own),
                        0);
    }
    send_ping(harness, 8, 0);
    answer_arp(harness);
    const size_t last = harness->frame_count - 1;
    assert_non_null(sent_ipv4(harness, last));
    harness_destroy(harness);
}

/* ---- Ethernet and IPv4 ---------------------------------------------------------------------- */

static void test_ring_full_delays(void **state)
{
    struct harness *harness = start();
    (void)state;
    answer_arp(harness);
    send_ping(harness, 8, 0);
    answer_arp(harness);
    harness_clear(harness);
    harness->ring_full = true;
    for (size_t i = 0; i < IP_BACKLOG_PACKETS_MAX + 10; i++) {
        send_ping(harness, 8, 0);
    }
    assert_int_equal(harness->frame_count, 0);
    assert_int_equal(harness->stack->ip->statistics.dropped_backlog, 10);
    harness->ring_full = false;
    harness_run(harness, 0);
    assert_int_equal(harness->frame_count, IP_BACKLOG_PACKETS_MAX);
    harness_destroy(harness);
}

static void test_drops_malformed_headers(void **state)
{
    struct harness *harness = start();
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    static const uint8_t group[4] = {224, 0, 0, 5};
    static const uint8_t other[4] = {10, 0, 0, 9};
    uint8_t good[128];
    uint8_t frame[128];
    uint8_t payload[64];
    (void)state;
    size_t length = payload_icmp(payload, ICMP_ECHO_REQUEST, 0, 0, NULL, 0);
    length = frame_ipv4(good, peer, own, IP_ICMP, 0, payload, length);

    /* Every truncation. */
    for (size_t i = 0; i < length; i++) {
        harness_receive(harness, good, i, 0);
    }
    assert_int_equal(harness->frame_count, 0);
    /* Every single-byte corruption of the IP header. */
    for (size_t i = 14; i < 34; i++) {
        memcpy(frame, good, length);
        frame[i] ^= 0x55;
        harness_receive(harness, frame, length, 0);
    }
    assert_int_equal(harness->frame_count, 0);
    /* Impossible addresses. */
    harness_receive(harness, frame, frame_ipv4(frame, loopback, own, IP_ICMP, 0, payload, 8), 0);
    harness_receive(harness, frame, frame_ipv4(frame, own, own, IP_ICMP, 0, payload, 8), 0);
    harness_receive(harness, frame, frame_ipv4(frame, group, own, IP_ICMP, 0, payload, 8), 0);
    harness_receive(harness, frame, frame_ipv4(frame, peer, loopback, IP_ICMP, 0, payload, 8), 0);
    harness_receive(harness, frame, frame_ipv4(frame, peer, other, IP_ICMP, 0, payload, 8), 0);
    assert_int_equal(harness->stack->ip->statistics.dropped_address, 5);
    assert_int_equal(harness->frame_count, 0);
    harness_destroy(harness);
}

static void test_answers_ping(void **state)
{
    struct harness *harness = start();
    (void)state;
    answer_arp(harness);
    for (size_t size = 0; size <= 1472; size += 23) {
        send_ping(harness, size, size % 3 == 0 ? 100 : 0);
        answer_arp(harness);
    }
    size_t replies = 0;
    for (size_t i = 0; i < harness->frame_count; i++) {
        const struct ipv4_header *header = sent_ipv4(harness, i);
        if (header == NULL) {
            continue;
        }
        size_t length = be16_get(header->total_length) - sizeof(*header);
        const struct icmp_header *icmp = (const struct icmp_header *)(header + 1);
        assert_int_equal(checksum_fold(checksum_add(0, header, sizeof(*header))), 0xffff);
        assert_int_equal(checksum_fold(checksum_add(0, icmp, length)), 0xffff);
        assert_int_equal(icmp->type, ICMP_ECHO_REPLY);
        assert_int_equal(be32_get(icmp->rest), 0x00010002);
        for (size_t at = 8; at < length; at++) {
            assert_int_equal(((const uint8_t *)icmp)[at], (uint8_t)((at - 8) * 7));
        }
        replies++;
    }
    assert_int_equal(replies, 1472 / 23 + 1);
    harness_destroy(harness);
}

static void test_refuses_unknown_protocol(void **state)
{
    struct harness *harness = start();
    uint8_t frame[1600];
    uint8_t payload[1200] = {1, 2, 3};
    (void)state;
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, 99, 0, payload, 1200), 0);
    answer_arp(harness);
    const struct ipv4_header *header = sent_ipv4(harness, 1);
    assert_non_null(header);
    const struct icmp_header *icmp = (const struct icmp_header *)(header + 1);
    assert_int_equal(icmp->type, ICMP_UNREACHABLE);
    assert_int_equal(icmp->code, ICMP_CODE_PROTOCOL);
    assert_int_equal(be16_get(header->total_length), 576);
    assert_memory_equal(icmp + 1, frame + 14, 548);
    assert_int_equal(checksum_fold(checksum_add(0, icmp, 556)), 0xffff);
    /* And not without limit. */
    harness_clear(harness);
    for (int i = 0; i < 200; i++) {
        harness_receive(harness, frame, frame_ipv4(frame, peer, own, 99, 0, payload, 8), 0);
    }
    assert_true(harness->frame_count <= ICMP_ERRORS_BURST);
    harness_run(harness, S);
    harness_clear(harness);
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, 99, 0, payload, 8), 0);
    assert_int_equal(harness->frame_count, 1);
    harness_destroy(harness);
}

static void test_no_error_about_errors(void **state)
{
    struct harness *harness = start();
    static const uint8_t broadcast[4] = {10, 0, 0, 255};
    uint8_t frame[256];
    uint8_t payload[64];
    (void)state;
    answer_arp(harness);
    size_t length = payload_icmp(payload, ICMP_UNREACHABLE, 3, 0, NULL, 0);
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_ICMP, 0, payload, length), 0);
    harness_receive(harness, frame, frame_ipv4(frame, peer, broadcast, 99, 0, payload, length), 0);
    length = payload_icmp(payload, ICMP_ECHO_REQUEST, 0, 0, NULL, 0);
    harness_receive(harness, frame, frame_ipv4(frame, peer, broadcast, IP_ICMP, 0, payload, length),
                    0);
    assert_int_equal(harness->frame_count, 0);
    harness_destroy(harness);
}

static void test_icmp_errors_reach_tcp(void **state)
{
    struct harness *harness = start();
    uint8_t quoted[128];
    uint8_t payload[128];
    uint8_t frame[256];
    uint8_t segment[8] = {0x12, 0x34, 0, 80, 0xde, 0xad, 0xbe, 0xef};
    (void)state;
    frame_ipv4(quoted, own, peer, IP_TCP, IPV4_FRAGMENT_DONT_BIT, segment, 8);
    size_t length =
        payload_icmp(payload, ICMP_UNREACHABLE, ICMP_CODE_FRAGMENT, 1200, quoted + 14, 28);
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_ICMP, 0, payload, length), 0);
    assert_int_equal(harness->tcp_error_count, 1);
    assert_int_equal(harness->tcp_error.report, IP_REPORT_TOO_BIG);
    assert_int_equal(harness->tcp_error.mtu_bytes, 1200);
    assert_int_equal(harness->tcp_error.source_port, 0x1234);
    assert_int_equal(harness->tcp_error.destination_port, 80);
    assert_int_equal(harness->tcp_error.sequence, 0xdeadbeef);
    /* A quotation of a packet that is not ours, or cut short, is not believed. */
    frame_ipv4(quoted, peer, own, IP_TCP, 0, segment, 8);
    length = payload_icmp(payload, ICMP_UNREACHABLE, ICMP_CODE_PORT, 0, quoted + 14, 28);
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_ICMP, 0, payload, length), 0);
    frame_ipv4(quoted, own, peer, IP_TCP, 0, segment, 8);
    length = payload_icmp(payload, ICMP_UNREACHABLE, ICMP_CODE_PORT, 0, quoted + 14, 27);
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_ICMP, 0, payload, length), 0);
    assert_int_equal(harness->tcp_error_count, 1);

    struct ip_address destination = ip_address_from_ipv4(peer);
    struct ip_address any = {0};
    struct ip_route route;
    ip_path_mtu_update(harness->stack, &destination, 1200);
    assert_int_equal(ip_route(harness->stack, &any, &destination, &route), ERR_OK);
    assert_int_equal(route.mtu_bytes, 1200);
    ip_path_mtu_update(harness->stack, &destination, 1400); /* never raises */
    ip_path_mtu_update(harness->stack, &destination, 10);
    assert_int_equal(ip_route_refresh(harness->stack, &route), ERR_OK);
    assert_int_equal(route.mtu_bytes, IPV4_MTU_MINIMUM_BYTES);
    harness_run(harness, 601 * S);
    assert_int_equal(ip_route_refresh(harness->stack, &route), ERR_OK);
    assert_int_equal(route.mtu_bytes, 1500);
    harness_destroy(harness);
}

/* ---- Reassembly ----------------------------------------------------------------------------- */

static uint8_t datagram[40000];

static void fill_datagram(void)
{
    for (size_t i = 0; i < sizeof(datagram); i++) {
        datagram[i] = (uint8_t)(i * 31 + (i >> 8));
    }
}

static void send_fragment(struct harness *harness, size_t offset, size_t length, bool more)
{
    uint8_t frame[2048];
    uint16_t field = (uint16_t)(offset / 8 | (more ? IPV4_FRAGMENT_MORE_BIT : 0));
    harness_receive(harness, frame,
                    frame_ipv4(frame, peer, own, IP_TCP, field, datagram + offset, length), 0);
}

static void test_reassembles_in_any_order(void **state)
{
    struct harness *harness = start();
    (void)state;
    fill_datagram();
    static const unsigned orders[4][5] = {
        {0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {2, 4, 0, 3, 1}, {1, 1, 0, 2, 2}};
    for (unsigned order = 0; order < 4; order++) {
        for (unsigned i = 0; i < 5; i++) {
            unsigned piece = orders[order][i];
            send_fragment(harness, piece * 1000, piece == 4 ? 123 : 1000, piece < 4);
        }
        if (order == 3) {
            send_fragment(harness, 4000, 123, false);
            send_fragment(harness, 3000, 1000, true);
        }
        assert_int_equal(harness->tcp_input_count, order + 1);
        assert_int_equal(harness->tcp_received.payload_bytes, 4123);
        assert_false(harness->tcp_received.checksum_valid);
        assert_memory_equal(harness->tcp_data, datagram, 4123);
    }
    assert_int_equal(harness->stack->ip->reassembly.held_bytes, 0);
    harness_destroy(harness);
}

static void test_overlap_condemns(void **state)
{
    struct harness *harness = start();
    (void)state;
    fill_datagram();
    send_fragment(harness, 0, 1000, true);
    send_fragment(harness, 992, 1000, true);
    send_fragment(harness, 1000, 1000, true);
    send_fragment(harness, 2000, 100, false);
    send_fragment(harness, 0, 1000, true);
    assert_int_equal(harness->tcp_input_count, 0);
    assert_int_equal(harness->stack->ip->reassembly.held_bytes, 0);
    /* After its time the identification may be used again. */
    harness_run(harness, 31 * S);
    send_fragment(harness, 0, 1000, true);
    send_fragment(harness, 1000, 8, false);
    assert_int_equal(harness->tcp_input_count, 1);
    harness_destroy(harness);
}

static void test_fragment_ends_are_checked(void **state)
{
    struct harness *harness = start();
    (void)state;
    fill_datagram();
    send_fragment(harness, 0, 1001, true); /* not a multiple of eight */
    harness_run(harness, 31 * S);
    send_fragment(harness, 1000, 8, false); /* two different ends */
    send_fragment(harness, 2000, 8, false);
    send_fragment(harness, 0, 1000, true);
    harness_run(harness, 31 * S);
    send_fragment(harness, 2000, 8, true); /* something behind the end */
    send_fragment(harness, 1000, 8, false);
    harness_run(harness, 31 * S);
    uint8_t frame[2048];
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_TCP, 0x1fff, datagram, 1000),
                    0);
    assert_int_equal(harness->tcp_input_count, 0);
    assert_int_equal(harness->stack->ip->reassembly.held_bytes, 0);
    harness_destroy(harness);
}

static void test_reassembly_is_bounded(void **state)
{
    struct harness *harness = start();
    uint8_t frame[2048];
    (void)state;
    fill_datagram();
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t source[4] = {10, 1, (uint8_t)(i >> 8), (uint8_t)i};
        size_t length = frame_ipv4(frame, source, own, IP_TCP,
                                   (uint16_t)(IPV4_FRAGMENT_MORE_BIT | 10), datagram, 1400);
        harness_receive(harness, frame, length, 0);
        assert_true(harness->stack->ip->reassembly.held_bytes <= REASSEMBLY_BYTES_MAX);
    }
    for (unsigned i = 0; i < 200; i++) {
        send_fragment(harness, i * 16, 8, true);
    }
    assert_true(harness->stack->ip->reassembly.held_bytes <= REASSEMBLY_BYTES_MAX);
    harness_run(harness, 31 * S);
    assert_int_equal(harness->stack->ip->reassembly.held_bytes, 0);
    harness_destroy(harness);
}

static void test_large_ping_is_fragmented(void **state)
{
    struct harness *harness = start();
    uint8_t payload[8192];
    uint8_t data[5000];
    (void)state;
    answer_arp(harness);
    send_ping(harness, 0, 0);
    answer_arp(harness);
    harness_clear(harness);
    fill_datagram();
    memcpy(data, datagram, sizeof(data));
    size_t length = payload_icmp(payload, ICMP_ECHO_REQUEST, 0, 1, data, sizeof(data));
    memcpy(datagram, payload, length);
    for (size_t at = 0; at < length; at += 1480) {
        uint8_t frame[2048];
        size_t take = length - at < 1480 ? length - at : 1480;
        uint16_t field = (uint16_t)(at / 8 | (at + take < length ? IPV4_FRAGMENT_MORE_BIT : 0));
        harness_receive(harness, frame,
                        frame_ipv4(frame, peer, own, IP_ICMP, field, datagram + at, take), 0);
    }
    assert_int_equal(harness->frame_count, 4);
    uint8_t whole[8192];
    size_t got = 0;
    for (size_t i = 0; i < 4; i++) {
        const struct ipv4_header *header = sent_ipv4(harness, i);
        size_t offset = (be16_get(header->fragment) & IPV4_FRAGMENT_OFFSET_MASK) * 8u;
        size_t part = be16_get(header->total_length) - sizeof(*header);
        assert_int_equal(be16_get(header->identification),
                         be16_get(sent_ipv4(harness, 0)->identification));
        assert_int_equal((be16_get(header->fragment) & IPV4_FRAGMENT_MORE_BIT) != 0, i < 3);
        memcpy(whole + offset, header + 1, part);
        got += part;
    }
    assert_int_equal(got, length);
    assert_int_equal(checksum_fold(checksum_add(0, whole, got)), 0xffff);
    assert_memory_equal(whole + 8, data, sizeof(data));
    harness_destroy(harness);
}

/* ---- Checksums ------------------------------------------------------------------------------ */

static uint16_t slow_checksum(const uint8_t *data, size_t length)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < length; i += 2) {
        sum += (uint32_t)data[i] << 8 | (i + 1 < length ? data[i + 1] : 0);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static void test_checksum_matches_definition(void **state)
{
    uint8_t data[300];
    uint32_t seed = 1;
    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        seed = seed * 1103515245 + 12345;
        data[i] = (uint8_t)(i < 40 ? 0xff : seed >> 24);
    }
    for (size_t start_at = 0; start_at < 9; start_at++) {
        for (size_t length = 0; start_at + length <= sizeof(data); length++) {
            uint16_t fast = checksum_fold(checksum_add(0, data + start_at, length));
            uint16_t slow = slow_checksum(data + start_at, length);
            assert_int_equal(__builtin_bswap16(fast), slow);
            /* In two pieces at any split, odd ones too. */
            size_t split = length / 3;
            uint32_t sum = checksum_add(0, data + start_at, split);
            sum = checksum_add_at(sum, data + start_at + split, length - split, split & 1);
            assert_int_equal(checksum_fold(sum), fast);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_announces_itself),
        cmocka_unit_test(test_answers_arp_request),
        cmocka_unit_test(test_ignores_bad_arp),
        cmocka_unit_test(test_defends_its_address_once),
        cmocka_unit_test(test_packets_wait_for_arp),
        cmocka_unit_test(test_gives_up_on_silent_neighbour),
        cmocka_unit_test(test_stale_neighbour_is_verified),
        cmocka_unit_test(test_cache_is_bounded),
        cmocka_unit_test(test_ring_full_delays),
        cmocka_unit_test(test_drops_malformed_headers),
        cmocka_unit_test(test_answers_ping),
        cmocka_unit_test(test_refuses_unknown_protocol),
        cmocka_unit_test(test_no_error_about_errors),
        cmocka_unit_test(test_icmp_errors_reach_tcp),
        cmocka_unit_test(test_reassembles_in_any_order),
        cmocka_unit_test(test_overlap_condemns),
        cmocka_unit_test(test_fragment_ends_are_checked),
        cmocka_unit_test(test_reassembly_is_bounded),
        cmocka_unit_test(test_large_ping_is_fragmented),
        cmocka_unit_test(test_checksum_matches_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
