/* The resolver: messages, names, the hosts text, and queries against a scripted server. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "net/dns_message.h"
#include "net/dns_state.h"
#include "net/ip_text.h"
#include "tests/unit/net_harness.h"

#define S 1000000000ull

static const uint8_t own[4] = {10, 0, 0, 2};
static const uint8_t server[4] = {10, 0, 0, 1};

/* ---- Text ----------------------------------------------------------------------------------- */

static void test_address_text(void **state)
{
    static const struct {
        const char *in;
        const char *out; /* NULL: malformed */
    } cases[] = {
        {"1.2.3.4", "1.2.3.4"},
        {"255.255.255.255", "255.255.255.255"},
        {"1.2.3", NULL},
        {"1.2.3.4.5", NULL},
        {"1.2.3.256", NULL},
        {"01.2.3.4", NULL},
        {"1..2.3", NULL},
        {"", NULL},
        {"1.2.3.4 ", NULL},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:DB8::7", "2001:db8::7"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
        {"1:2:3:4:5:6:7", NULL},
        {"1:2:3:4:5:6:7:8:9", NULL},
        {"1::2::3", NULL},
        {":1::", NULL},
        {"1:", NULL},
        {":", NULL},
        {":::", NULL},
        {"12345::", NULL},
        {"g::", NULL},
        {"1:2:3:4:5:6:7::8", NULL},
        {"::1.2.3", NULL},
        {"1:2:3:4:5:6:7:1.2.3.4", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ip_address address;
        char text[IP_TEXT_BYTES];
        bool good = ip_address_parse(cases[i].in, strlen(cases[i].in), &address);
        assert_int_equal(good, cases[i].out != NULL);
        if (!good) {
            continue;
        }
        assert_int_equal(ip_address_format(&address, text), strlen(cases[i].out));
        assert_string_equal(text, cases[i].out);
    }
}

static void test_names(void **state)
{
    char out[DNS_NAME_BYTES];
    char longest[300];
    (void)state;
    assert_true(dns_name_normalize("Ex-am_ple.COM.", 14, out));
    assert_string_equal(out, "ex-am_ple.com");
    static const char *const bad[] = {"", ".", "a..b", ".a", "a b", "a\xc3\xa4", "a/b", "a..", "*"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(dns_name_normalize(bad[i], strlen(bad[i]), out));
    }
    assert_false(dns_name_normalize("a\0b", 3, out));
    memset(longest, 'a', sizeof(longest));
    assert_true(dns_name_normalize(longest, 63, out));
    assert_false(dns_name_normalize(longest, 64, out));
    for (size_t i = 63; i < sizeof(longest); i += 64) {
        longest[i] = '.';
    }
    assert_true(dns_name_normalize(longest, 253, out));
    assert_false(dns_name_normalize(longest, 254, out));
    uint8_t message[DNS_QUERY_BYTES_MAX];
    assert_true(dns_name_normalize(longest, 253, out));
    assert_true(dns_message_build(1, out, DNS_TYPE_A, message) <= sizeof(message));
}

static void test_hosts_text(void **state)
{
    static const char hosts[] = "# comment\n"
                                "127.0.0.1 localhost  local\r\n"
                                "10.1.1.1\tdb DB.internal # db2\n"
                                "fd00::5 db\n"
                                "nonsense db\n"
                                "10.1.1.2 last";
    struct dns_result result = {0};
    (void)state;
    assert_true(dns_hosts_find(hosts, sizeof(hosts) - 1, "db", 3, &result));
    assert_int_equal(result.address_count, 2);
    memset(&result, 0, sizeof(result));
    assert_true(dns_hosts_find(hosts, sizeof(hosts) - 1, "db", DNS_IPV6_BIT, &result));
    assert_int_equal(result.address_count, 1);
    memset(&result, 0, sizeof(result));
    assert_true(dns_hosts_find(hosts, sizeof(hosts) - 1, "db.internal", 3, &result));
    memset(&result, 0, sizeof(result));
    assert_true(dns_hosts_find(hosts, sizeof(hosts) - 1, "last", 3, &result));
    memset(&result, 0, sizeof(result));
    assert_false(dns_hosts_find(hosts, sizeof(hosts) - 1, "db2", 3, &result));
    assert_false(dns_hosts_find(hosts, sizeof(hosts) - 1, "10.1.1.1", 3, &result));
    assert_false(dns_hosts_find(hosts, 0, "db", 3, &result));
}

/* ---- Messages ------------------------------------------------------------------------------- */

/* An answer to (id 1, a.b, A) with the given flags and records. */
static size_t make_answer(uint8_t *out, uint16_t flags, uint16_t count, const char *records,
                          size_t length)
{
    size_t at = dns_message_build(1, "a.b", DNS_TYPE_A, out);
    out[2] = (uint8_t)(flags >> 8);
    out[3] = (uint8_t)flags;
    out[6] = (uint8_t)(count >> 8);
    out[7] = (uint8_t)count;
    memcpy(out + at, records, length);
    return at + length;
}

#define ANSWER(flags, count, records)                                                              \
    make_answer(message, flags, count, records, sizeof(records) - 1)
#define A_RECORD(name, last) name "\0\1\0\1\0\0\0\0\0\4\12\0\0" last

static void test_messages(void **state)
{
    uint8_t message[1500];
    struct dns_result result = {0};
    (void)state;
    size_t length = ANSWER(0x8180, 1, A_RECORD("\xc0\x0c", "\7"));
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 1, &result), DNS_ANSWER_FOUND);
    assert_int_equal(result.address_count, 1);
    for (size_t i = 0; i < length; i++) {
        memset(&result, 0, sizeof(result));
        assert_int_not_equal(dns_message_parse(message, i, 1, "a.b", 1, &result), DNS_ANSWER_FOUND);
    }
    assert_int_equal(dns_message_parse(message, length, 2, "a.b", 1, &result), DNS_ANSWER_FOREIGN);
    assert_int_equal(dns_message_parse(message, length, 1, "a.c", 1, &result), DNS_ANSWER_FOREIGN);
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 28, &result), DNS_ANSWER_FOREIGN);
    message[2] = 0x01; /* a question, not an answer */
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 1, &result), DNS_ANSWER_FOREIGN);

    length = ANSWER(0x8183, 0, "");
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 1, &result), DNS_ANSWER_NONE);
    length = ANSWER(0x8182, 0, "");
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 1, &result), DNS_ANSWER_FAILURE);
    length = ANSWER(0x8380, 0, "");
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 1, &result),
                     DNS_ANSWER_TRUNCATED);
    length = ANSWER(0x8180, 0, "");
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 1, &result), DNS_ANSWER_NONE);
}

