/*
 * drivers/virtio_net*.c over the fake transport: frames both ways, offloads, shortage of
 * memory, and cards that lie.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_net.h"
#include "drivers/virtio_net_features.h"
#include "drivers/virtio_net_receive.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio.h"

#define BUFFER_BYTES 4032u
#define ALL_FEATURES                                                                               \
    (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC |           \
     VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_HOST_TSO4 |                  \
     VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS | VIRTIO_F_EVENT_IDX |  \
     VIRTIO_F_INDIRECT_DESC)

static struct fake_virtio fake;
static struct netdev *card;
static struct fake_queue *rx;
static struct fake_queue *tx;

static struct net_buffer *received[1024];
static size_t received_count;
static unsigned done_count;

static void on_receive(void *stack, struct net_buffer *chain)
{
    assert_ptr_equal(stack, &fake);
    received[received_count++] = chain;
}

static void on_done(struct net_packet *packet)
{
    (void)packet;
    done_count++;
}

static void prepare(uint64_t features)
{
    static const uint8_t mac[] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

    fake_machine_reset();
    received_count = 0;
    done_count = 0;
    fake_virtio_init(&fake, VIRTIO_TYPE_NETWORK, features, 256);
    memcpy(fake.config, mac, sizeof(mac));
    fake.config[VIRTIO_NET_CONFIG_MTU] = 0x28; /* 9000 */
    fake.config[VIRTIO_NET_CONFIG_MTU + 1] = 0x23;
    rx = &fake.queues[0];
    tx = &fake.queues[1];
}

static void open_card(uint64_t features)
{
    prepare(features);
    assert_int_equal(virtio_net_open(&fake.device, &card), ERR_OK);
    card->receive = on_receive;
    card->stack = &fake;
}

/* The card receives a frame of `bytes` counting bytes; returns the buffers it took. */
static unsigned deliver(uint32_t bytes, struct virtio_net_header header)
{
    static uint8_t wire[70000];
    struct fake_chain chains[64];
    uint32_t total = bytes + (uint32_t)sizeof(header);
    uint32_t done = 0;
    unsigned count = 0;
    uint32_t parts[64];

    header.buffer_count = (uint16_t)((total + BUFFER_BYTES - 1) / BUFFER_BYTES);
    memcpy(wire, &header, sizeof(header));
    for (uint32_t i = 0; i < bytes; i++) {
        wire[sizeof(header) + i] = (uint8_t)(i * 7 + i / 256);
    }
    while (done < total) {
        assert_true(fake_take(rx, &chains[count]));
        parts[count] = fake_fill(&chains[count], wire + done, total - done);
        done += parts[count++];
    }
    for (unsigned i = 0; i < count; i++) {
        fake_return(rx, chains[i].head, parts[i]);
    }
    return count;
}

static void check_frame(const struct net_buffer *frame, uint32_t bytes)
{
    uint32_t at = 0;

    assert_int_equal(frame->total_bytes, bytes);
    for (const struct net_buffer *part = frame; part != NULL; part = part->next_part) {
        for (uint32_t i = 0; i < part->length_bytes; i++, at++) {
            assert_int_equal(part->data[i], (uint8_t)(at * 7 + at / 256));
        }
        assert_int_equal(part->capacity_bytes, 4096);
    }
    assert_int_equal(at, bytes);
}

static void test_set_up(void **state)
{
    (void)state;
    open_card(ALL_FEATURES);
    assert_int_equal(card->mtu_bytes, 9000);
    assert_int_equal(card->address[5], 0x56);
    assert_int_equal(card->features, NETDEV_TX_CHECKSUM_BIT | NETDEV_TX_TSO4_BIT |
                                         NETDEV_TX_TSO6_BIT | NETDEV_RX_CHECKSUM_BIT |
                                         NETDEV_RX_LARGE_BIT);
    assert_int_equal(rx->available->index, 256);
    assert_int_equal(rx->kicks, 1);
    assert_true((fake.status & VIRTIO_STATUS_DRIVER_OK_BIT) != 0);

    open_card(0);
    assert_int_equal(card->features, 0);
    assert_int_equal(card->mtu_bytes, 1500);
    assert_int_equal(card->address[0] & 3, 2);

    /* Coalesced frames would not fit without merging; TSO is nothing without checksums. */
    open_card(ALL_FEATURES & ~(VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_CSUM));
    assert_int_equal(card->features, NETDEV_RX_CHECKSUM_BIT);
    assert_true((fake.accepted & (VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_HOST_TSO4)) == 0);
    assert_int_equal(card->mtu_bytes, 3900);
}

