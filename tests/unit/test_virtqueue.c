/*
 * drivers/virtqueue.c and drivers/virtio.c against a device that keeps the rules and one
 * that does not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "drivers/virtqueue_chain.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio.h"

static struct fake_virtio fake;
static struct virtqueue queue;
static struct fake_queue *device_queue;
static struct virtqueue_chain unused;

static void set_up(uint64_t features, uint16_t size, uint16_t indirect)
{
    fake_machine_reset();
    fake_virtio_init(&fake, VIRTIO_TYPE_NETWORK, features, 256);
    assert_int_equal(virtio_negotiate(&fake.device, 0, 0), ERR_OK);
    assert_int_equal(virtio_queue_create(&fake.device, 0, size, indirect, &queue), ERR_OK);
    virtio_start(&fake.device);
    device_queue = &fake.queues[0];
}

static void submit(uint16_t readable, uint16_t writable, uint8_t *memory, void *token)
{
    struct virtqueue_chain chain;

    assert_int_equal(virtqueue_begin(&queue, (uint16_t)(readable + writable), &chain), ERR_OK);
    for (uint16_t i = 0; i < readable; i++) {
        virtqueue_add_readable(&chain, memory + 16 * i, 16);
    }
    for (uint16_t i = readable; i < readable + writable; i++) {
        virtqueue_add_writable(&chain, memory + 16 * i, 16);
    }
    virtqueue_submit(&chain, token);
}

static void test_negotiation(void **state)
{
    (void)state;
    fake_machine_reset();
    fake_virtio_init(&fake, VIRTIO_TYPE_NETWORK, 0xffull | VIRTIO_F_EVENT_IDX | 1ull << 60, 16);
    assert_int_equal(virtio_negotiate(&fake.device, 0x0f, 0x01), ERR_OK);
    assert_true(fake.accepted == (0x0full | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1));
    assert_true(virtio_has(&fake.device, VIRTIO_F_EVENT_IDX));
    assert_int_equal(virtio_negotiate(&fake.device, 0, 0x100), ERR_NOTSUP);

    fake.refuses_features = true;
    assert_int_equal(virtio_negotiate(&fake.device, 0x0f, 0), ERR_NOTSUP);
    fake.refuses_features = false;
    fake.offered &= ~VIRTIO_F_VERSION_1;
    assert_int_equal(virtio_negotiate(&fake.device, 0x0f, 0), ERR_NOTSUP);
    fake.refuses_reset = true;
    fake.status = 4;
    assert_int_equal(virtio_negotiate(&fake.device, 0x0f, 0), ERR_IO);
}

static void test_queue_sizes(void **state)
{
    (void)state;
    set_up(0, 256, 0);
    assert_int_equal(queue.size, 256);
    fake.size_max[1] = 100;
    assert_int_equal(virtio_queue_create(&fake.device, 1, 256, 0, &queue), ERR_OK);
    assert_int_equal(queue.size, 64);
    fake.size_max[1] = 1;
    assert_int_equal(virtio_queue_create(&fake.device, 1, 256, 0, &queue), ERR_OK);
    assert_int_equal(queue.size, 1);
    fake.size_max[1] = 0xffffffff;
    assert_int_equal(virtio_queue_create(&fake.device, 1, 300, 0, &queue), ERR_OK);
    assert_int_equal(queue.size, 256);
    fake.size_max[1] = 0;
    assert_int_equal(virtio_queue_create(&fake.device, 1, 256, 0, &queue), ERR_NODEV);
    fake_machine.pages_limit = fake_machine.pages_in_use;
    fake.size_max[1] = 8;
    assert_int_equal(virtio_queue_create(&fake.device, 1, 8, 0, &queue), ERR_NOMEM);
}

static void test_round_trip(void **state)
{
    uint8_t memory[64];
    struct fake_chain chain;
    struct virtqueue_completion completion;

    (void)state;
    set_up(0, 8, 0);
    submit(2, 2, memory, memory);
    assert_int_equal(queue.free_count, 4);
    virtqueue_kick(&queue);
    assert_int_equal(device_queue->kicks, 1);
    virtqueue_kick(&queue);
    assert_int_equal(device_queue->kicks, 1);

    assert_true(fake_take(device_queue, &chain));
    assert_int_equal(chain.count, 4);
    assert_false(chain.indirect);
    assert_ptr_equal(chain.segments[3].data, memory + 48);
    assert_true(chain.segments[2].writable && !chain.segments[1].writable);
    assert_false(fake_take(device_queue, &chain));

    assert_false(virtqueue_pop(&queue, &completion));
    fake_return(device_queue, chain.head, 32);
    assert_true(virtqueue_pop(&queue, &completion));
    assert_ptr_equal(completion.token, memory);
    assert_int_equal(completion.length_bytes, 32);
    assert_int_equal(queue.free_count, 8);
    assert_false(virtqueue_pop(&queue, &completion));
}

static void test_full(void **state)
{
    uint8_t memory[16 * 16];

    (void)state;
    set_up(0, 8, 0);
    assert_int_equal(virtqueue_begin(&queue, 0, &unused), ERR_INVAL);
    assert_int_equal(virtqueue_begin(&queue, 9, &unused), ERR_INVAL);
    submit(5, 0, memory, memory);
    assert_int_equal(virtqueue_begin(&queue, 4, &unused), ERR_AGAIN);
    submit(3, 0, memory, memory);
    assert_int_equal(queue.free_count, 0);
    assert_false(virtqueue_submit_writable(&queue, memory, 16, memory));
}

static void test_indirect(void **state)
{
    uint8_t memory[16 * 20];
    struct fake_chain chain;
    struct virtqueue_completion completion;

    (void)state;
    set_up(VIRTIO_F_INDIRECT_DESC, 16, 20);
    submit(4, 0, memory, memory);
    assert_int_equal(queue.free_count, 12);
    submit(18, 2, memory, memory + 1);
    assert_int_equal(queue.free_count, 11);
    assert_true(fake_take(device_queue, &chain));
    assert_false(chain.indirect);
    assert_true(fake_take(device_queue, &chain));
    assert_true(chain.indirect);
    assert_int_equal(chain.count, 20);
    assert_ptr_equal(chain.segments[19].data, memory + 16 * 19);
    /* Half full: now even two segments take the table. */
    submit(4, 0, memory, memory);
    submit(2, 0, memory, memory);
    assert_int_equal(queue.free_count, 6);
    fake_return(device_queue, chain.head, 32);
    assert_true(virtqueue_pop(&queue, &completion));
    assert_ptr_equal(completion.token, memory + 1);
    assert_int_equal(queue.free_count, 7);
}

