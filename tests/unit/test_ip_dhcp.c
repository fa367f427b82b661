/* The DHCP client's life against a scripted server (RFC 2131 §4.4, figure 5). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "net/dhcp_message.h"
#include "tests/unit/net_harness.h"

#define S 1000000000ull

static const uint8_t own[4] = {10, 0, 0, 2};
static const uint8_t server[4] = {10, 0, 0, 1};

/* A DHCP message among the sent frames from `first` on; NULL: none. */
static const struct dhcp_message *sent_dhcp(const struct harness *harness, size_t first,
                                            uint8_t *type, const struct ipv4_header **ip)
{
    for (size_t i = first; i < harness->frame_count; i++) {
        *ip = sent_ipv4(harness, i);
        if (*ip == NULL || (*ip)->protocol != IP_UDP) {
            continue;
        }
        const struct udp_header *udp = (const struct udp_header *)(*ip + 1);
        if (be16_get(udp->destination_port) != 67) {
            continue;
        }
        const struct dhcp_message *message = (const struct dhcp_message *)(udp + 1);
        const uint8_t *options = (const uint8_t *)(message + 1);
        assert_int_equal(options[0], 53);
        *type = options[2];
        return message;
    }
    return NULL;
}

static size_t put(uint8_t *out, size_t at, uint8_t option, const void *data, uint8_t length)
{
    out[at] = option;
    out[at + 1] = length;
    memcpy(out + at + 2, data, length);
    return at + 2 + length;
}

struct answer {
    enum dhcp_type type;
    uint32_t lease_s;
    uint32_t transaction;
    const uint8_t *server;
    uint8_t address[4];
    bool to_everyone;
};

static void answer(struct harness *harness, const struct answer *script)
{
    static const uint8_t mask[4] = {255, 255, 255, 0};
    static const uint8_t dns[8] = {10, 0, 0, 53, 10, 0, 0, 54};
    uint8_t message[400] = {2, 1, 6};
    uint8_t payload[500];
    uint8_t frame[600];
    uint8_t type = (uint8_t)script->type;
    struct be32 lease = be32_make(script->lease_s);
    struct be32 transaction = be32_make(script->transaction);
    struct be32 magic = be32_make(0x63825363);
    struct be16 mtu = be16_make(1400);
    const uint8_t *from = script->server != NULL ? script->server : server;
    const uint8_t *to = script->to_everyone ? (const uint8_t *)"\xff\xff\xff\xff" : script->address;

    memcpy(message + 4, &transaction, 4);
    memcpy(message + 16, script->address, 4);
    memcpy(message + 28, harness_mac, 6);
    memcpy(message + 236, &magic, 4);
    size_t at = put(message, 240, 53, &type, 1);
    at = put(message, at, 54, from, 4);
    at = put(message, at, 51, &lease, 4);
    at = put(message, at, 1, mask, 4);
    at = put(message, at, 3, server, 4);
    at = put(message, at, 6, dns, 8);
    at = put(message, at, 26, &mtu, 2);
    message[at++] = 255;
    size_t length = payload_udp(payload, server, to, 67, 68, message, at);
    harness_receive(harness, frame, frame_ipv4(frame, server, to, IP_UDP, 0, payload, length), 0);
}

static uint32_t expect(struct harness *harness, enum dhcp_type type)
{
    const struct ipv4_header *ip;
    uint8_t got;
    const struct dhcp_message *message = sent_dhcp(harness, 0, &got, &ip);
    assert_non_null(message);
    assert_int_equal(got, type);
    assert_memory_equal(message->client_hardware, harness_mac, 6);
    assert_int_equal(checksum_fold(checksum_add(0, ip, sizeof(*ip))), 0xffff);
    uint32_t transaction = be32_get(message->transaction);
    harness_clear(harness);
    return transaction;
}

static struct harness *bind_lease(uint32_t lease_s)
{
    struct harness *harness = harness_create(true, 0);
    uint32_t transaction = expect(harness, DHCP_DISCOVER);
    assert_false(net_stack_is_configured(harness->stack));
    answer(harness, &(struct answer){.type = DHCP_OFFER,
                                     .lease_s = lease_s,
                                     .transaction = transaction,
                                     .address = {10, 0, 0, 2}});
    assert_int_equal(expect(harness, DHCP_REQUEST), transaction);
    answer(harness, &(struct answer){.type = DHCP_ACK,
                                     .lease_s = lease_s,
                                     .transaction = transaction,
                                     .address = {10, 0, 0, 2},
                                     .to_everyone = true});
    assert_true(net_stack_is_configured(harness->stack));
    return harness;
}

