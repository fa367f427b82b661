/*
 * drivers/virtio_blk.c against a disk in memory, and against disks that fail or lie.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_blk.h"
#include "kernel/wait.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio.h"

#define SECTORS    4096u
#define F_SIZE_MAX (1ull << 1)
#define F_RO       (1ull << 5)
#define F_BLK_SIZE (1ull << 6)
#define F_FLUSH    (1ull << 9)

static struct fake_virtio fake;
static struct blockdev *disk;
static uint8_t storage[SECTORS * 512];
static unsigned requests;
static unsigned flushes;
static uint32_t largest;
static uint8_t answer;  /* status of the next request */
static bool silent;     /* does not answer */
static bool late;       /* answers in wait_for_device */
static uint32_t lie_id; /* returns this id, when not 0 */

static void serve(void)
{
    struct fake_chain chain;

    while (fake_take(&fake.queues[0], &chain)) {
        struct {
            uint32_t type, reserved;
            uint64_t sector;
        } header;
        uint32_t written = 1;
        assert_int_equal(chain.segments[0].length_bytes, sizeof(header));
        memcpy(&header, chain.segments[0].data, sizeof(header));
        const struct fake_segment *data = &chain.segments[1];
        uint8_t *status = chain.segments[chain.count - 1].data;
        requests++;
        if (header.type == 0 || header.type == 1) {
            assert_true((header.sector * 512 + data->length_bytes) <= sizeof(storage));
            largest = data->length_bytes > largest ? data->length_bytes : largest;
        }
        if (header.type == 0) {
            memcpy(data->data, storage + header.sector * 512, data->length_bytes);
            written += data->length_bytes;
        } else if (header.type == 1) {
            memcpy(storage + header.sector * 512, data->data, data->length_bytes);
        } else if (header.type == 4) {
            flushes++;
        } else {
            assert_int_equal(header.type, 8);
            memcpy(data->data, "disk\x07number-12345678", 20);
            written += 20;
        }
        *status = answer;
        fake_return(&fake.queues[0], lie_id != 0 ? lie_id : chain.head, written);
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

static void prepare(uint64_t features)
{
    static const uint64_t capacity = SECTORS;

    fake_machine_reset();
    fake_virtio_init(&fake, VIRTIO_TYPE_BLOCK, features, 128);
    memcpy(fake.config, &capacity, sizeof(capacity));
    fake.on_notify = on_notify;
    requests = flushes = largest = 0;
    answer = 0;
    silent = late = false;
    lie_id = 0;
}

static void open_disk(uint64_t features)
{
    prepare(features);
    assert_int_equal(virtio_blk_open(&fake.device, &disk), ERR_OK);
}

static void test_set_up(void **state)
{
    (void)state;
    open_disk(F_FLUSH);
    assert_int_equal(disk->sector_count, SECTORS);
    assert_int_equal(disk->block_bytes, 512);
    assert_false(disk->read_only);
    assert_string_equal(disk->serial, "disk?number-12345678");

    prepare(F_BLK_SIZE);
    fake.config[21] = 16;
    assert_int_equal(virtio_blk_open(&fake.device, &disk), ERR_OK);
    assert_int_equal(disk->block_bytes, 4096);
    prepare(F_BLK_SIZE);
    fake.config[20] = 3;
    assert_int_equal(virtio_blk_open(&fake.device, &disk), ERR_OK);
    assert_int_equal(disk->block_bytes, 512);

    prepare(0);
    fake.size_max[0] = 2;
    assert_int_equal(virtio_blk_open(&fake.device, &disk), ERR_NOTSUP);
    assert_int_equal(fake.status, 0);
    prepare(0);
    fake_machine.pages_limit = 0;
    assert_int_equal(virtio_blk_open(&fake.device, &disk), ERR_NOMEM);
}

static void run_transfers(void)
{
    static uint8_t data[SECTORS * 512];
    static uint8_t back[SECTORS * 512];

    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 31 + i / 512);
    }
    memset(storage, 0, sizeof(storage));
    assert_int_equal(disk->ops->write(disk, 0, data, SECTORS), ERR_OK);
    assert_memory_equal(storage, data, sizeof(data));
    assert_int_equal(disk->ops->read(disk, 0, back, SECTORS), ERR_OK);
    assert_memory_equal(back, data, sizeof(data));
    assert_int_equal(disk->ops->read(disk, 17, back, 3), ERR_OK);
    assert_memory_equal(back, data + 17 * 512, 3 * 512);
    assert_int_equal(disk->ops->read(disk, 17, back, 0), ERR_OK);
    assert_int_equal(disk->ops->flush(disk), ERR_OK);
}