/* Hours of traffic: indices wrap, completions come back in any order. */
static void run_random_traffic(uint64_t features, unsigned seed)
{
    uint8_t memory[16 * 8];
    struct fake_chain held[64];
    unsigned held_count = 0;
    unsigned in_flight = 0;
    uintptr_t next_token = 1;
    uint64_t sum_in = 0;
    uint64_t sum_out = 0;
    struct virtqueue_completion completion;

    set_up(features, 64, 8);
    srand(seed);
    for (unsigned step = 0; step < 400000; step++) {
        switch (rand() % 3) {
        case 0: {
            uint16_t readable = (uint16_t)(rand() % 4 + 1);
            uint16_t writable = (uint16_t)(rand() % 4);
            if (virtqueue_begin(&queue, (uint16_t)(readable + writable), &unused) == ERR_OK) {
                submit(readable, writable, memory, (void *)next_token);
                sum_in += next_token++;
                in_flight++;
            }
            break;
        }
        case 1:
            if (held_count < 64 && fake_take(device_queue, &held[held_count])) {
                held_count++;
            }
            break;
        default:
            if (held_count > 0) {
                unsigned pick = (unsigned)rand() % held_count;
                fake_return(device_queue, held[pick].head, 0);
                held[pick] = held[--held_count];
            }
            while (rand() % 2 && virtqueue_pop(&queue, &completion)) {
                sum_out += (uintptr_t)completion.token;
                in_flight--;
            }
        }
        virtqueue_kick(&queue);
    }
    while (held_count > 0) {
        fake_return(device_queue, held[--held_count].head, 0);
    }
    while (fake_take(device_queue, &held[0])) {
        fake_return(device_queue, held[0].head, 0);
    }
    while (virtqueue_pop(&queue, &completion)) {
        sum_out += (uintptr_t)completion.token;
        in_flight--;
    }
    assert_int_equal(in_flight, 0);
    assert_true(sum_in == sum_out);
    assert_true(next_token > 70000);
    assert_false(fake.device.broken);
    assert_int_equal(queue.free_count, 64);
}

