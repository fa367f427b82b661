/* poll_oneoff and epoll_oneoff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/wait.h"
#include "tests/unit/fake_net_socket.h"
#include "tests/unit/fake_wasi.h"
#include "wasi/calls.h"
#include "wasi/descriptor.h"
#include "wasi/poll_set.h"
#include "wasi/types.h"

enum { BADF = 8, FAULT = 21, INVAL = 28, NOTSUP = 58, NOTCAPABLE = 76 };
enum { SUBS = 0x1000, EVENTS = 0x10000, COUNT = 0x100 };

#define MS 1000000ull

static struct wasi_config config;

static int set_up(void **state)
{
    (void)state;
    config = (struct wasi_config){.network = (struct net_stack *)&config};
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

static void put_fd(uint32_t index, uint8_t tag, uint32_t fd, uint64_t userdata)
{
    uint32_t at = SUBS + index * WASI_SUBSCRIPTION_BYTES;

    memset(guest_at(at), 0xcc, WASI_SUBSCRIPTION_BYTES); /* padding is not looked at */
    guest_put_u64(at, userdata);
    *guest_at(at + 8) = tag;
    guest_put_u32(at + 16, fd);
}

static void put_clock(uint32_t index, uint32_t clock, uint64_t timeout_ns, uint8_t flags)
{
    uint32_t at = SUBS + index * WASI_SUBSCRIPTION_BYTES;

    memset(guest_at(at), 0, WASI_SUBSCRIPTION_BYTES);
    guest_put_u64(at, 0xc10c);
    guest_put_u32(at + 16, clock);
    guest_put_u64(at + 24, timeout_ns);
    *guest_at(at + 40) = flags;
}

static uint32_t poll(uint32_t count)
{
    assert_int_equal(wasi_poll_oneoff(SUBS, EVENTS, count, COUNT), 0);
    return guest_get_u32(COUNT);
}

/* The event with this userdata, or 0. */
static uint32_t find_event(uint64_t userdata, uint8_t tag)
{
    for (uint32_t i = 0; i < guest_get_u32(COUNT); i++) {
        uint32_t at = EVENTS + i * WASI_EVENT_BYTES;

        if (guest_get_u64(at) == userdata && *guest_at(at + 10) == tag) {
            return at;
        }
    }
    return 0;
}

static uint32_t open_connected(struct net_socket **out)
{
    struct wasi_descriptor *descriptor;

    assert_int_equal(wasi_descriptor_open(WASI_KIND_SOCKET, WASI_RIGHTS_SOCKET, 0, &descriptor),
                     ERR_OK);
    *out = fake_socket_connected();
    descriptor->socket.socket = *out;
    net_socket_set_user(*out, descriptor);
    return descriptor->number;
}

static void a_relative_clock_sleeps_exactly(void **state)
{
    (void)state;
    uint64_t start_ns = fake_kernel.now_ns;

    put_clock(0, 1, 5 * MS, 0);
    assert_int_equal(poll(1), 1);
    assert_true(fake_kernel.now_ns == start_ns + 5 * MS);
    assert_int_equal(fake_kernel.wait_count, 1);
    assert_int_equal(guest_get_u16(EVENTS + 8), 0);
    assert_int_equal(*guest_at(EVENTS + 10), WASI_EVENT_CLOCK);
    assert_true(guest_get_u64(EVENTS) == 0xc10c);
}

static void a_timeout_of_zero_does_not_sleep(void **state)
{
    (void)state;
    put_clock(0, 1, 0, 0);
    assert_int_equal(poll(1), 1);
    assert_int_equal(fake_kernel.wait_count, 0);
}

static void absolute_times_count_on_their_own_clock(void **state)
{
    (void)state;
    uint64_t start_ns = fake_kernel.now_ns;

    put_clock(0, 0, start_ns + fake_kernel.realtime_offset_ns + 3 * MS, 1);
    assert_int_equal(poll(1), 1);
    assert_true(fake_kernel.now_ns == start_ns + 3 * MS);
    put_clock(0, 1, fake_kernel.now_ns - 1, 1);
    assert_int_equal(poll(1), 1);
    assert_true(fake_kernel.now_ns == start_ns + 3 * MS);
}