static void test_bad_config(void **state)
{
    (void)state;
    prepare(ALL_FEATURES);
    memset(fake.config, 0xff, 6);
    fake.config[VIRTIO_NET_CONFIG_MTU] = 20;
    fake.config[VIRTIO_NET_CONFIG_MTU + 1] = 0;
    assert_int_equal(virtio_net_open(&fake.device, &card), ERR_OK);
    assert_int_equal(card->mtu_bytes, 1500);
    assert_int_equal(card->address[0] & 3, 2);
    assert_int_equal(fake_machine.log_warnings, 2);
}

static void test_failures_at_set_up(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 60; limit++) {
        prepare(ALL_FEATURES);
        fake_machine.pages_limit = limit;
        enum err error = virtio_net_open(&fake.device, &card);
        if (error != ERR_OK) {
            assert_int_equal(fake.status, 0);
            assert_int_equal(fake_machine.log_errors, 1);
        }
    }
    prepare(ALL_FEATURES);
    fake.size_max[1] = 0;
    assert_int_equal(virtio_net_open(&fake.device, &card), ERR_NODEV);
    prepare(ALL_FEATURES & ~VIRTIO_F_INDIRECT_DESC);
    fake.size_max[1] = 16;
    assert_int_equal(virtio_net_open(&fake.device, &card), ERR_NOTSUP);
}

static void test_receive(void **state)
{
    (void)state;
    open_card(ALL_FEATURES);
    for (unsigned round = 0; round < 3000; round++) {
        assert_int_equal(deliver(60 + round % 1400, (struct virtio_net_header){0}), 1);
        assert_int_equal(card->ops->poll(card, 64), 1);
        assert_int_equal(received_count, 1);
        check_frame(received[0], 60 + round % 1400);
        assert_false(received[0]->checksum_valid);
        card->ops->receive_free(card, received[0]);
        received_count = 0;
    }
    /* Nothing was allocated on the way. */
    assert_true(fake_machine.pages_in_use < 400);
    /* Budget. */
    for (unsigned i = 0; i < 10; i++) {
        deliver(100, (struct virtio_net_header){.flags = VIRTIO_NET_DATA_VALID_BIT});
    }
    assert_int_equal(card->ops->poll(card, 4), 4);
    assert_true(card->ops->arm(card));
    assert_int_equal(card->ops->poll(card, 64), 6);
    assert_true(received[9]->checksum_valid);
    assert_false(card->ops->arm(card));
}

static void test_receive_merged(void **state)
{
    (void)state;
    open_card(ALL_FEATURES);
    for (unsigned round = 0; round < 50; round++) {
        uint32_t bytes = 1900 + round * 1273;
        deliver(bytes, (struct virtio_net_header){.gso_type = NET_GSO_TCP4,
                                                  .gso_size = 1448,
                                                  .flags = VIRTIO_NET_NEEDS_CHECKSUM_BIT});
        assert_int_equal(card->ops->poll(card, 64), 1);
        check_frame(received[0], bytes);
        assert_int_equal(received[0]->gso, NET_GSO_TCP4);
        assert_int_equal(received[0]->gso_size_bytes, 1448);
        assert_true(received[0]->checksum_valid);
        card->ops->receive_free(card, received[0]);
        received_count = 0;
    }
}

/* A frame whose buffers come in one by one is handed up when it is whole. */
static void test_receive_slow_merge(void **state)
{
    struct virtio_net_header header = {.buffer_count = 2};
    uint8_t wire[BUFFER_BYTES];
    struct fake_chain chain;

    (void)state;
    open_card(ALL_FEATURES);
    memset(wire, 0, sizeof(wire));
    memcpy(wire, &header, sizeof(header));
    assert_true(fake_take(rx, &chain));
    fake_return(rx, chain.head, fake_fill(&chain, wire, sizeof(wire)));
    assert_int_equal(card->ops->poll(card, 64), 0);
    assert_true(fake_take(rx, &chain));
    fake_return(rx, chain.head, 100);
    assert_int_equal(card->ops->poll(card, 64), 1);
    assert_int_equal(received[0]->total_bytes, BUFFER_BYTES - 12 + 100);
}

