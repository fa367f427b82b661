/*
 * Long lists for poll_oneoff, which are watched: random changes to the list and to what it names,
 * against a model that looks at everything each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_net_socket.h"
#include "tests/unit/fake_wasi.h"
#include "wasi/calls.h"
#include "wasi/descriptor.h"
#include "wasi/instance.h"
#include "wasi/poll_set.h"
#include "wasi/types.h"

enum { BADF = 8 };
enum { COUNT = 0x100, SUBS_A = 0x1230, SUBS_B = 0x20008, EVENTS = 0x60000 };
enum { SUBSCRIPTIONS_MAX = 800, NUMBERS = 40, FIRST_NUMBER = 3 };

static struct wasi_config config;
static uint64_t random_state;

/* The model. */
static struct {
    uint32_t at;    /* where the list is */
    uint32_t count; /* with the clock, which is the last one */
    uint8_t tags[SUBSCRIPTIONS_MAX];
    uint32_t numbers[SUBSCRIPTIONS_MAX];
    struct net_socket *sockets[FIRST_NUMBER + NUMBERS];
} model;

static uint32_t any(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

static int set_up(void **state)
{
    (void)state;
    config = (struct wasi_config){.network = (struct net_stack *)&config};
    fake_begin(&config);
    memset(&model, 0, sizeof(model));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_end();
    assert_int_equal(fake_socket_count, 0);
    return 0;
}

static void put(uint32_t index)
{
    uint32_t at = model.at + index * WASI_SUBSCRIPTION_BYTES;

    guest_put_u64(at, index);
    *guest_at(at + 8) = model.tags[index];
    guest_put_u32(at + 16, model.numbers[index]);
}

/* Fires at once. */
static void put_clock(uint32_t index)
{
    uint32_t at = model.at + index * WASI_SUBSCRIPTION_BYTES;

    memset(guest_at(at), 0, WASI_SUBSCRIPTION_BYTES);
    guest_put_u64(at, index);
}

static void put_list(uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < count - 1; i++) {
        put(i);
    }
    put_clock(count - 1);
    model.count = count;
}

static void choose(uint32_t index)
{
    model.tags[index] = any(4) == 0 ? WASI_EVENT_FD_WRITE : WASI_EVENT_FD_READ;
    model.numbers[index] = FIRST_NUMBER + any(NUMBERS);
}

static void open_one(void)
{
    struct wasi_descriptor *descriptor;

    if (wasi_instance.descriptors.count >= FIRST_NUMBER + NUMBERS) {
        return;
    }
    assert_int_equal(wasi_descriptor_open(WASI_KIND_SOCKET, WASI_RIGHTS_SOCKET, 0, &descriptor),
                     ERR_OK);
    descriptor->socket.socket = fake_socket_connected();
    net_socket_set_user(descriptor->socket.socket, descriptor);
    model.sockets[descriptor->number] = descriptor->socket.socket;
}

static void close_one(uint32_t number)
{
    if (model.sockets[number] != NULL) {
        assert_int_equal(wasi_fd_close(number), 0);
        model.sockets[number] = NULL;
    }
}

static void renumber(uint32_t from, uint32_t to)
{
    if (from != to && model.sockets[from] != NULL && model.sockets[to] != NULL) {
        assert_int_equal(wasi_fd_renumber(from, to), 0);
        model.sockets[to] = model.sockets[from];
        model.sockets[from] = NULL;
    }
}

static void deliver(uint32_t number)
{
    struct net_socket *socket = model.sockets[number];

    if (socket != NULL && socket->received_bytes == 0) {
        fake_socket_deliver(socket, "x", 1);
    }
}

static void drain(uint32_t number)
{
    if (model.sockets[number] != NULL) {
        model.sockets[number]->received_bytes = 0;
    }
}

static void change(void)
{
    uint32_t number = FIRST_NUMBER + any(NUMBERS);
    uint32_t index = any(model.count - 1);
    uint32_t count;

    switch (any(16)) {
    case 0:
    case 1:
        open_one();
        break;
    case 2:
        close_one(number);
        break;
    case 3:
        renumber(number, FIRST_NUMBER + any(NUMBERS));
        break;
    case 4:
    case 5:
    case 6:
        deliver(number);
        break;
    case 7:
    case 8:
        drain(number);
        break;
    case 9: /* another length; what comes anew may differ from what was there */
        count = 2 + any(SUBSCRIPTIONS_MAX - 2);
        for (uint32_t i = model.count - 1; i < count; i++) {
            choose(i);
        }
        put_list(model.count - 1 < count - 1 ? model.count - 1 : count - 1, count);
        break;
    case 10: /* another place */
        model.at = model.at == SUBS_A ? SUBS_B : SUBS_A;
        put_list(0, model.count);
        break;
    default:
        choose(index);
        put(index);
        break;
    }
}

/* What an entry must report: 0 nothing, else 1 + errno. */
static uint32_t expected(uint32_t index)
{
    const struct net_socket *socket = model.sockets[model.numbers[index]];

    if (socket == NULL) {
        return 1 + BADF;
    }
    return model.tags[index] == WASI_EVENT_FD_WRITE || socket->received_bytes != 0 ? 1 : 0;
}

static void check_events(void)
{
    static uint32_t found[SUBSCRIPTIONS_MAX];

    memset(found, 0, sizeof(found));
    assert_int_equal(wasi_poll_oneoff(model.at, EVENTS, model.count, COUNT), 0);
    for (uint32_t i = 0; i < guest_get_u32(COUNT); i++) {
        uint32_t at = EVENTS + i * WASI_EVENT_BYTES;
        uint64_t index = guest_get_u64(at);

        assert_true(index < model.count);
        assert_int_equal(found[index], 0);
        found[index] = 1u + guest_get_u16(at + 8);
    }
    for (uint32_t i = 0; i < model.count - 1; i++) {
        assert_int_equal(found[i], expected(i));
    }
    assert_int_equal(found[model.count - 1], 1);
}

static void begin(uint32_t count)
{
    model.at = SUBS_A;
    for (uint32_t i = 0; i < NUMBERS / 2; i++) {
        open_one();
    }
    for (uint32_t i = 0; i < count; i++) {
        choose(i);
    }
    put_list(0, count);
}

static void long_lists_follow_every_change(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        random_state = seed;
        begin(SUBSCRIPTIONS_MAX / 2);
        for (uint32_t step = 0; step < 300; step++) {
            for (uint32_t changes = any(4); changes > 0; changes--) {
                change();
            }
            check_events();
        }
        for (uint32_t number = FIRST_NUMBER; number < FIRST_NUMBER + NUMBERS; number++) {
            close_one(number);
        }
    }
}

/* The cost of a call: an unwritten page is not even looked at, whatever it holds. */
static void pages_that_were_not_written_are_not_read(void **state)
{
    (void)state;
    uint32_t index = SUBSCRIPTIONS_MAX / 2;

    begin(SUBSCRIPTIONS_MAX);
    model.tags[index] = WASI_EVENT_FD_WRITE;
    model.numbers[index] = FIRST_NUMBER;
    put(index);
    for (int i = 0; i < 3; i++) {
        check_events();
    }
    fake_kernel.writes_hidden = true;
    guest_put_u64(model.at + index * WASI_SUBSCRIPTION_BYTES, 0x12345);
    check_events();
    fake_kernel.writes_hidden = false;
    put(index);
    check_events();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(long_lists_follow_every_change),
        TEST(pages_that_were_not_written_are_not_read),
    };

    return cmocka_run_group_tests_name("wasi_poll_list", tests, NULL, NULL);
}