static void test_transfers(void **state)
{
    (void)state;
    open_disk(F_FLUSH);
    run_transfers();
    assert_int_equal(largest, 1u << 20);
    assert_int_equal(flushes, 1);

    open_disk(VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC);
    late = true;
    run_transfers();
    assert_int_equal(flushes, 0);

    prepare(F_SIZE_MAX);
    fake.config[9] = 0x30; /* 12 KiB */
    assert_int_equal(virtio_blk_open(&fake.device, &disk), ERR_OK);
    run_transfers();
    assert_int_equal(largest, 12288);
}

static void test_limits(void **state)
{
    uint8_t data[512];

    (void)state;
    open_disk(F_RO);
    assert_true(disk->read_only);
    assert_int_equal(disk->ops->write(disk, 0, data, 1), ERR_ROFS);
    requests = 0;
    assert_int_equal(disk->ops->read(disk, SECTORS, data, 1), ERR_RANGE);
    assert_int_equal(disk->ops->read(disk, SECTORS - 1, data, 2), ERR_RANGE);
    assert_int_equal(disk->ops->read(disk, UINT64_MAX, data, 2), ERR_RANGE);
    assert_int_equal(requests, 0);
    assert_int_equal(disk->ops->read(disk, SECTORS - 1, data, 1), ERR_OK);
}

static void test_device_errors(void **state)
{
    uint8_t data[512];

    (void)state;
    open_disk(F_FLUSH);
    answer = 1;
    assert_int_equal(disk->ops->read(disk, 0, data, 1), ERR_IO);
    answer = 2;
    assert_int_equal(disk->ops->flush(disk), ERR_NOTSUP);
    answer = 0xff;
    assert_int_equal(disk->ops->read(disk, 0, data, 1), ERR_IO);
    answer = 0;
    assert_int_equal(disk->ops->read(disk, 0, data, 1), ERR_OK);
}

static void test_silence(void **state)
{
    uint8_t data[512];

    (void)state;
    open_disk(0);
    silent = true;
    uint64_t start_ns = fake_machine.now_ns;
    assert_int_equal(disk->ops->read(disk, 0, data, 1), ERR_IO);
    assert_in_range(fake_machine.now_ns - start_ns, 29000000000ull, 31000000000ull);
    assert_int_equal(fake_machine.log_errors, 1);
    assert_int_equal(fake.status, 0);
    assert_int_equal(disk->ops->read(disk, 0, data, 1), ERR_IO);
    assert_int_equal(disk->ops->flush(disk), ERR_IO);
    assert_int_equal(fake_machine.log_errors, 1);

    prepare(0);
    silent = true;
    assert_int_equal(virtio_blk_open(&fake.device, &disk), ERR_IO);
}

static void test_lie(void **state)
{
    uint8_t data[512];

    (void)state;
    open_disk(0);
    lie_id = 9;
    assert_int_equal(disk->ops->read(disk, 0, data, 1), ERR_IO);
    assert_true(fake.device.broken);
    assert_int_equal(fake.status, 0);
    lie_id = 0;
    assert_int_equal(disk->ops->read(disk, 0, data, 1), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_up),  cmocka_unit_test(test_transfers),
        cmocka_unit_test(test_limits),  cmocka_unit_test(test_device_errors),
        cmocka_unit_test(test_silence), cmocka_unit_test(test_lie),
    };
    return cmocka_run_group_tests_name("virtio_blk", tests, NULL, NULL);
}
