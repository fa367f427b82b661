/*
 * drivers/virtio_console*.c against a host that behaves as QEMU's virtio-serial does, and
 * one that talks nonsense.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_console.h"
#include "kernel/console.h"
#include "kernel/wait.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio.h"

#define F_MULTIPORT (1ull << 1)

struct message {
    uint32_t port;
    uint16_t event;
    uint16_t value;
    char name[56];
};

static struct fake_virtio fake;
static const struct console_backend *backend;
static struct wait_poller *poller;
static const char *port_names[4]; /* of ports 1 to 3 */
static bool host_open;
static unsigned opened_ports;
static uint8_t taken[3][400000];
static size_t taken_bytes[3];
static unsigned chains_taken; /* of output */
static bool stalls;
static bool scrambles; /* output is taken in turn, and comes back in any order */
static uint16_t held[64];
static size_t held_count;

void console_register(const struct console_backend *registered)
{
    backend = registered;
}

void wait_register(struct wait_poller *registered)
{
    poller = registered;
}

static void control(uint32_t port, uint16_t event, uint16_t value, const char *name)
{
    struct message message = {port, event, value, ""};
    struct fake_chain chain;
    uint32_t bytes = 8;

    if (name != NULL) {
        memcpy(message.name, name, strlen(name) + 1);
        bytes += (uint32_t)strlen(name) + 1;
    }
    assert_true(fake_take(&fake.queues[2], &chain));
    fake_return(&fake.queues[2], chain.head, fake_fill(&chain, &message, bytes));
}

static void on_control(const struct message *message)
{
    if (message->event == 0) {
        for (uint32_t i = 1; i < 4; i++) {
            if (port_names[i] != NULL) {
                control(i, 1, 1, NULL);
            }
        }
    } else if (message->event == 3 && message->port < 4) {
        control(message->port, 7, 1, port_names[message->port]);
        if (host_open) {
            control(message->port, 6, 1, NULL);
        }
    } else if (message->event == 6) {
        opened_ports |= 1u << message->port;
    }
}

static void serve_output(uint16_t queue)
{
    struct fake_chain chain;
    size_t port = queue == 1 ? 0 : queue / 2u - 2u;

    while (!stalls && fake_take(&fake.queues[queue], &chain)) {
        chains_taken++;
        taken_bytes[port] += fake_gather(&chain, taken[port] + taken_bytes[port],
                                         (uint32_t)(sizeof(taken[port]) - taken_bytes[port]));
        if (scrambles) {
            assert_in_range(held_count, 0, 63);
            held[held_count++] = chain.head;
        } else {
            fake_return(&fake.queues[queue], chain.head, 0);
        }
    }
}

static void return_any(void)
{
    size_t index = (size_t)rand() % held_count;

    fake_return(&fake.queues[7], held[index], 0);
    held[index] = held[--held_count];
}

static void on_notify(struct fake_virtio *device, uint16_t queue)
{
    struct fake_chain chain;
    struct message message;

    (void)device;
    if (queue == 3) {
        while (fake_take(&fake.queues[3], &chain)) {
            assert_int_equal(fake_gather(&chain, &message, sizeof(message)), 8);
            on_control(&message);
            fake_return(&fake.queues[3], chain.head, 0);
        }
    } else if (queue % 2 == 1) {
        serve_output(queue);
    }
}

void wait_once(uint64_t deadline_ns)
{
    fake_machine.now_ns = deadline_ns;
    serve_output(7);
    if (held_count != 0) {
        return_any();
    }
    if (stalls) {
        stalls = false;
        serve_output(7);
    }
}

/* The driver has one console for the life of the machine, so one test uses it up. */
static void set_up(uint64_t features)
{
    fake_machine_reset();
    fake_virtio_init(&fake, VIRTIO_TYPE_CONSOLE, features, 128);
    fake.config[4] = 3;
    for (unsigned i = 0; i < 3; i++) {
        taken_bytes[i] = 0;
    }
    fake.on_notify = on_notify;
    host_open = true;
}