static void test_random_traffic(void **state)
{
    (void)state;
    run_random_traffic(0, 1);
    run_random_traffic(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX, 2);
}

static void test_notification_suppression(void **state)
{
    uint8_t memory[16];

    (void)state;
    set_up(VIRTIO_F_EVENT_IDX, 8, 0);
    uint16_t *avail_event = (uint16_t *)(void *)&device_queue->used->ring[8];
    *avail_event = 1;
    submit(1, 0, memory, memory);
    virtqueue_kick(&queue);
    assert_int_equal(device_queue->kicks, 0);
    submit(1, 0, memory, memory);
    virtqueue_kick(&queue);
    assert_int_equal(device_queue->kicks, 1);

    set_up(0, 8, 0);
    device_queue->used->flags = 1;
    submit(1, 0, memory, memory);
    virtqueue_kick(&queue);
    assert_int_equal(device_queue->kicks, 0);
    device_queue->used->flags = 0;
    submit(1, 0, memory, memory);
    virtqueue_kick(&queue);
    assert_int_equal(device_queue->kicks, 1);
}

static void run_interrupt_suppression(uint64_t features)
{
    uint8_t memory[16];
    struct fake_chain chain;
    struct virtqueue_completion completion;

    set_up(features, 8, 0);
    for (unsigned i = 0; i < 8; i++) {
        submit(1, 0, memory, memory);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_true(fake_take(device_queue, &chain));
        fake_return(device_queue, chain.head, 0);
        assert_false(fake_wants_interrupt(&fake, device_queue, (uint16_t)i));
    }
    assert_true(virtqueue_arm(&queue));
    while (virtqueue_pop(&queue, &completion)) {
    }
    assert_false(virtqueue_arm(&queue));
    assert_true(fake_take(device_queue, &chain));
    fake_return(device_queue, chain.head, 0);
    assert_true(fake_wants_interrupt(&fake, device_queue, 4));
    virtqueue_disarm(&queue);
    assert_true(fake_take(device_queue, &chain));
    fake_return(device_queue, chain.head, 0);
    assert_false(fake_wants_interrupt(&fake, device_queue, 5));
}

static void test_interrupt_suppression(void **state)
{
    (void)state;
    run_interrupt_suppression(0);
    run_interrupt_suppression(VIRTIO_F_EVENT_IDX);
}

static void expect_broken(void)
{
    struct virtqueue_completion completion;

    assert_false(virtqueue_pop(&queue, &completion));
    assert_true(fake.device.broken);
    assert_int_equal(fake_machine.log_errors, 1);
    assert_false(virtqueue_pop(&queue, &completion));
    assert_int_equal(virtqueue_begin(&queue, 1, &unused), ERR_IO);
    assert_int_equal(fake_machine.log_errors, 1);
}