static void the_earliest_of_several_clocks_decides(void **state)
{
    (void)state;
    uint64_t start_ns = fake_kernel.now_ns;

    put_clock(0, 1, UINT64_MAX, 0);
    put_clock(1, 1, 9 * MS, 0);
    put_clock(2, 1, 4 * MS, 0);
    assert_int_equal(poll(3), 1);
    assert_true(fake_kernel.now_ns == start_ns + 4 * MS);
}

static void bad_clocks_are_events_with_errors(void **state)
{
    (void)state;
    put_clock(0, 4, 0, 0);
    put_clock(1, 2, 0, 0);
    put_clock(2, 1, 0, 2);
    put_fd(3, 7, 1, 5); /* no such event type */
    assert_int_equal(poll(4), 4);
    for (uint32_t i = 0; i < 4; i++) {
        uint16_t error = guest_get_u16(EVENTS + i * WASI_EVENT_BYTES + 8);

        assert_true(error == INVAL || error == NOTSUP);
    }
}

static void arguments_are_checked(void **state)
{
    (void)state;
    put_clock(0, 1, 0, 0);
    assert_int_equal(wasi_poll_oneoff(SUBS, EVENTS, 0, COUNT), INVAL);
    assert_int_equal(wasi_poll_oneoff(SUBS, EVENTS, UINT32_MAX, COUNT), FAULT);
    assert_int_equal(wasi_poll_oneoff(FAKE_MEMORY_BYTES - 47, EVENTS, 1, COUNT), FAULT);
    assert_int_equal(wasi_poll_oneoff(SUBS, FAKE_MEMORY_BYTES - 31, 1, COUNT), FAULT);
    assert_int_equal(wasi_poll_oneoff(SUBS, EVENTS, 1, FAKE_MEMORY_BYTES - 3), FAULT);
    fake_kernel.heap_failures = 1;
    assert_int_equal(wasi_poll_oneoff(SUBS, EVENTS, 1, COUNT), 48);
}

static void files_and_consoles_report_at_once(void **state)
{
    (void)state;
    put_fd(0, WASI_EVENT_FD_WRITE, 1, 10);
    put_fd(1, WASI_EVENT_FD_READ, 0, 11);
    put_fd(2, WASI_EVENT_FD_READ, 99, 12);
    put_fd(3, WASI_EVENT_FD_WRITE, 0, 13);
    assert_int_equal(poll(4), 3);
    assert_int_equal(guest_get_u16(find_event(10, WASI_EVENT_FD_WRITE) + 8), 0);
    assert_int_equal(guest_get_u16(find_event(12, WASI_EVENT_FD_READ) + 8), BADF);
    assert_int_equal(guest_get_u16(find_event(13, WASI_EVENT_FD_WRITE) + 8), NOTCAPABLE);
    fake_kernel.input = "x";
    assert_int_equal(poll(2), 2);
}

static struct net_socket *delivery;

static bool deliver_once(void)
{
    static unsigned round;

    if (delivery == NULL || round++ % 3 != 2) {
        return false;
    }
    fake_socket_deliver(delivery, "data", 4);
    delivery = NULL;
    return true;
}

static void data_ends_the_wait(void **state)
{
    (void)state;
    struct net_socket *socket;
    uint32_t fd = open_connected(&socket);

    put_fd(0, WASI_EVENT_FD_READ, fd, 7);
    put_clock(1, 1, 50 * MS, 0);
    delivery = socket;
    fake_kernel.on_wait = deliver_once;
    while (delivery != NULL) {
        (void)poll(2);
    }
    assert_int_equal(guest_get_u32(COUNT), 1);
    uint32_t event = find_event(7, WASI_EVENT_FD_READ);
    assert_true(guest_get_u64(event + 16) == 4);
    assert_int_equal(guest_get_u16(event + 24), 0);
    /* Level-triggered: it stays until somebody reads. */
    fake_kernel.on_wait = NULL;
    assert_int_equal(poll(2), 1);
    assert_int_equal(poll(2), 1);
}