static void test_binds(void **state)
{
    struct harness *harness = bind_lease(3600);
    const struct netif *netif = &harness->stack->ip->netif;
    (void)state;
    assert_int_equal(netif->ipv4, 0x0a000002);
    assert_int_equal(netif->ipv4_prefix_length, 24);
    assert_int_equal(netif->ipv4_gateway, 0x0a000001);
    assert_int_equal(netif->mtu_bytes, 1400);
    assert_int_equal(netif->dns_server_count, 2);
    assert_non_null(sent_arp(harness, 0)); /* the announcement */
    harness_destroy(harness);
}

static void test_backs_off(void **state)
{
    struct harness *harness = harness_create(true, 0);
    uint64_t last_ns = harness->now_ns;
    uint64_t gap_ns = 0;
    (void)state;
    for (int i = 0; i < 9; i++) {
        uint32_t first = expect(harness, DHCP_DISCOVER);
        (void)first;
        while (harness->frame_count == 0 || sent_ipv4(harness, harness->frame_count - 1) == NULL) {
            harness_run(harness, S / 10);
            assert_true(harness->now_ns - last_ns < 90 * S);
        }
        gap_ns = harness->now_ns - last_ns;
        last_ns = harness->now_ns;
        for (size_t f = 0; f + 1 < harness->frame_count; f++) {
            assert_null(sent_ipv4(harness, f));
        }
        harness->frames[0] = harness->frames[harness->frame_count - 1];
        harness->frame_count = 1;
        if (i == 0) {
            assert_true(gap_ns <= 13 * S / 10);
        }
    }
    assert_true(gap_ns > 45 * S);
    harness_destroy(harness);
}

static void test_ignores_foreign_answers(void **state)
{
    struct harness *harness = harness_create(true, 0);
    static const uint8_t other[4] = {10, 0, 0, 77};
    uint32_t transaction = expect(harness, DHCP_DISCOVER);
    struct answer script = {.type = DHCP_OFFER,
                            .lease_s = 60,
                            .transaction = transaction + 1,
                            .address = {10, 0, 0, 2}};
    (void)state;
    answer(harness, &script);
    script.transaction = transaction;
    script.type = DHCP_ACK; /* nothing was asked for yet */
    answer(harness, &script);
    script.type = DHCP_OFFER;
    script.address[0] = 127;
    answer(harness, &script);
    assert_int_equal(harness->frame_count, 0);
    script.address[0] = 10;
    answer(harness, &script);
    expect(harness, DHCP_REQUEST);
    script.type = DHCP_ACK;
    script.server = other;
    answer(harness, &script);
    assert_false(net_stack_is_configured(harness->stack));
    script.server = NULL;
    script.lease_s = 0;
    answer(harness, &script);
    assert_false(net_stack_is_configured(harness->stack));
    harness_destroy(harness);
}

static void test_refusal_starts_over(void **state)
{
    struct harness *harness = harness_create(true, 0);
    uint32_t transaction = expect(harness, DHCP_DISCOVER);
    (void)state;
    struct answer script = {
        .type = DHCP_OFFER, .lease_s = 60, .transaction = transaction, .address = {10, 0, 0, 2}};
    answer(harness, &script);
    expect(harness, DHCP_REQUEST);
    script.type = DHCP_NAK;
    answer(harness, &script);
    harness_run(harness, 2 * S);
    assert_int_not_equal(expect(harness, DHCP_DISCOVER), transaction);
    harness_destroy(harness);
}

static void test_unanswered_request_starts_over(void **state)
{
    struct harness *harness = harness_create(true, 0);
    uint32_t transaction = expect(harness, DHCP_DISCOVER);
    (void)state;
    answer(harness, &(struct answer){.type = DHCP_OFFER,
                                     .lease_s = 60,
                                     .transaction = transaction,
                                     .address = {10, 0, 0, 2}});
    expect(harness, DHCP_REQUEST);
    harness_run(harness, 30 * S);
    const struct ipv4_header *ip;
    uint8_t type = 0;
    size_t requests = 0;
    size_t discovers = 0;
    for (size_t i = 0; i < harness->frame_count; i++) {
        size_t saved = harness->frame_count;
        harness->frame_count = i + 1;
        if (sent_dhcp(harness, i, &type, &ip) != NULL) {
            requests += type == DHCP_REQUEST;
            discovers += type == DHCP_DISCOVER;
        }
        harness->frame_count = saved;
    }
    assert_int_equal(requests, 3);
    assert_true(discovers > 0);
    harness_destroy(harness);
}

static void learn_server(struct harness *harness)
{
    uint8_t frame[64];
    harness_receive(harness, frame,
                    frame_arp(frame, ARP_REQUEST, harness_peer, server, harness_mac, own), 0);
    harness_clear(harness);
}