static void input(uint16_t queue, const char *data)
{
    struct fake_chain chain;

    assert_true(fake_take(&fake.queues[queue], &chain));
    uint32_t bytes = fake_fill(&chain, data, (uint32_t)strlen(data));
    fake_return(&fake.queues[queue], chain.head, bytes);
}

static bool poll_once(void)
{
    uint64_t deadline_ns = UINT64_MAX;

    return poller->poll(poller->context, &deadline_ns);
}

static void expect_input(const char *expected, size_t ask)
{
    char data[64] = "";
    size_t got = 0;

    assert_int_equal(backend->read(NULL, data, ask, &got), ERR_OK);
    assert_int_equal(got, strlen(expected));
    assert_memory_equal(data, expected, got);
}

static void check_input(void)
{
    char data[8];
    size_t got;

    assert_false(backend->input_ready(NULL));
    assert_int_equal(backend->read(NULL, data, 8, &got), ERR_AGAIN);
    assert_int_equal(backend->read(NULL, data, 0, &got), ERR_OK);
    uint16_t before = fake.queues[4].returned;
    input(4, "hello world");
    assert_true(fake_wants_interrupt(&fake, &fake.queues[4], before));
    assert_true(poll_once());
    assert_false(poll_once());
    /* Not read yet; still, more input interrupts. */
    before = fake.queues[4].returned;
    input(4, "!");
    assert_true(fake_wants_interrupt(&fake, &fake.queues[4], before));
    assert_true(backend->input_ready(NULL));
    expect_input("hello", 5);
    expect_input(" world!", 60);
    assert_int_equal(backend->read(NULL, data, 8, &got), ERR_AGAIN);
    /* Many more than there are buffers. */
    for (unsigned i = 0; i < 100; i++) {
        input(4, "abc");
        expect_input("abc", 8);
    }
    /* The end comes after the last byte, and may be taken back. */
    input(4, "last");
    control(1, 6, 0, NULL);
    assert_true(poll_once());
    expect_input("la", 2);
    expect_input("st", 9);
    assert_true(backend->input_ready(NULL));
    expect_input("", 9);
    expect_input("", 9);
    control(1, 6, 1, NULL);
    assert_true(poll_once());
    assert_false(backend->input_ready(NULL));
    assert_int_equal(backend->read(NULL, data, 8, &got), ERR_AGAIN);
}

static void check_output(void)
{
    static uint8_t big[200000];

    for (size_t i = 0; i < sizeof(big); i++) {
        big[i] = (uint8_t)(i * 13 + i / 4096);
    }
    assert_false(backend->write(NULL, CONSOLE_LOG, "log", 3));
    assert_false(backend->write(NULL, CONSOLE_STDERR, "err", 3));
    assert_true(backend->write(NULL, CONSOLE_STDOUT, "out", 3));
    assert_int_equal(taken_bytes[1], 3);
    unsigned kicks = fake.queues[7].kicks;
    assert_true(backend->write(NULL, CONSOLE_STDOUT, big, sizeof(big)));
    assert_int_equal(taken_bytes[1], 3 + sizeof(big));
    /* Four buffers of at most 64 KiB; the port has two at a time, and a kick for both. */
    assert_in_range(fake.queues[7].kicks - kicks, 1, 3);
    assert_int_equal(chains_taken, 1 + 4);
    assert_memory_equal(taken[1] + 3, big, sizeof(big));
    assert_true(backend->write(NULL, CONSOLE_STDOUT, big, 0));
    /* While the device is busy, small writes gather and follow in one piece. */
    kicks = fake.queues[7].kicks;
    stalls = true;
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(backend->write(NULL, CONSOLE_STDOUT, "12345", 5));
    }
    assert_int_equal(taken_bytes[1], 3 + sizeof(big));
    stalls = false;
    uint16_t before = fake.queues[7].returned;
    serve_output(7);
    assert_int_equal(taken_bytes[1], 3 + sizeof(big) + 5);
    assert_true(fake_wants_interrupt(&fake, &fake.queues[7], before));
    poll_once();
    assert_int_equal(taken_bytes[1], 5003 + sizeof(big));
    assert_int_equal(fake.queues[7].kicks - kicks, 2);
    /* When all buffers are full, a write waits; wait_once ends the stall. */
    stalls = true;
    assert_true(backend->write(NULL, CONSOLE_STDOUT, big, 131072));
    assert_true(stalls);
    assert_true(backend->write(NULL, CONSOLE_STDOUT, big + 131072, 1000));
    assert_false(stalls);
    virtio_console_drain();
    assert_int_equal(taken_bytes[1], 5003 + 132072 + sizeof(big));
    assert_memory_equal(taken[1] + 5003 + sizeof(big), big, 132072);
    /* A host that takes nothing delays the end, but not for ever. */
    stalls = true;
    assert_true(backend->write(NULL, CONSOLE_STDOUT, "never", 5));
    uint64_t start_ns = fake_machine.now_ns;
    virtio_console_drain();
    assert_in_range(fake_machine.now_ns - start_ns, 2900000000ull, 3100000000ull);
    stalls = false;
    serve_output(7);
}