static void test_aliases(void **state)
{
    uint8_t message[1500];
    struct dns_result result = {0};
    (void)state;
    /* Out of order, and someone else's address among them. */
    size_t length = ANSWER(0x8180, 3,
                           A_RECORD("\1c\1d\0", "\1")
                               A_RECORD("\1x\0", "\2") "\1A\1B\0\0\5\0\1\0\0\0\0\0\5\1c\1D\0");
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 1, &result), DNS_ANSWER_FOUND);
    assert_int_equal(result.address_count, 1);
    assert_int_equal(ip_address_ipv4_bytes(&result.addresses[0])[3], 1);
    assert_string_equal(result.canonical_name, "c.d");
    length = ANSWER(0x8180, 1, "\xc0\x0c\0\5\0\1\0\0\0\0\0\5\1c\1d\0");
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 1, &result), DNS_ANSWER_ALIAS);
    /* A loop ends. */
    length = ANSWER(0x8180, 2,
                    "\xc0\x0c\0\5\0\1\0\0\0\0\0\3\1c\0"
                    "\1c\0\0\5\0\1\0\0\0\0\0\2\xc0\x0c");
    assert_int_not_equal(dns_message_parse(message, length, 1, "a.b", 1, &result),
                         DNS_ANSWER_FOUND);
    /* Pointers to themselves and forward. */
    length = ANSWER(0x8180, 1, A_RECORD("\xc0\x15", "\7"));
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 1, &result), DNS_ANSWER_NONE);
    length = ANSWER(0x8180, 1, A_RECORD("\xc0\xff", "\7"));
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 1, &result), DNS_ANSWER_NONE);
    /* An address of the wrong size. */
    length = ANSWER(0x8180, 1, "\xc0\x0c\0\1\0\1\0\0\0\0\0\5\1\2\3\4\5");
    assert_int_equal(dns_message_parse(message, length, 1, "a.b", 1, &result), DNS_ANSWER_NONE);
}