static void deliver_raw(const struct virtio_net_header *header, uint32_t length)
{
    uint8_t wire[BUFFER_BYTES];
    struct fake_chain chain;

    memset(wire, 0, sizeof(wire));
    memcpy(wire, header, sizeof(*header));
    assert_true(fake_take(rx, &chain));
    fake_fill(&chain, wire, sizeof(wire));
    fake_return(rx, chain.head, length);
}

/* Frames that break the rules are dropped, and their buffers used again. */
static void test_receive_bad_frames(void **state)
{
    static const struct {
        struct virtio_net_header header;
        uint32_t length;
    } bad[] = {
        {{.buffer_count = 1}, 0},
        {{.buffer_count = 1}, 11},
        {{.buffer_count = 1}, 12},
        {{.buffer_count = 1}, 25},
        {{.buffer_count = 0}, 100},
        {{.buffer_count = 257}, 100},
        {{.buffer_count = 65535}, 100},
        {{.buffer_count = 1, .gso_type = 3, .gso_size = 100}, 100},
        {{.buffer_count = 1, .gso_type = 1, .gso_size = 0}, 100},
        {{.buffer_count = 1, .gso_type = 0x7f, .gso_size = 9}, 100},
    };

    (void)state;
    open_card(ALL_FEATURES);
    for (unsigned round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            deliver_raw(&bad[i].header, bad[i].length);
            assert_int_equal(card->ops->poll(card, 64), 0);
        }
        /* Merged from crumbs: too short a first part; then an empty part. */
        deliver_raw(&(struct virtio_net_header){.buffer_count = 2}, 100);
        deliver_raw(&(struct virtio_net_header){0}, 100);
        assert_int_equal(card->ops->poll(card, 64), 0);
        deliver_raw(&(struct virtio_net_header){.buffer_count = 2}, BUFFER_BYTES);
        deliver_raw(&(struct virtio_net_header){0}, 0);
        assert_int_equal(card->ops->poll(card, 64), 0);
    }
    /* Longer than any frame. */
    deliver_raw(&(struct virtio_net_header){.buffer_count = 20}, BUFFER_BYTES);
    for (unsigned i = 1; i < 20; i++) {
        deliver_raw(&(struct virtio_net_header){0}, BUFFER_BYTES);
    }
    assert_int_equal(card->ops->poll(card, 64), 0);
    assert_false(fake.device.broken);
    assert_true(fake_machine.pages_in_use < 400);
    deliver(100, (struct virtio_net_header){0});
    assert_int_equal(card->ops->poll(card, 64), 1);
}

static void test_receive_short_of_memory(void **state)
{
    (void)state;
    open_card(ALL_FEATURES);
    fake_machine.pages_limit = fake_machine.pages_in_use;
    /* The stack keeps everything: the ring runs dry. */
    for (unsigned i = 0; i < 256; i++) {
        deliver(100, (struct virtio_net_header){0});
        assert_int_equal(card->ops->poll(card, 64), 1);
    }
    struct fake_chain chain;
    assert_false(fake_take(rx, &chain));
    assert_int_equal(card->ops->poll(card, 64), 0);
    /* Buffers that come back reach the card without another poll. */
    unsigned kicks = rx->kicks;
    card->ops->receive_free(card, received[0]);
    assert_int_equal(rx->kicks, kicks + 1);
    deliver(100, (struct virtio_net_header){0});
    assert_int_equal(card->ops->poll(card, 64), 1);
    /* Memory that becomes free is found by polling. */
    fake_machine.pages_limit += 4;
    assert_int_equal(card->ops->poll(card, 64), 0);
    deliver(100, (struct virtio_net_header){0});
    assert_int_equal(card->ops->poll(card, 64), 1);
}

/* With memory gone and the stack holding on, what is small still gets through. */
static void test_receive_starving(void **state)
{
    (void)state;
    open_card(ALL_FEATURES);
    fake_machine.pages_limit = fake_machine.pages_in_use;
    while (received_count < 1000) {
        size_t before = received_count;
        deliver(1500, (struct virtio_net_header){0});
        card->ops->poll(card, 64);
        if (received_count == before) {
            break;
        }
    }
    assert_in_range(received_count, 180, 210);
    for (unsigned i = 0; i < 1000; i++) {
        size_t before = received_count;
        deliver(1500, (struct virtio_net_header){0});
        assert_int_equal(card->ops->poll(card, 64), 0);
        deliver(60, (struct virtio_net_header){0});
        assert_int_equal(card->ops->poll(card, 64), 1);
        card->ops->receive_free(card, received[--received_count]);
        assert_int_equal(received_count, before);
    }
    /* All back: as before. */
    while (received_count > 0) {
        card->ops->receive_free(card, received[--received_count]);
    }
    deliver(1500, (struct virtio_net_header){0});
    assert_int_equal(card->ops->poll(card, 64), 1);
}