static void hangup_marks_the_end_of_the_stream(void **state)
{
    (void)state;
    struct net_socket *socket;
    uint32_t fd = open_connected(&socket);

    fake_socket_deliver(socket, "rest", 4);
    socket->peer_closed = true;
    put_fd(0, WASI_EVENT_FD_READ, fd, 7);
    assert_int_equal(poll(1), 1);
    assert_int_equal(guest_get_u16(EVENTS + 24), 0);
    socket->received_bytes = 0;
    assert_int_equal(poll(1), 1);
    assert_int_equal(guest_get_u16(EVENTS + 24), WASI_EVENT_HANGUP_BIT);
}

static void one_socket_may_be_read_and_written(void **state)
{
    (void)state;
    struct net_socket *socket;
    uint32_t fd = open_connected(&socket);

    put_fd(0, WASI_EVENT_FD_READ, fd, 1);
    put_fd(1, WASI_EVENT_FD_WRITE, fd, 2);
    put_fd(2, WASI_EVENT_FD_WRITE, fd, 3);
    assert_int_equal(poll(3), 2);
    assert_int_not_equal(find_event(2, WASI_EVENT_FD_WRITE), 0);
    fake_socket_deliver(socket, "x", 1);
    assert_int_equal(poll(3), 3);
    socket->send_room_bytes = 0;
    assert_int_equal(poll(3), 1);
}

/* A descriptor that closes, and whose number comes back as another socket, is looked at anew. */
static void closed_and_reused_numbers_are_noticed(void **state)
{
    (void)state;
    struct net_socket *socket;
    uint32_t fd = open_connected(&socket);

    put_fd(0, WASI_EVENT_FD_READ, fd, 1);
    put_clock(1, 1, MS, 0);
    assert_int_equal(poll(2), 1);
    assert_int_equal(wasi_fd_close(fd), 0);
    assert_int_equal(poll(1), 1);
    assert_int_equal(guest_get_u16(EVENTS + 8), BADF);
    assert_int_equal(open_connected(&socket), fd);
    fake_socket_deliver(socket, "y", 1);
    assert_int_equal(poll(2), 1);
    assert_int_not_equal(find_event(1, WASI_EVENT_FD_READ), 0);
    /* Renumbering makes the subscription mean the other socket. */
    struct net_socket *other;
    uint32_t other_fd = open_connected(&other);
    assert_int_equal(wasi_fd_renumber(other_fd, fd), 0);
    assert_int_equal(poll(2), 1);
    assert_int_equal(*guest_at(EVENTS + 10), WASI_EVENT_CLOCK);
}

static void a_shorter_list_forgets_the_rest(void **state)
{
    (void)state;
    struct net_socket *a;
    struct net_socket *b;
    uint32_t fd_a = open_connected(&a);
    uint32_t fd_b = open_connected(&b);

    put_clock(0, 1, 0, 0);
    put_fd(1, WASI_EVENT_FD_READ, fd_a, 1);
    put_fd(2, WASI_EVENT_FD_READ, fd_b, 2);
    fake_socket_deliver(b, "z", 1);
    assert_int_equal(poll(3), 2);
    assert_int_equal(poll(2), 1);
    assert_int_equal(poll(3), 2);
}

static void edges_are_reported_once(void **state)
{
    (void)state;
    struct net_socket *socket;
    uint32_t fd = open_connected(&socket);

    socket->send_room_bytes = 0;
    put_fd(0, WASI_EVENT_FD_READ, fd, 1);
    put_clock(1, 1, MS, 0);
    fake_socket_deliver(socket, "x", 1);
    assert_int_equal(wasi_edge_epoll_oneoff(SUBS, EVENTS, 2, COUNT), 0);
    assert_int_not_equal(find_event(1, WASI_EVENT_FD_READ), 0);
    assert_int_equal(wasi_edge_epoll_oneoff(SUBS, EVENTS, 2, COUNT), 0);
    assert_int_equal(find_event(1, WASI_EVENT_FD_READ), 0);
    fake_socket_deliver(socket, "x", 1);
    assert_int_equal(wasi_edge_epoll_oneoff(SUBS, EVENTS, 2, COUNT), 0);
    assert_int_not_equal(find_event(1, WASI_EVENT_FD_READ), 0);
    /* The level-triggered call sees what is still there. */
    assert_int_equal(poll(2), 1);
    assert_int_not_equal(find_event(1, WASI_EVENT_FD_READ), 0);
}