static void test_lies(void **state)
{
    uint8_t memory[64];
    struct virtqueue_completion completion;
    struct fake_chain chain;

    (void)state;
    /* An id beyond the ring. */
    set_up(0, 8, 0);
    submit(1, 1, memory, memory);
    fake_return(device_queue, 8, 0);
    expect_broken();
    set_up(0, 8, 0);
    submit(1, 1, memory, memory);
    fake_return(device_queue, 0x10000, 0);
    expect_broken();
    /* An id that is not in flight, or not the head of a chain. */
    set_up(0, 8, 0);
    submit(1, 1, memory, memory);
    fake_return(device_queue, 1, 0);
    expect_broken();
    /* The same chain twice. */
    set_up(0, 8, 0);
    submit(1, 1, memory, memory);
    fake_return(device_queue, 0, 0);
    fake_return(device_queue, 0, 0);
    assert_true(virtqueue_pop(&queue, &completion));
    expect_broken();
    /* More than the chain holds. */
    set_up(0, 8, 0);
    submit(1, 1, memory, memory);
    fake_return(device_queue, 0, 17);
    expect_broken();
    /* An index far ahead. */
    set_up(0, 8, 0);
    submit(1, 1, memory, memory);
    device_queue->used->index = 9;
    expect_broken();
    /* An index that goes back. */
    set_up(0, 8, 0);
    submit(1, 1, memory, memory);
    device_queue->used->index = 0xffff;
    expect_broken();
    /* A read-only chain may carry any length: it means nothing. */
    set_up(0, 8, 0);
    submit(1, 0, memory, memory);
    assert_true(fake_take(device_queue, &chain));
    fake_return(device_queue, chain.head, 0xffffffff);
    assert_true(virtqueue_pop(&queue, &completion));
    assert_int_equal(completion.length_bytes, 0);
}

/* Descriptors that the device overwrote do not confuse the free list. */
static void test_scribbled_descriptors(void **state)
{
    uint8_t memory[64];
    struct virtqueue_completion completion;
    struct fake_chain chain;

    (void)state;
    set_up(0, 8, 0);
    for (unsigned round = 0; round < 100; round++) {
        submit(2, 1, memory, memory);
        submit(2, 2, memory, memory + 1);
        assert_true(fake_take(device_queue, &chain));
        memset(device_queue->descriptors, 0xff, 8 * sizeof(struct virtq_desc));
        fake_return(device_queue, chain.head, 0);
        assert_true(virtqueue_pop(&queue, &completion));
        assert_ptr_equal(completion.token, memory);
        uint16_t second = device_queue->available->ring[device_queue->seen++ % 8];
        fake_return(device_queue, second, 0);
        assert_true(virtqueue_pop(&queue, &completion));
        assert_ptr_equal(completion.token, memory + 1);
        assert_int_equal(queue.free_count, 8);
    }
    assert_false(fake.device.broken);
}

static void test_drain(void **state)
{
    uint8_t memory[64];
    unsigned count = 0;

    (void)state;
    set_up(0, 8, 0);
    submit(2, 0, memory, memory);
    submit(1, 1, memory, memory + 1);
    submit(1, 0, memory, memory + 2);
    assert_true(virtio_reset(&fake.device));
    while (virtqueue_drain(&queue) != NULL) {
        count++;
    }
    assert_int_equal(count, 3);
}

static void test_device_asks_for_reset(void **state)
{
    (void)state;
    set_up(0, 8, 0);
    assert_false(virtio_needs_reset(&fake.device));
    fake.status |= VIRTIO_STATUS_NEEDS_RESET_BIT;
    assert_true(virtio_needs_reset(&fake.device));
    set_up(0, 8, 0);
    fake.status = 0;
    assert_true(virtio_needs_reset(&fake.device));
    assert_true(fake.device.broken);
}

static void test_config(void **state)
{
    uint16_t value = 0;

    (void)state;
    set_up(0, 8, 0);
    fake.config[10] = 0x34;
    fake.config[11] = 0x12;
    virtio_config_read(&fake.device, 10, &value, 2);
    assert_int_equal(value, 0x1234);
    fake.generation_runs = true;
    virtio_config_read(&fake.device, 10, &value, 2);
    assert_int_equal(fake_machine.log_warnings, 1);
}

static void test_wait_is_bounded(void **state)
{
    (void)state;
    set_up(0, 8, 0);
    assert_false(virtqueue_wait(&queue, 1000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_queue_sizes),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_indirect),
        cmocka_unit_test(test_random_traffic),
        cmocka_unit_test(test_notification_suppression),
        cmocka_unit_test(test_interrupt_suppression),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_scribbled_descriptors),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_device_asks_for_reset),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_wait_is_bounded),
    };
    return cmocka_run_group_tests_name("virtqueue", tests, NULL, NULL);
}