/* The pool grows to its bound, and goes back when the stack lets go. */
static void test_pool_is_bounded(void **state)
{
    static struct net_buffer *kept[4096];
    size_t count = 0;

    (void)state;
    prepare(ALL_FEATURES);
    fake_machine.pages_total = 4096;
    assert_int_equal(virtio_net_open(&fake.device, &card), ERR_OK);
    card->receive = on_receive;
    card->stack = &fake;
    assert_int_equal(rx->available->index, 128);
    size_t at_start = fake_machine.pages_in_use;
    for (unsigned i = 0; i < 5000; i++) {
        deliver(1500, (struct virtio_net_header){0});
        received_count = 0;
        if (card->ops->poll(card, 64) == 1) {
            kept[count++] = received[0];
        }
    }
    assert_in_range(count, 1024, 1024 + 256);
    assert_true(card->receive_pool_bytes <= count * 4096);
    assert_true(fake_machine.pages_in_use <= at_start + 1024 + 256);
    while (count > 0) {
        card->ops->receive_free(card, kept[--count]);
    }
    assert_true(fake_machine.pages_in_use <= at_start + 256);
    deliver(1500, (struct virtio_net_header){0});
    assert_int_equal(card->ops->poll(card, 64), 1);
}

static struct net_packet *packet_make(uint16_t header_bytes, uint8_t fragments)
{
    static uint8_t payload[NET_FRAGMENTS_MAX][64];
    struct net_packet *packet = calloc(1, sizeof(*packet));

    packet->done = on_done;
    packet->header_start = (uint16_t)(NET_HEADER_BYTES - header_bytes);
    packet->header_length_bytes = header_bytes;
    memset(packet->header + packet->header_start, 0x11, header_bytes);
    packet->fragment_count = fragments;
    for (uint8_t i = 0; i < fragments; i++) {
        memset(payload[i], i + 1, sizeof(payload[i]));
        packet->fragments[i] = (struct net_fragment){payload[i], sizeof(payload[i])};
    }
    return packet;
}

static void test_transmit(void **state)
{
    uint8_t wire[4096];
    struct fake_chain chain;
    struct virtio_net_header header;

    (void)state;
    open_card(ALL_FEATURES);
    struct net_packet *packet = packet_make(54, NET_FRAGMENTS_MAX);
    packet->checksum_partial = true;
    packet->checksum_start = 34;
    packet->checksum_offset = 16;
    packet->gso = NET_GSO_TCP4;
    packet->gso_size_bytes = 1448;
    assert_int_equal(card->ops->transmit(card, packet), ERR_OK);
    assert_int_equal(tx->kicks, 0);
    card->ops->flush(card);
    assert_int_equal(tx->kicks, 1);
    assert_true(fake_take(tx, &chain));
    assert_true(chain.indirect);
    assert_int_equal(fake_gather(&chain, wire, sizeof(wire)), 12 + 54 + 18 * 64);
    memcpy(&header, wire, sizeof(header));
    assert_int_equal(header.flags, VIRTIO_NET_NEEDS_CHECKSUM_BIT);
    assert_int_equal(header.gso_type, NET_GSO_TCP4);
    assert_int_equal(header.gso_size, 1448);
    assert_int_equal(header.header_length, 54);
    assert_int_equal(header.checksum_start, 34);
    assert_int_equal(header.checksum_offset, 16);
    assert_int_equal(wire[12 + 54], 1);
    assert_int_equal(wire[12 + 54 + 17 * 64], 18);
    fake_return(tx, chain.head, 0);
    assert_int_equal(done_count, 0);
    card->ops->poll(card, 64);
    assert_int_equal(done_count, 1);
    free(packet);
}