/* ---- Queries -------------------------------------------------------------------------------- */

static struct harness *start(void)
{
    struct harness *harness = harness_create(false, 0);
    uint8_t frame[64];
    size_t length = frame_arp(frame, ARP_REQUEST, harness_peer, server, harness_mac, own);
    harness_receive(harness, frame, length, 0);
    harness_clear(harness);
    return harness;
}

static size_t question_count(const struct harness *harness)
{
    size_t count = 0;
    for (size_t i = 0; i < harness->frame_count; i++) {
        const struct ipv4_header *ip = sent_ipv4(harness, i);
        count += ip != NULL && ip->protocol == IP_UDP;
    }
    return count;
}

/* Answers sent frame `index`: flags, records (their owner is usually a pointer to offset 12). */
static void answer(struct harness *harness, size_t index, uint16_t flags, uint16_t count,
                   const void *records, size_t length)
{
    const struct ipv4_header *ip = sent_ipv4(harness, index);
    uint8_t message[1000];
    uint8_t payload[1100];
    uint8_t frame[1200];
    assert_non_null(ip);
    const struct udp_header *udp = (const struct udp_header *)(ip + 1);
    assert_int_equal(be16_get(udp->destination_port), 53);
    assert_memory_equal(ip->destination, server, 4);
    size_t asked = be16_get(udp->length) - sizeof(*udp);
    memcpy(message, udp + 1, asked);
    message[2] = (uint8_t)(flags >> 8);
    message[3] = (uint8_t)flags;
    message[6] = (uint8_t)(count >> 8);
    message[7] = (uint8_t)count;
    memcpy(message + asked, records, length);
    length =
        payload_udp(payload, server, own, 53, be16_get(udp->source_port), message, asked + length);
    harness_receive(harness, frame, frame_ipv4(frame, server, own, IP_UDP, 0, payload, length), 0);
}

static const char record_a[] = "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\12\1\1\1";
static const char record_aaaa[] =
    "\xc0\x0c\0\34\0\1\0\0\0\0\0\20\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7";

static void test_query(void **state)
{
    struct harness *harness = start();
    struct dns_query *query;
    struct dns_result result;
    (void)state;
    assert_int_equal(dns_query_start(harness->stack, "Www.Test", 8, 3, &query), ERR_OK);
    assert_int_equal(question_count(harness), 2);
    assert_int_equal(dns_query_result(query, &result), ERR_INPROGRESS);
    answer(harness, 1, 0x8180, 1, record_aaaa, sizeof(record_aaaa) - 1);
    assert_int_equal(dns_query_result(query, &result), ERR_INPROGRESS);
    answer(harness, 0, 0x8180, 1, record_a, sizeof(record_a) - 1);
    assert_int_equal(dns_query_result(query, &result), ERR_OK);
    assert_int_equal(result.address_count, 2);
    assert_string_equal(result.canonical_name, "www.test");
    assert_int_equal(harness->wake_count, 0); /* the application hears nothing of it */
    dns_query_close(harness->stack, query);
    harness_destroy(harness);
}

static void test_query_fails(void **state)
{
    struct harness *harness = start();
    struct dns_query *query;
    struct dns_result result;
    (void)state;
    assert_int_equal(dns_query_start(harness->stack, "no.test", 7, DNS_IPV4_BIT, &query), ERR_OK);
    assert_int_equal(question_count(harness), 1);
    answer(harness, 0, 0x8183, 0, "", 0);
    assert_int_equal(dns_query_result(query, &result), ERR_AI_NONAME);
    dns_query_close(harness->stack, query);

    harness_clear(harness); /* nobody answers */
    assert_int_equal(dns_query_start(harness->stack, "no.test", 7, 3, &query), ERR_OK);
    uint64_t started_ns = harness->now_ns;
    while (dns_query_result(query, &result) == ERR_INPROGRESS) {
        uint8_t frame[64];
        harness_receive(harness, frame,
                        frame_arp(frame, ARP_REPLY, harness_peer, server, harness_mac, own), 0);
        harness_run(harness, S / 2);
        assert_true(harness->now_ns - started_ns < 30 * S);
    }
    assert_int_equal(dns_query_result(query, &result), ERR_AI_AGAIN);
    assert_int_equal(question_count(harness), 2 * DNS_ATTEMPTS);
    dns_query_close(harness->stack, query);

    harness_clear(harness); /* the server refuses each time */
    assert_int_equal(dns_query_start(harness->stack, "no.test", 7, DNS_IPV4_BIT, &query), ERR_OK);
    for (size_t i = 0; i < DNS_ATTEMPTS; i++) {
        harness_run(harness, S / 100);
        answer(harness, harness->frame_count - 1, 0x8185, 0, "", 0);
    }
    assert_int_equal(dns_query_result(query, &result), ERR_AI_FAIL);
    dns_query_close(harness->stack, query);
    harness_destroy(harness);
}