/* Pieces of all sizes, to a device that gives buffers back as it likes: nothing moves or is lost.
 */
static void check_disorder(unsigned seed)
{
    static uint8_t sent[sizeof(taken[1])];

    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = (uint8_t)(i * 7 + i / 251);
    }
    taken_bytes[1] = 0;
    scrambles = true;
    srand(seed);
    size_t at = 0;
    while (at < sizeof(sent)) {
        size_t part = (size_t)rand() % (rand() % 4 == 0 ? 70000 : 5000) + 1;
        part = part < sizeof(sent) - at ? part : sizeof(sent) - at;
        assert_true(backend->write(NULL, CONSOLE_STDOUT, sent + at, part));
        at += part;
        while (held_count != 0 && rand() % 3 == 0) {
            return_any();
        }
    }
    scrambles = false;
    while (held_count != 0) {
        return_any();
    }
    virtio_console_drain();
    assert_int_equal(taken_bytes[1], sizeof(sent));
    assert_memory_equal(taken[1], sent, sizeof(sent));
}

static void check_nonsense(void)
{
    for (unsigned event = 0; event < 12; event++) {
        control(0xffffffff, (uint16_t)event, 1, NULL);
        control(8, (uint16_t)event, 1, NULL);
        poll_once();
    }
    for (unsigned i = 0; i < 100; i++) {
        control(1, 7, 1, "wafer.stdin");
        control(0, 7, 1, "wafer.stdinx");
        control(0, 7, 1, "");
        control(1, 99, 7, NULL);
        poll_once();
        struct fake_chain chain;
        assert_true(fake_take(&fake.queues[2], &chain));
        fake_return(&fake.queues[2], chain.head, i % 8);
        poll_once();
    }
    assert_false(fake.device.broken);
    check_input();
    /* Removal is the end of the input. */
    control(1, 2, 1, NULL);
    poll_once();
    expect_input("", 9);
    /* A lie ends it for good, and output falls back. */
    fake_return(&fake.queues[4], 77, 1);
    expect_input("", 9);
    assert_true(fake.device.broken);
    assert_false(backend->write(NULL, CONSOLE_STDOUT, "out", 3));
    assert_false(poll_once());
}

static void test_multiport(void **state)
{
    (void)state;
    port_names[1] = "wafer.stdin";
    port_names[2] = "wafer.stdout";
    set_up(F_MULTIPORT | VIRTIO_F_EVENT_IDX);
    assert_int_equal(virtio_console_open(&fake.device), ERR_OK);
    assert_int_equal(opened_ports, 1u << 1 | 1u << 2);
    assert_int_equal(virtio_console_open(&fake.device), ERR_BUSY);
    check_input();
    check_output();
    for (unsigned seed = 0; seed < 30; seed++) {
        check_disorder(seed);
    }
    check_nonsense();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multiport),
    };
    return cmocka_run_group_tests_name("virtio_console", tests, NULL, NULL);
}