static void test_transmit_full(void **state)
{
    struct net_packet *packets[300];
    struct fake_chain chain;
    unsigned sent = 0;

    (void)state;
    open_card(ALL_FEATURES);
    for (unsigned i = 0; i < 300; i++) {
        packets[i] = packet_make(54, 1);
    }
    while (card->ops->transmit(card, packets[sent]) == ERR_OK) {
        sent++;
    }
    /* Direct pairs up to half the ring, then one indirect table a packet. */
    assert_in_range(sent, 180, 256);
    card->ops->flush(card);
    uint16_t old = tx->returned;
    assert_false(card->ops->arm(card));
    assert_true(fake_take(tx, &chain));
    fake_return(tx, chain.head, 0);
    assert_true(fake_wants_interrupt(&fake, tx, old));
    card->ops->poll(card, 64);
    assert_int_equal(done_count, 1);
    assert_int_equal(card->ops->transmit(card, packets[sent]), ERR_OK);
    sent++;
    /* Room again: completions are silent. */
    while (fake_take(tx, &chain)) {
        old = tx->returned;
        fake_return(tx, chain.head, 0);
        card->ops->arm(card);
        assert_false(fake_wants_interrupt(&fake, tx, old));
    }
    card->ops->poll(card, 64);
    assert_int_equal(done_count, sent);
    for (unsigned i = 0; i < 300; i++) {
        free(packets[i]);
    }
}

static void expect_contained(void)
{
    uint32_t resets = fake.resets;
    struct net_packet *packets[3] = {packet_make(54, 0), packet_make(54, 2), packet_make(54, 9)};

    done_count = 0;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(card->ops->transmit(card, packets[i]), ERR_OK);
    }
    assert_int_equal(done_count, 3);
    card->ops->flush(card);
    assert_int_equal(card->ops->poll(card, 64), 0);
    assert_false(card->ops->arm(card));
    assert_int_equal(fake.resets, resets);
    assert_int_equal(fake_machine.log_errors, 1);
    for (unsigned i = 0; i < 3; i++) {
        free(packets[i]);
    }
}

static void test_lying_card(void **state)
{
    struct net_packet *packet = packet_make(54, 2);

    (void)state;
    open_card(ALL_FEATURES);
    assert_int_equal(card->ops->transmit(card, packet), ERR_OK);
    fake_return(rx, 999, 100);
    assert_int_equal(card->ops->poll(card, 64), 0);
    assert_int_equal(done_count, 1);
    assert_int_equal(fake.status, 0);
    expect_contained();

    open_card(ALL_FEATURES);
    assert_int_equal(card->ops->transmit(card, packet), ERR_OK);
    fake_return(tx, 77, 0);
    assert_int_equal(card->ops->poll(card, 64), 0);
    assert_int_equal(done_count, 1);
    expect_contained();

    open_card(ALL_FEATURES);
    struct fake_chain chain;
    assert_true(fake_take(rx, &chain));
    fake_return(rx, chain.head, BUFFER_BYTES + 1);
    assert_int_equal(card->ops->poll(card, 64), 0);
    expect_contained();

    open_card(ALL_FEATURES);
    fake.status |= VIRTIO_STATUS_NEEDS_RESET_BIT;
    virtio_config_interrupt(&fake.device);
    assert_int_equal(card->ops->poll(card, 64), 0);
    expect_contained();
    free(packet);
}

/* Buffers that the stack still holds when the card fails can be freed. */
static void test_free_after_failure(void **state)
{
    (void)state;
    open_card(ALL_FEATURES);
    for (unsigned i = 0; i < 200; i++) {
        deliver(100, (struct virtio_net_header){0});
    }
    assert_int_equal(card->ops->poll(card, 1000), 200);
    fake_return(rx, 999, 100);
    card->ops->poll(card, 64);
    assert_true(fake.device.broken);
    for (unsigned i = 0; i < 200; i++) {
        card->ops->receive_free(card, received[i]);
    }
    expect_contained();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_up),
        cmocka_unit_test(test_bad_config),
        cmocka_unit_test(test_failures_at_set_up),
        cmocka_unit_test(test_receive),
        cmocka_unit_test(test_receive_merged),
        cmocka_unit_test(test_receive_slow_merge),
        cmocka_unit_test(test_receive_bad_frames),
        cmocka_unit_test(test_receive_short_of_memory),
        cmocka_unit_test(test_receive_starving),
        cmocka_unit_test(test_pool_is_bounded),
        cmocka_unit_test(test_transmit),
        cmocka_unit_test(test_transmit_full),
        cmocka_unit_test(test_lying_card),
        cmocka_unit_test(test_free_after_failure),
    };
    return cmocka_run_group_tests_name("virtio_net", tests, NULL, NULL);
}