static void test_query_follows_alias(void **state)
{
    struct harness *harness = start();
    struct dns_query *query;
    struct dns_result result;
    static const char alias[] = "\xc0\x0c\0\5\0\1\0\0\0\0\0\6\4real\0";
    (void)state;
    assert_int_equal(dns_query_start(harness->stack, "a.test", 6, DNS_IPV4_BIT, &query), ERR_OK);
    answer(harness, 0, 0x8180, 1, alias, sizeof(alias) - 1);
    assert_int_equal(question_count(harness), 2);
    answer(harness, 1, 0x8180, 1, record_a, sizeof(record_a) - 1);
    assert_int_equal(dns_query_result(query, &result), ERR_OK);
    assert_string_equal(result.canonical_name, "real");
    dns_query_close(harness->stack, query);
    /* An endless chain is given up. */
    harness_clear(harness);
    static const char loop[] = "\xc0\x0c\0\5\0\1\0\0\0\0\0\3\1y\0";
    static const char pool[] = "\xc0\x0c\0\5\0\1\0\0\0\0\0\3\1z\0";
    assert_int_equal(dns_query_start(harness->stack, "a.test", 6, DNS_IPV4_BIT, &query), ERR_OK);
    for (size_t i = 0; dns_query_result(query, &result) == ERR_INPROGRESS; i++) {
        assert_true(i < 20);
        answer(harness, i, 0x8180, 1, i % 2 ? loop : pool, sizeof(loop) - 1);
    }
    assert_int_equal(dns_query_result(query, &result), ERR_AI_FAIL);
    dns_query_close(harness->stack, query);
    harness_destroy(harness);
}

static void test_query_without_server(void **state)
{
    struct harness *harness = start();
    struct dns_query *query;
    struct dns_query *more[DNS_QUERIES_MAX];
    struct dns_result result;
    static const char hosts[] = "10.7.7.7 box\n";
    (void)state;
    dns_set_hosts(harness->stack, hosts, sizeof(hosts) - 1);
    static const char *const names[] = {"10.2.3.4", "box", "localhost", "x.localhost"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(dns_query_start(harness->stack, names[i], strlen(names[i]), 3, &query),
                         ERR_OK);
        assert_int_equal(dns_query_result(query, &result), ERR_OK);
        dns_query_close(harness->stack, query);
    }
    assert_int_equal(dns_query_start(harness->stack, "::1", 3, DNS_IPV4_BIT, &query), ERR_OK);
    assert_int_equal(dns_query_result(query, &result), ERR_AI_NONAME);
    dns_query_close(harness->stack, query);
    assert_int_equal(dns_query_start(harness->stack, "not a name", 10, 3, &query), ERR_AI_NONAME);
    assert_int_equal(question_count(harness), 0);
    for (size_t i = 0; i < DNS_QUERIES_MAX; i++) {
        assert_int_equal(dns_query_start(harness->stack, "q.test", 6, 3, &more[i]), ERR_OK);
    }
    assert_int_equal(dns_query_start(harness->stack, "q.test", 6, 3, &query), ERR_AI_MEMORY);
    for (size_t i = 0; i < DNS_QUERIES_MAX / 2; i++) {
        dns_query_close(harness->stack, more[i]); /* the others end with the stack */
    }
    netif_clear_dns_servers(harness->stack);
    assert_int_equal(dns_query_start(harness->stack, "q.test", 6, 3, &query), ERR_AI_AGAIN);
    harness_destroy(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_text),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_hosts_text),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_query_fails),
        cmocka_unit_test(test_query_follows_alias),
        cmocka_unit_test(test_query_without_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
