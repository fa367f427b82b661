/*
 * drivers/virtio_9p.c against a device that echoes, and devices that fail or lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "drivers/virtio_9p.h"
#include "kernel/wait.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio.h"

#define F_MOUNT_TAG 1ull

static struct fake_virtio fake;
static struct p9_channel *channel;
static bool silent;          /* does not answer */
static bool late;            /* answers in wait_for_device */
static uint32_t lie_id;      /* returns this id, when not 0 */
static uint32_t extra_bytes; /* claims to have written so many more */

/* Sends each request back. */
static void serve(void)
{
    static uint8_t bytes[4096];
    struct fake_chain chain;

    while (fake_take(&fake.queues[0], &chain)) {
        assert_int_equal(chain.count, 2);
        uint32_t length = fake_gather(&chain, bytes, sizeof(bytes));
        uint32_t written = fake_fill(&chain, bytes, length);
        fake_return(&fake.queues[0], lie_id != 0 ? lie_id : chain.head, written + extra_bytes);
    }
}

static void on_notify(struct fake_virtio *device, uint16_t queue)
{
    (void)device;
    assert_int_equal(queue, 0);
    if (!silent && !late) {
        serve();
    }
}

void wait_for_device(uint64_t deadline_ns)
{
    if (late) {
        serve();
    } else if (fake_machine.now_ns < deadline_ns) {
        fake_machine.now_ns = deadline_ns;
    }
}

static void prepare(const char *tag, uint16_t tag_bytes)
{
    fake_machine_reset();
    fake_virtio_init(&fake, VIRTIO_TYPE_9P, F_MOUNT_TAG, 128);
    memcpy(fake.config, &tag_bytes, sizeof(tag_bytes));
    memcpy(fake.config + 2, tag, strlen(tag));
    fake.on_notify = on_notify;
    silent = late = false;
    lie_id = extra_bytes = 0;
}

static void open_channel(void)
{
    prepare("wafer0", 6);
    assert_int_equal(virtio_9p_open(&fake.device, &channel), ERR_OK);
}

static void test_set_up(void **state)
{
    (void)state;
    open_channel();
    assert_string_equal(channel->tag, "wafer0");
    static const struct {
        const char *tag;
        uint16_t bytes;
    } bad[] = {{"", 0}, {"a b", 3}, {"a\x7f", 2}, {"a", 2}, {"long", 65}, {"long", 0xffff}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        prepare(bad[i].tag, bad[i].bytes);
        assert_int_equal(virtio_9p_open(&fake.device, &channel), ERR_INVAL);
        assert_int_equal(fake.status, 0);
        assert_int_equal(fake_machine.log_errors, 1);
    }
    prepare("tag", 3);
    fake.offered &= ~F_MOUNT_TAG;
    assert_int_equal(virtio_9p_open(&fake.device, &channel), ERR_NOTSUP);
    prepare("tag", 3);
    fake.size_max[0] = 1;
    assert_int_equal(virtio_9p_open(&fake.device, &channel), ERR_NOTSUP);
    prepare("tag", 3);
    fake_machine.pages_limit = 0;
    assert_int_equal(virtio_9p_open(&fake.device, &channel), ERR_NOMEM);
}

static void test_exchange(void **state)
{
    (void)state;
    char reply[16];
    uint32_t bytes;
    open_channel();
    for (unsigned round = 0; round < 300; round++) {
        late = round % 2 != 0;
        memset(reply, 0, sizeof(reply));
        assert_int_equal(channel->exchange(channel, "request", 8, reply, 16, &bytes), ERR_OK);
        assert_int_equal(bytes, 8);
        assert_string_equal(reply, "request");
    }
    /* A reply that does not fit is cut by the device. */
    assert_int_equal(channel->exchange(channel, "request", 8, reply, 3, &bytes), ERR_OK);
    assert_int_equal(bytes, 3);
}

/* Given up for good: reset, reported once, not asked again. */
static void check_given_up(void)
{
    char reply[16];
    uint32_t bytes;
    uint32_t resets = fake.resets;
    assert_int_equal(channel->exchange(channel, "request", 8, reply, 16, &bytes), ERR_IO);
    assert_int_equal(fake.resets, resets + 1);
    assert_int_equal(fake_machine.log_errors, 1);
    unsigned kicks = fake.queues[0].kicks;
    assert_int_equal(channel->exchange(channel, "request", 8, reply, 16, &bytes), ERR_IO);
    assert_int_equal(fake.queues[0].kicks, kicks);
}

static void test_silence(void **state)
{
    (void)state;
    open_channel();
    silent = true;
    uint64_t start_ns = fake_machine.now_ns;
    check_given_up();
    assert_in_range((fake_machine.now_ns - start_ns) / 1000000000u, 30, 31);
}

static void test_lies(void **state)
{
    (void)state;
    open_channel();
    lie_id = 3;
    check_given_up();
    open_channel();
    extra_bytes = 9;
    check_given_up();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_up),
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_lies),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fake_machine_reset();
    return failed;
}
