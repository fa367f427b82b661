/* Sockets: preview 1's four functions and the WasmEdge extension in both forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_dns.h"
#include "tests/unit/fake_net_socket.h"
#include "tests/unit/fake_wasi.h"
#include "wasi/instance.h"
#include "wasi/calls.h"
#include "wasi/types.h"

enum {
    AFNOSUPPORT = 5,
    AGAIN = 6,
    BADF = 8,
    MFILE = 33,
    CONNREFUSED = 14,
    CONNRESET = 15,
    FAULT = 21,
    INPROGRESS = 26,
    INVAL = 28,
    NETDOWN = 38,
    NOPROTOOPT = 50,
    NOTCONN = 53,
    NOTSOCK = 57,
    PIPE = 64,
    AI_NONAME = 84,
    AI_SERVICE = 85,
};

enum {
    FD = 0x40,
    ADDRESS = 0x100,
    BYTES = 0x200,
    IOV = 0x400,
    OUT = 0x500,
    FLAGS = 0x508,
    PORT = 0x510,
    TYPE = 0x518,
    DATA = 0x1000,
    LENGTH = 0x600
};

static struct wasi_config config;

static int set_up(void **state)
{
    static const struct wasi_listener listener = {{0, 0, 0, 0}, 8080};

    (void)state;
    config = (struct wasi_config){
        .network = (struct net_stack *)&config, .listeners = &listener, .listener_count = 1};
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
    assert_int_equal(fake_dns.open_count, 0);
    return 0;
}

static void put_address(const void *bytes, uint32_t size_bytes, uint32_t length_bytes)
{
    memset(guest_at(BYTES), 0, 128);
    memcpy(guest_at(BYTES), bytes, size_bytes);
    guest_put_u32(ADDRESS, BYTES);
    guest_put_u32(ADDRESS + 4, length_bytes);
}

static uint32_t open_socket(uint32_t family, uint32_t type)
{
    assert_int_equal(wasi_edge_sock_open(family, type, FD), 0);
    return guest_get_u32(FD);
}

static uint32_t open_connected(void)
{
    uint32_t fd = open_socket(1, 2);

    put_address("\x0a\0\2\2", 4, 4);
    assert_int_equal(wasi_edge_sock_connect(fd, ADDRESS, 80), 0);
    return fd;
}

static void the_preopened_listener_accepts(void **state)
{
    (void)state;
    struct net_socket *listener = fake_socket_last;

    assert_int_equal(wasi_fd_prestat_get(3, OUT), BADF);
    assert_int_equal(wasi_fd_fdstat_set_flags(3, WASI_FDFLAG_NONBLOCK_BIT), 0);
    assert_int_equal(wasi_sock_accept(3, 0, FD), AGAIN);
    fake_socket_arrive(listener);
    assert_int_equal(wasi_sock_accept(3, WASI_FDFLAG_NONBLOCK_BIT, FD), 0);
    uint32_t fd = guest_get_u32(FD);
    assert_int_equal(fd, 4);
    assert_int_equal(wasi_fd_fdstat_get(fd, OUT), 0);
    assert_int_equal(*guest_at(OUT), WASI_FILETYPE_SOCKET_STREAM);
    assert_int_equal(guest_get_u16(OUT + 2), WASI_FDFLAG_NONBLOCK_BIT);
    fake_socket_arrive(listener);
    assert_int_equal(wasi_edge_sock_accept_v1(3, FD), 0);
    assert_int_equal(wasi_sock_accept(3, 0x20, FD), INVAL);
    assert_int_equal(wasi_sock_accept(3, 0, FAKE_MEMORY_BYTES - 3), FAULT);
    assert_int_equal(wasi_sock_accept(99, 0, FD), BADF);
    assert_int_equal(wasi_sock_accept(1, 0, FD), NOTSOCK);
}

static void a_listener_is_nonblocking_for_those_who_look(void **state)
{
    (void)state;
    assert_int_equal(wasi_fd_fdstat_get(3, OUT), 0);
    assert_int_equal(guest_get_u16(OUT + 2), WASI_FDFLAG_NONBLOCK_BIT);
    assert_int_equal(wasi_sock_accept(3, 0, FD), AGAIN);
    assert_int_equal(wasi_fd_fdstat_set_flags(3, 0), 0);
    assert_int_equal(wasi_fd_fdstat_get(3, OUT), 0);
    assert_int_equal(guest_get_u16(OUT + 2), 0);
}

/* A program that ran out of descriptors closes one and goes on: nobody was turned away. */
static void a_connection_without_a_descriptor_stays_queued(void **state)
{
    (void)state;
    struct net_socket *listener = fake_socket_last;
    static uint8_t nothing;
    uint32_t number = 0;
    uint32_t first = 0;

    fake_socket_arrive(listener);
    while (fd_table_insert(&wasi_instance.descriptors, &nothing, &number) == ERR_OK) {
        first = first == 0 ? number : first;
    }
    assert_int_equal(number, FD_TABLE_MAX - 1);
    assert_int_equal(wasi_sock_accept(3, WASI_FDFLAG_NONBLOCK_BIT, FD), MFILE);
    fd_table_remove(&wasi_instance.descriptors, first);
    assert_int_equal(wasi_sock_accept(3, WASI_FDFLAG_NONBLOCK_BIT, FD), 0);
    assert_int_equal(guest_get_u32(FD), first);
    for (number = first + 1; number < FD_TABLE_MAX; number++) {
        fd_table_remove(&wasi_instance.descriptors, number);
    }
    /* Nor is a number lost when nobody waits. */
    assert_int_equal(wasi_fd_fdstat_set_flags(3, WASI_FDFLAG_NONBLOCK_BIT), 0);
    assert_int_equal(wasi_sock_accept(3, 0, FD), AGAIN);
    fake_socket_arrive(listener);
    assert_int_equal(wasi_sock_accept(3, 0, FD), 0);
    assert_int_equal(guest_get_u32(FD), first + 1);
}