static void snapshot_0_has_longer_subscriptions(void **state)
{
    (void)state;
    uint64_t start_ns = fake_kernel.now_ns;
    uint32_t at = SUBS;

    memset(guest_at(at), 0, 2 * WASI_SUBSCRIPTION0_BYTES);
    guest_put_u64(at, 77);
    guest_put_u64(at + 16, 0xffffffffu); /* identifier */
    guest_put_u32(at + 24, 1);
    guest_put_u64(at + 32, 2 * MS);
    guest_put_u64(at + WASI_SUBSCRIPTION0_BYTES, 78);
    *guest_at(at + WASI_SUBSCRIPTION0_BYTES + 8) = WASI_EVENT_FD_READ;
    guest_put_u32(at + WASI_SUBSCRIPTION0_BYTES + 16, 0);
    assert_int_equal(wasi_unstable_poll_oneoff(SUBS, EVENTS, 2, COUNT), 0);
    assert_int_equal(guest_get_u32(COUNT), 1);
    assert_true(guest_get_u64(EVENTS) == 77);
    assert_true(fake_kernel.now_ns == start_ns + 2 * MS);
}

/* Events of many sockets cross in batches, and the arrays may lie on top of each other. */
static void overlapping_arrays_do_no_harm(void **state)
{
    enum { MANY = 300 };
    static struct net_socket *sockets[MANY];

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        put_fd(i, WASI_EVENT_FD_WRITE, open_connected(&sockets[i]), 1000 + i);
    }
    assert_int_equal(wasi_poll_oneoff(SUBS, SUBS, MANY, COUNT), 0);
    assert_int_equal(guest_get_u32(COUNT), MANY);
    unsigned char seen[MANY] = {0};
    for (uint32_t i = 0; i < MANY; i++) {
        uint64_t userdata = guest_get_u64(SUBS + i * WASI_EVENT_BYTES);

        assert_true(userdata >= 1000 && userdata < 1000 + MANY);
        assert_int_equal(seen[userdata - 1000]++, 0);
    }
}

/* Nothing is allocated on the path once the list has been seen. */
static void repeated_calls_do_not_allocate(void **state)
{
    (void)state;
    struct net_socket *socket;
    uint32_t fd = open_connected(&socket);

    put_fd(0, WASI_EVENT_FD_WRITE, fd, 1);
    assert_int_equal(poll(1), 1);
    fake_kernel.heap_failures = 1000;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(poll(1), 1);
    }
    assert_int_equal(fake_kernel.heap_failures, 1000);
    fake_kernel.heap_failures = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_relative_clock_sleeps_exactly),
        TEST(a_timeout_of_zero_does_not_sleep),
        TEST(absolute_times_count_on_their_own_clock),
        TEST(the_earliest_of_several_clocks_decides),
        TEST(bad_clocks_are_events_with_errors),
        TEST(arguments_are_checked),
        TEST(files_and_consoles_report_at_once),
        TEST(data_ends_the_wait),
        TEST(hangup_marks_the_end_of_the_stream),
        TEST(one_socket_may_be_read_and_written),
        TEST(closed_and_reused_numbers_are_noticed),
        TEST(a_shorter_list_forgets_the_rest),
        TEST(edges_are_reported_once),
        TEST(snapshot_0_has_longer_subscriptions),
        TEST(overlapping_arrays_do_no_harm),
        TEST(repeated_calls_do_not_allocate),
    };

    return cmocka_run_group_tests_name("wasi_poll", tests, NULL, NULL);
}
