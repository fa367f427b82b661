/* WAMR's socket dialect: what differs from WasmEdge's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_dns.h"
#include "tests/unit/fake_net_socket.h"
#include "tests/unit/fake_wasi.h"
#include "wasi/calls.h"
#include "wasi/sock_wamr.h"

enum { AFNOSUPPORT = 5, BADF = 8, FAULT = 21, INVAL = 28, NOTSUP = 58, AI_NONAME = 84 };
enum {
    FD = 0x40,
    ADDRESS = 0x100,
    IOV = 0x200,
    OUT = 0x300,
    DATA = 0x1000,
    HOST = 0x2000,
    SERVICE = 0x2100,
    HINTS = 0x2200,
    RESULTS = 0x3000
};

static struct wasi_config config;

static int set_up(void **state)
{
    (void)state;
    config = (struct wasi_config){.network = (struct net_stack *)&config};
    fake_connect_answer = ERR_OK;
    memset(&fake_dns, 0, sizeof(fake_dns));
    fake_begin(&config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_end();
    assert_int_equal(fake_socket_count, 0);
    return 0;
}

static uint32_t open_socket(uint32_t family, uint32_t type)
{
    assert_int_equal(wasi_wamr_sock_open(UINT32_MAX, family, type, FD), 0);
    return guest_get_u32(FD);
}

static void put_ipv4(const char *bytes, uint16_t port)
{
    memset(guest_at(ADDRESS), 0, 24);
    memcpy(guest_at(ADDRESS + 4), bytes, 4);
    memcpy(guest_at(ADDRESS + 8), &port, 2);
}

static void open_counts_from_zero(void **state)
{
    (void)state;
    (void)open_socket(0, 1);
    assert_int_equal(fake_socket_last->family, NET_FAMILY_IPV4);
    assert_int_equal(fake_socket_last->type, NET_SOCKET_STREAM);
    (void)open_socket(1, 0);
    assert_int_equal(fake_socket_last->family, NET_FAMILY_IPV6);
    assert_int_equal(fake_socket_last->type, NET_SOCKET_DATAGRAM);
    assert_int_equal(wasi_wamr_sock_open(0, 2, 0, FD), AFNOSUPPORT);
    assert_int_equal(wasi_wamr_sock_open(0, 0, 2, FD), INVAL);
}

static void addresses_carry_their_ports(void **state)
{
    static const uint8_t ipv6[16] = {0x20, 1, 0xd, 0xb8, [15] = 7};

    (void)state;
    uint32_t fd = open_socket(0, 1);
    put_ipv4("\x0a\1\2\3", 8080);
    assert_int_equal(wasi_wamr_sock_connect(fd, ADDRESS), 0);
    assert_int_equal(fake_socket_last->remote.port, 8080);
    memset(guest_at(ADDRESS), 0xff, 24);
    assert_int_equal(wasi_wamr_sock_addr_remote(fd, ADDRESS), 0);
    assert_memory_equal(guest_at(ADDRESS), "\0\0\0\0\x0a\1\2\3\x90\x1f", 10);

    fd = open_socket(1, 1);
    fake_socket_last->local.address = ip_address_from_ipv6(ipv6);
    fake_socket_last->local.port = 5;
    assert_int_equal(wasi_wamr_sock_addr_local(fd, ADDRESS), 0);
    assert_memory_equal(guest_at(ADDRESS), "\1\0\0\0\1\x20\xb8\xd", 8);
    assert_int_equal(*guest_at(ADDRESS + 18), 7);
    fake_socket_last->local.port = 0;
    assert_int_equal(wasi_wamr_sock_bind(fd, ADDRESS), 0);
    assert_memory_equal(ip_address_bytes(&fake_socket_last->local.address), ipv6, 16);
    assert_int_equal(fake_socket_last->local.port, 5);
    guest_put_u32(ADDRESS, 2);
    assert_int_equal(wasi_wamr_sock_bind(fd, ADDRESS), AFNOSUPPORT);
    assert_int_equal(wasi_wamr_sock_bind(fd, FAKE_MEMORY_BYTES - 23), FAULT);
}

static void datagrams_name_their_ends(void **state)
{
    (void)state;
    uint32_t fd = open_socket(0, 0);

    put_ipv4("\x0a\1\2\3", 53);
    guest_put_iovec(IOV, DATA, guest_put_text(DATA, "question"));
    assert_int_equal(wasi_wamr_sock_send_to(fd, IOV, 1, 0, ADDRESS, OUT), 0);
    assert_int_equal(fake_socket_last->sent_to.port, 53);
    fake_socket_last->remote.address = ip_address_from_ipv4((const uint8_t *)"\x0a\1\2\4");
    fake_socket_last->remote.port = 99;
    fake_socket_deliver(fake_socket_last, "answer", 6);
    assert_int_equal(wasi_wamr_sock_recv_from(fd, IOV, 1, 0, ADDRESS, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 6);
    assert_memory_equal(guest_at(ADDRESS), "\0\0\0\0\x0a\1\2\4\x63\0", 10);
}

static void options_have_functions_of_their_own(void **state)
{
    (void)state;
    uint32_t fd = open_socket(0, 1);

    assert_int_equal(wasi_wamr_sock_set_tcp_no_delay(fd, 1), 0);
    guest_put_u32(OUT, 0xffffffff);
    assert_int_equal(wasi_wamr_sock_get_tcp_no_delay(fd, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 0xffffff01);
    assert_int_equal(wasi_wamr_sock_set_recv_buf_size(fd, 100000), 0);
    assert_int_equal(wasi_wamr_sock_get_recv_buf_size(fd, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 100000);
    assert_int_equal(wasi_wamr_sock_set_recv_timeout(fd, 1500000), 0);
    assert_int_equal(wasi_wamr_sock_get_recv_timeout(fd, OUT), 0);
    assert_true(guest_get_u64(OUT) == 1500000);
    assert_int_equal(wasi_wamr_sock_set_linger(fd, 1, 3), 0);
    assert_int_equal(wasi_wamr_sock_get_linger(fd, OUT, OUT + 4), 0);
    assert_int_equal(*guest_at(OUT), 1);
    assert_int_equal(guest_get_u32(OUT + 4), 3);
    assert_int_equal(wasi_wamr_sock_set_reuse_port(fd, 1), NOTSUP);
    assert_int_equal(wasi_wamr_sock_get_tcp_quick_ack(99, OUT), BADF);
    assert_int_equal(wasi_wamr_sock_ip_membership(fd, DATA, 0), NOTSUP);
}

static uint32_t resolve(const char *host, uint32_t room)
{
    *guest_at(HOST + guest_put_text(HOST, host)) = 0;
    *guest_at(SERVICE + guest_put_text(SERVICE, "80")) = 0;
    return wasi_wamr_sock_addr_resolve(HOST, SERVICE, HINTS, RESULTS, room, OUT);
}

static void resolve_counts_more_than_fits(void **state)
{
    (void)state;
    fake_dns.result.address_count = 3;
    for (size_t i = 0; i < 3; i++) {
        fake_dns.result.addresses[i] = ip_address_from_ipv4((const uint8_t *)"\x0a\0\0\1");
    }
    assert_int_equal(resolve("example", 2), 0);
    assert_int_equal(guest_get_u32(OUT), 3);
    assert_memory_equal(guest_at(RESULTS + 28), "\0\0\0\0\x0a\0\0\1\x50\0", 10);
    assert_int_equal(guest_get_u32(RESULTS + 28 + 24), 1);
    assert_int_equal(guest_get_u32(RESULTS + 56), 0);
    assert_int_equal(fake_dns.asked_families, DNS_IPV4_BIT | DNS_IPV6_BIT);
    *guest_at(HINTS + 8) = 1;
    assert_int_equal(resolve("example", 3), 0);
    assert_int_equal(fake_dns.asked_families, DNS_IPV4_BIT);
    assert_int_equal(guest_get_u32(RESULTS + 24), 0);
    fake_dns.answer = ERR_AI_NONAME;
    assert_int_equal(resolve("example", 3), AI_NONAME);
    /* A string that runs to the end of memory has no end. */
    memset(guest_at(FAKE_MEMORY_BYTES - 8), 'x', 8);
    assert_int_equal(
        wasi_wamr_sock_addr_resolve(FAKE_MEMORY_BYTES - 8, SERVICE, HINTS, RESULTS, 1, OUT), FAULT);
    assert_int_equal(wasi_wamr_sock_addr_resolve(HOST, SERVICE, HINTS, RESULTS, UINT32_MAX, OUT),
                     FAULT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(open_counts_from_zero),         TEST(addresses_carry_their_ports),
        TEST(datagrams_name_their_ends),     TEST(options_have_functions_of_their_own),
        TEST(resolve_counts_more_than_fits),
    };

    return cmocka_run_group_tests_name("wasi_wamr", tests, NULL, NULL);
}