static void test_renews(void **state)
{
    struct harness *harness = bind_lease(1000);
    const struct ipv4_header *ip;
    uint8_t type;
    (void)state;
    harness_run(harness, 490 * S);
    learn_server(harness);
    harness_run(harness, 20 * S);
    const struct dhcp_message *message = sent_dhcp(harness, 0, &type, &ip);
    assert_non_null(message);
    assert_int_equal(type, DHCP_REQUEST);
    assert_memory_equal(ip->destination, server, 4); /* unicast, from our address */
    assert_memory_equal(ip->source, own, 4);
    assert_memory_equal(message->client_address, own, 4);
    answer(harness, &(struct answer){.type = DHCP_ACK,
                                     .lease_s = 1000,
                                     .transaction = be32_get(message->transaction),
                                     .address = {10, 0, 0, 2}});
    harness_clear(harness);
    harness_run(harness, 480 * S);
    assert_true(net_stack_is_configured(harness->stack));
    assert_null(sent_dhcp(harness, 0, &type, &ip));
    learn_server(harness);
    harness_run(harness, 30 * S);
    assert_non_null(sent_dhcp(harness, 0, &type, &ip));
    harness_destroy(harness);
}

static void test_rebinds_then_expires(void **state)
{
    struct harness *harness = bind_lease(1000);
    const struct ipv4_header *ip;
    uint8_t type;
    (void)state;
    harness_run(harness, 870 * S);
    harness_clear(harness);
    harness_run(harness, 10 * S);
    const struct dhcp_message *message = sent_dhcp(harness, 0, &type, &ip);
    assert_non_null(message);
    assert_memory_equal(ip->destination, "\xff\xff\xff\xff", 4);
    assert_memory_equal(message->client_address, own, 4);
    assert_true(net_stack_is_configured(harness->stack));
    harness_run(harness, 119 * S);
    assert_true(net_stack_is_configured(harness->stack));
    harness_clear(harness);
    harness_run(harness, 2 * S);
    assert_false(net_stack_is_configured(harness->stack));
    expect(harness, DHCP_DISCOVER);
    harness_destroy(harness);
}

static void test_declines_taken_address(void **state)
{
    struct harness *harness = bind_lease(1000);
    uint8_t frame[64];
    (void)state;
    harness_clear(harness);
    harness_receive(harness, frame,
                    frame_arp(frame, ARP_REPLY, harness_peer, own, harness_mac, own), 0);
    expect(harness, DHCP_DECLINE);
    assert_false(net_stack_is_configured(harness->stack));
    harness_run(harness, 9 * S);
    const struct ipv4_header *ip;
    uint8_t type;
    assert_null(sent_dhcp(harness, 0, &type, &ip));
    harness_run(harness, 2 * S);
    expect(harness, DHCP_DISCOVER);
    harness_destroy(harness);
}

static void test_parser_bounds(void **state)
{
    uint8_t message[600] = {2, 1, 6};
    struct dhcp_reply reply;
    struct be32 magic = be32_make(0x63825363);
    (void)state;
    message[16] = 10;
    memcpy(message + 28, harness_mac, 6);
    memcpy(message + 236, &magic, 4);
    memcpy(message + 240, "\x35\x01\x02\x36\x04\x0a\x00\x00\x01\x34\x01\x03\xff", 13);
    /* Overload: the mask in `file`, the router in `sname`. */
    memcpy(message + 108, "\x01\x04\xff\xff\x00\x00\xff", 7);
    memcpy(message + 44, "\x03\x04\x0a\x00\x00\x09\xff", 7);
    assert_true(dhcp_message_parse(message, 253, 0, harness_mac, &reply));
    assert_int_equal(reply.prefix_length, 16);
    assert_int_equal(reply.router[3], 9);
    for (size_t length = 0; length < 253; length++) {
        (void)dhcp_message_parse(message, length, 0, harness_mac, &reply);
    }
    assert_false(dhcp_message_parse(message, 241, 0, harness_mac, &reply)); /* cut in an option */
    message[241] = 200;
    assert_false(dhcp_message_parse(message, 253, 0, harness_mac, &reply));
    message[241] = 1;
    memcpy(message + 110, "\xff\x00\xff\x00", 4); /* a mask with holes: by class */
    assert_true(dhcp_message_parse(message, 253, 0, harness_mac, &reply));
    assert_int_equal(reply.prefix_length, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binds),
        cmocka_unit_test(test_backs_off),
        cmocka_unit_test(test_ignores_foreign_answers),
        cmocka_unit_test(test_refusal_starts_over),
        cmocka_unit_test(test_unanswered_request_starts_over),
        cmocka_unit_test(test_renews),
        cmocka_unit_test(test_rebinds_then_expires),
        cmocka_unit_test(test_declines_taken_address),
        cmocka_unit_test(test_parser_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