static struct net_socket *waking;

static bool arrive_later(void)
{
    static unsigned round;

    if (++round % 4 != 0) {
        return true;
    }
    fake_socket_arrive(waking);
    return true;
}

static void a_blocking_accept_waits(void **state)
{
    (void)state;
    waking = fake_socket_last;
    fake_kernel.on_wait = arrive_later;
    assert_int_equal(wasi_sock_accept(3, 0, FD), 0);
    fake_kernel.on_wait = NULL;
}

static void streams_carry_vectors_both_ways(void **state)
{
    (void)state;
    uint32_t fd = open_connected();
    struct net_socket *socket = fake_socket_last;

    for (uint32_t i = 0; i < 300; i++) {
        *guest_at(DATA + i) = (uint8_t)i;
    }
    guest_put_iovec(IOV, DATA, 250);
    guest_put_iovec(IOV + 8, DATA + 250, 50);
    assert_int_equal(wasi_sock_send(fd, IOV, 2, 0, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 300);
    assert_memory_equal(socket->sent, guest_at(DATA), 300);

    fake_socket_deliver(socket, "0123456789abcdefghij", 20);
    guest_put_iovec(IOV, DATA, 8);
    guest_put_iovec(IOV + 8, DATA + 100, 100);
    assert_int_equal(wasi_sock_recv(fd, IOV, 1, WASI_RECV_PEEK_BIT, OUT, FLAGS), 0);
    assert_int_equal(guest_get_u32(OUT), 8);
    assert_int_equal(wasi_sock_recv(fd, IOV, 2, 0, OUT, FLAGS), 0);
    assert_int_equal(guest_get_u32(OUT), 20);
    assert_memory_equal(guest_at(DATA), "01234567", 8);
    assert_memory_equal(guest_at(DATA + 100), "89abcdefghij", 12);
    assert_int_equal(wasi_sock_recv(fd, IOV, 1, 4, OUT, FLAGS), INVAL);
    assert_int_equal(wasi_sock_send(fd, IOV, 1, 1, OUT), INVAL);
    assert_int_equal(wasi_sock_recv(fd, IOV, 1, 0, OUT, FAKE_MEMORY_BYTES - 1), FAULT);
    assert_int_equal(wasi_sock_recv(fd, IOV, 1, 0, FAKE_MEMORY_BYTES - 3, FLAGS), FAULT);
    socket->peer_closed = true;
    assert_int_equal(wasi_fd_read(fd, IOV, 1, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 0);
}

static void a_full_stream_sends_what_fits(void **state)
{
    (void)state;
    uint32_t fd = open_connected();

    assert_int_equal(wasi_fd_fdstat_set_flags(fd, WASI_FDFLAG_NONBLOCK_BIT), 0);
    fake_socket_last->send_room_bytes = 10;
    guest_put_iovec(IOV, DATA, 100);
    assert_int_equal(wasi_fd_write(fd, IOV, 1, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 10);
    assert_int_equal(wasi_fd_write(fd, IOV, 1, OUT), AGAIN);
    assert_int_equal(wasi_sock_recv(fd, IOV, 1, 0, OUT, FLAGS), AGAIN);
}

static void timeouts_end_blocking_calls(void **state)
{
    uint64_t timeval[] = {2, 500000};

    (void)state;
    uint32_t fd = open_connected();
    memcpy(guest_at(DATA), timeval, sizeof(timeval));
    assert_int_equal(wasi_edge_sock_setsockopt(fd, 0, 11, DATA, 16), 0);
    uint64_t start_ns = fake_kernel.now_ns;
    guest_put_iovec(IOV, DATA, 100);
    assert_int_equal(wasi_sock_recv(fd, IOV, 1, 0, OUT, FLAGS), AGAIN);
    assert_true(fake_kernel.now_ns == start_ns + 2500000000ull);
    memset(guest_at(DATA), 0, 16);
    guest_put_u32(LENGTH, 16);
    assert_int_equal(wasi_edge_sock_getsockopt(fd, 0, 11, DATA, LENGTH), 0);
    assert_memory_equal(guest_at(DATA), timeval, sizeof(timeval));
}

/* Data that moved is reported; the error that followed it waits for the next call. */
static void errors_after_data_are_not_lost(void **state)
{
    (void)state;
    uint32_t fd = open_connected();
    struct net_socket *socket = fake_socket_last;

    fake_socket_deliver(socket, "last", 4);
    socket->error = ERR_CONNRESET;
    guest_put_iovec(IOV, DATA, 100);
    assert_int_equal(wasi_sock_recv(fd, IOV, 1, 0, OUT, FLAGS), 0);
    assert_int_equal(guest_get_u32(OUT), 4);
    assert_int_equal(wasi_sock_recv(fd, IOV, 1, 0, OUT, FLAGS), CONNRESET);
}

static void shutdown_takes_its_three_forms(void **state)
{
    (void)state;
    uint32_t fd = open_connected();

    assert_int_equal(wasi_sock_shutdown(fd, 0), INVAL);
    assert_int_equal(wasi_sock_shutdown(fd, 4), INVAL);
    assert_int_equal(wasi_sock_shutdown(fd, 2), 0);
    guest_put_iovec(IOV, DATA, 1);
    assert_int_equal(wasi_sock_send(fd, IOV, 1, 0, OUT), PIPE);
    assert_int_equal(wasi_sock_shutdown(1, 1), NOTSOCK);
    assert_int_equal(wasi_sock_shutdown(99, 1), BADF);
    assert_int_equal(wasi_sock_shutdown(open_socket(1, 2), 1), NOTCONN);
}

static void open_checks_family_and_type(void **state)
{
    (void)state;
    assert_int_equal(wasi_edge_sock_open(3, 2, FD), AFNOSUPPORT);
    assert_int_equal(wasi_edge_sock_open(1, 3, FD), INVAL);
    assert_int_equal(wasi_edge_sock_open(1, 2, FAKE_MEMORY_BYTES), FAULT);
    (void)open_socket(2, 1);
    assert_int_equal(fake_socket_last->family, NET_FAMILY_IPV6);
    assert_int_equal(fake_socket_last->type, NET_SOCKET_DATAGRAM);
    config.network = NULL;
    assert_int_equal(wasi_edge_sock_open(1, 2, FD), NETDOWN);
}

static void addresses_come_in_three_lengths(void **state)
{
    static const uint8_t loopback6[16] = {[15] = 1};
    static const uint8_t storage[] = {1, 0, 10, 1, 2, 3};

    (void)state;
    uint32_t fd = open_socket(1, 1);
    put_address("\x7f\0\0\1", 4, 4);
    assert_int_equal(wasi_edge_sock_connect(fd, ADDRESS, 53), 0);
    assert_memory_equal(ip_address_ipv4_bytes(&fake_socket_last->remote.address), "\x7f\0\0\1", 4);
    assert_int_equal(fake_socket_last->remote.port, 53);
    put_address(loopback6, 16, 16);
    assert_int_equal(wasi_edge_sock_connect(fd, ADDRESS, 53), 0);
    assert_memory_equal(ip_address_bytes(&fake_socket_last->remote.address), loopback6, 16);
    put_address(storage, 6, 128);
    assert_int_equal(wasi_edge_sock_bind(fd, ADDRESS, 9999), 0);
    assert_memory_equal(ip_address_ipv4_bytes(&fake_socket_last->local.address), storage + 2, 4);
    assert_int_equal(wasi_edge_sock_bind(fd, ADDRESS, 9999), INVAL);
    *guest_at(BYTES) = 3;
    assert_int_equal(wasi_edge_sock_bind(fd, ADDRESS, 1), AFNOSUPPORT);
    put_address(storage, 6, 5);
    assert_int_equal(wasi_edge_sock_bind(fd, ADDRESS, 1), INVAL);
    put_address(storage, 6, 4);
    assert_int_equal(wasi_edge_sock_bind(fd, ADDRESS, 65536), INVAL);
    guest_put_u32(ADDRESS, FAKE_MEMORY_BYTES - 3);
    assert_int_equal(wasi_edge_sock_bind(fd, ADDRESS, 1), FAULT);
}

static void ends_are_reported_in_both_forms(void **state)
{
    (void)state;
    uint32_t fd = open_connected();

    put_address("", 0, 16);
    assert_int_equal(wasi_edge_sock_getpeeraddr_v1(fd, ADDRESS, TYPE, PORT), 0);
    assert_memory_equal(guest_at(BYTES), "\x0a\0\2\2", 4);
    assert_int_equal(guest_get_u32(TYPE), 4);
    assert_int_equal(guest_get_u32(PORT), 80);
    put_address("", 0, 128);
    assert_int_equal(wasi_edge_sock_getpeeraddr_v2(fd, ADDRESS, PORT), 0);
    assert_memory_equal(guest_at(BYTES), "\1\0\x0a\0\2\2", 6);
    assert_int_equal(wasi_edge_sock_getlocaladdr_v2(fd, ADDRESS, PORT), 0);
    assert_int_equal(wasi_edge_sock_getlocaladdr_v1(fd, ADDRESS, TYPE, PORT), 0);
    put_address("", 0, 3);
    assert_int_equal(wasi_edge_sock_getlocaladdr_v2(fd, ADDRESS, PORT), INVAL);
    assert_int_equal(wasi_edge_sock_getpeeraddr_v2(open_socket(1, 2), ADDRESS, PORT), NOTCONN);
}

static void datagrams_keep_their_edges(void **state)
{
    (void)state;
    uint32_t fd = open_socket(1, 1);
    struct net_socket *socket = fake_socket_last;

    socket->remote.address = ip_address_from_ipv4((const uint8_t[]){9, 8, 7, 6});
    socket->remote.port = 1234;
    fake_socket_deliver(socket, "a long datagram", 15);
    put_address("", 0, 128);
    guest_put_iovec(IOV, DATA, 6);
    assert_int_equal(wasi_edge_sock_recv_from_v2(fd, IOV, 1, ADDRESS, 0, PORT, OUT, FLAGS), 0);
    assert_int_equal(guest_get_u32(OUT), 6);
    assert_int_equal(guest_get_u16(FLAGS), WASI_RECV_DATA_TRUNCATED_BIT);
    assert_int_equal(guest_get_u32(PORT), 1234);
    assert_memory_equal(guest_at(BYTES), "\1\0\x09\x08\x07\x06", 6);
    assert_int_equal(socket->received_bytes, 0);

    fake_socket_deliver(socket, "ok", 2);
    assert_int_equal(wasi_edge_sock_recv_from_v1(fd, IOV, 1, ADDRESS, 0, OUT, FLAGS), 0);
    assert_int_equal(guest_get_u32(OUT), 2);
    assert_int_equal(guest_get_u16(FLAGS), 0);

    put_address("\1\0\x0a\0\0\1", 6, 128);
    assert_int_equal(wasi_edge_sock_send_to(fd, IOV, 1, ADDRESS, 53, 0, OUT), 0);
    assert_int_equal(guest_get_u32(OUT), 6);
    assert_int_equal(socket->sent_to.port, 53);
    guest_put_iovec(IOV, DATA, 2000);
    assert_int_equal(wasi_edge_sock_send_to(fd, IOV, 1, ADDRESS, 53, 0, OUT), 35);
}

static bool finish_connect(void)
{
    waking->is_connected = true;
    return true;
}

static bool refuse_connect(void)
{
    waking->error = ERR_CONNREFUSED;
    return true;
}

static void connect_waits_unless_told_not_to(void **state)
{
    (void)state;
    uint32_t fd = open_socket(1, 2);

    waking = fake_socket_last;
    fake_connect_answer = ERR_INPROGRESS;
    put_address("\x0a\0\2\2", 4, 4);
    fake_kernel.on_wait = finish_connect;
    assert_int_equal(wasi_edge_sock_connect(fd, ADDRESS, 80), 0);
    fd = open_socket(1, 2);
    waking = fake_socket_last;
    fake_kernel.on_wait = refuse_connect;
    assert_int_equal(wasi_edge_sock_connect(fd, ADDRESS, 80), CONNREFUSED);
    fd = open_socket(1, 2);
    assert_int_equal(wasi_fd_fdstat_set_flags(fd, WASI_FDFLAG_NONBLOCK_BIT), 0);
    assert_int_equal(wasi_edge_sock_connect(fd, ADDRESS, 80), INPROGRESS);
    fake_kernel.on_wait = NULL;
}

static void options_take_lengths_by_value_and_by_pointer(void **state)
{
    (void)state;
    uint32_t fd = open_connected();

    guest_put_u32(DATA, 1);
    assert_int_equal(wasi_edge_sock_setsockopt(fd, 0, 0, DATA, 4), 0);
    guest_put_u32(DATA, 77);
    assert_int_equal(wasi_edge_sock_getsockopt(fd, 0, 0, DATA, 4), 0);
    assert_int_equal(guest_get_u32(DATA), 1);
    guest_put_u32(LENGTH, 8);
    assert_int_equal(wasi_edge_sock_getsockopt(fd, 0, 1, DATA, LENGTH), 0);
    assert_int_equal(guest_get_u32(DATA), 2);
    assert_int_equal(guest_get_u32(LENGTH), 4);
    fake_socket_last->error = ERR_CONNREFUSED;
    assert_int_equal(wasi_edge_sock_getsockopt(fd, 0, 2, DATA, LENGTH), 0);
    assert_int_equal(guest_get_u32(DATA), CONNREFUSED);
    assert_int_equal(wasi_edge_sock_getsockopt(fd, 0, 2, DATA, LENGTH), 0);
    assert_int_equal(guest_get_u32(DATA), 0);
    guest_put_u64(DATA, 0x0000000500000001ull);
    assert_int_equal(wasi_edge_sock_setsockopt(fd, 0, 9, DATA, 8), 0);
    assert_int_equal(fake_socket_last->options[NET_OPTION_LINGER], 5);
    assert_int_equal(wasi_edge_sock_setsockopt(fd, 6, 1, DATA, 4), 0);
    assert_int_equal(fake_socket_last->options[NET_OPTION_NO_DELAY], 1);
    assert_int_equal(wasi_edge_sock_setsockopt(fd, 0, 8, DATA, 4), NOPROTOOPT);
    assert_int_equal(wasi_edge_sock_setsockopt(fd, 0, 0, DATA, 3), INVAL);
    assert_int_equal(wasi_edge_sock_setsockopt(fd, 0, 0, DATA, UINT32_MAX), FAULT);
    assert_int_equal(wasi_edge_sock_getsockopt(fd, 9, 0, DATA, LENGTH), NOPROTOOPT);
}

/* ---- getaddrinfo ----------------------------------------------------------------------------- */

enum {
    NODE = 0x2000,
    SERVICE = 0x2100,
    HINTS = 0x2200,
    RESULT = 0x2300,
    RESULTS = 0x3000,
    SOCKADDRS = 0x4000,
    SOCKDATA = 0x5000,
    NAMES = 0x6000
};

static void put_results(uint32_t count)
{
    memset(guest_at(RESULTS), 0, 0x1000);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = RESULTS + i * 28;

        guest_put_u32(at + 12, SOCKADDRS + i * 12);
        guest_put_u32(at + 16, NAMES + i * 64);
        guest_put_u32(at + 20, 64);
        guest_put_u32(at + 24, i + 1 < count ? at + 28 : 0);
        guest_put_u32(SOCKADDRS + i * 12 + 4, 26);
        guest_put_u32(SOCKADDRS + i * 12 + 8, SOCKDATA + i * 32);
    }
    guest_put_u32(RESULT, RESULTS);
}

static void put_hints(uint16_t flags, uint8_t family, uint8_t type)
{
    memset(guest_at(HINTS), 0, 28);
    memcpy(guest_at(HINTS), &flags, 2);
    *guest_at(HINTS + 2) = family;
    *guest_at(HINTS + 3) = type;
}

static uint32_t resolve(const char *node, const char *service, uint32_t max)
{
    uint32_t node_bytes = guest_put_text(NODE, node) + 1;
    uint32_t service_bytes = guest_put_text(SERVICE, service) + 1;

    *guest_at(NODE + node_bytes - 1) = 0;
    *guest_at(SERVICE + service_bytes - 1) = 0;
    return wasi_edge_sock_getaddrinfo(NODE, node_bytes, SERVICE, service_bytes, HINTS, RESULT, max,
                                      OUT);
}

static bool nothing_happens(void)
{
    return true;
}

static void names_resolve_into_the_linked_results(void **state)
{
    (void)state;
    fake_dns.rounds = 3;
    fake_dns.result.address_count = 2;
    fake_dns.result.addresses[0] = ip_address_from_ipv4((const uint8_t[]){1, 2, 3, 4});
    fake_dns.result.addresses[1] = ip_address_from_ipv6(
        (const uint8_t[]){0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9});
    strcpy(fake_dns.result.canonical_name, "www.example");
    fake_kernel.on_wait = nothing_happens;
    put_results(4);
    put_hints(2, 0, 2);
    assert_int_equal(resolve("example", "8080", 4), 0);
    assert_string_equal(fake_dns.asked_name, "example");
    assert_int_equal(guest_get_u32(OUT), 2);
    assert_int_equal(*guest_at(RESULTS + 2), 1);
    assert_int_equal(*guest_at(RESULTS + 3), 2);
    assert_int_equal(guest_get_u32(RESULTS + 4), 1);
    assert_int_equal(guest_get_u32(RESULTS + 8), 16);
    assert_memory_equal(guest_at(SOCKDATA), "\x1f\x90\1\2\3\4", 6);
    assert_string_equal((char *)guest_at(NAMES), "www.example");
    assert_int_equal(*guest_at(RESULTS + 28 + 2), 2);
    assert_memory_equal(guest_at(SOCKDATA + 32), "\x1f\x90\x20\1\xd\xb8", 6);
    assert_int_equal(guest_get_u32(SOCKADDRS), 1);
    assert_int_equal(guest_get_u32(SOCKADDRS + 12), 2);
}

static void results_stop_at_max_and_at_self_links(void **state)
{
    (void)state;
    fake_dns.result.address_count = 3;
    for (size_t i = 0; i < 3; i++) {
        fake_dns.result.addresses[i] = ip_address_from_ipv4((const uint8_t[]){1, 2, 3, (uint8_t)i});
    }
    put_hints(0, 1, 0);
    put_results(8);
    assert_int_equal(resolve("x", "http", 4), 0);
    assert_int_equal(guest_get_u32(OUT), 4);
    put_results(8);
    guest_put_u32(RESULTS + 24, RESULTS);
    assert_int_equal(resolve("x", "http", 4), 0);
    assert_int_equal(guest_get_u32(OUT), 1);
    assert_memory_equal(guest_at(SOCKDATA), "\0\x50\1\2\3\0", 6);
}

static void resolver_errors_have_their_numbers(void **state)
{
    (void)state;
    put_results(1);
    put_hints(0, 1, 2);
    fake_dns.answer = ERR_AI_NONAME;
    assert_int_equal(resolve("nowhere", "80", 1), AI_NONAME);
    assert_int_equal(resolve("x", "no-such-service", 1), AI_SERVICE);
    assert_int_equal(resolve("x", "65536", 1), AI_SERVICE);
    put_hints(0x80, 1, 2);
    assert_int_equal(resolve("x", "80", 1), 79);
    put_hints(0, 3, 2);
    assert_int_equal(resolve("x", "80", 1), 81);
    put_hints(0, 1, 3);
    assert_int_equal(resolve("x", "80", 1), 86);
    put_hints(4, 1, 2);
    fake_dns.rounds = 1;
    assert_int_equal(resolve("name", "80", 1), AI_NONAME);
    assert_int_equal(
        wasi_edge_sock_getaddrinfo(NODE, UINT32_MAX, SERVICE, 1, HINTS, RESULT, 1, OUT), FAULT);
    assert_int_equal(wasi_edge_sock_getaddrinfo(NODE, 300, SERVICE, 1, HINTS, RESULT, 1, OUT),
                     AI_NONAME);
}

static void no_name_means_this_machine(void **state)
{
    (void)state;
    put_results(2);
    put_hints(1, 1, 2);
    assert_int_equal(resolve("", "80", 2), 0);
    assert_memory_equal(guest_at(SOCKDATA), "\0\x50\0\0\0\0", 6);
    put_hints(0, 1, 2);
    assert_int_equal(resolve("", "80", 2), 0);
    assert_memory_equal(guest_at(SOCKDATA), "\0\x50\x7f\0\0\1", 6);
    assert_int_equal(resolve("", "", 2), AI_NONAME);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_preopened_listener_accepts),
        TEST(a_listener_is_nonblocking_for_those_who_look),
        TEST(a_connection_without_a_descriptor_stays_queued),
        TEST(a_blocking_accept_waits),
        TEST(streams_carry_vectors_both_ways),
        TEST(a_full_stream_sends_what_fits),
        TEST(timeouts_end_blocking_calls),
        TEST(errors_after_data_are_not_lost),
        TEST(shutdown_takes_its_three_forms),
        TEST(open_checks_family_and_type),
        TEST(addresses_come_in_three_lengths),
        TEST(ends_are_reported_in_both_forms),
        TEST(datagrams_keep_their_edges),
        TEST(connect_waits_unless_told_not_to),
        TEST(options_take_lengths_by_value_and_by_pointer),
        TEST(names_resolve_into_the_linked_results),
        TEST(results_stop_at_max_and_at_self_links),
        TEST(resolver_errors_have_their_numbers),
        TEST(no_name_means_this_machine),
    };

    return cmocka_run_group_tests_name("wasi_sock", tests, NULL, NULL);
}
