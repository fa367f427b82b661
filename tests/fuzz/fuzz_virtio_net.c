/*
 * A network card that does as the fuzzer says: it returns chains it holds or invents, with
 * any length and header, scribbles over descriptors and rings, asks for resets, while a
 * stack sends, polls, keeps and frees. Whatever it does, the driver must stay within its
 * memory, hand up only sane frames, and complete every packet exactly once after failure.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio_net.h"
#include "drivers/virtio_net_features.h"
#include "drivers/virtio_net_receive.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_virtio.h"

#define PACKETS 64u
#define HELD    256u

static struct fake_virtio fake;
static struct netdev *card;
static struct net_packet packets[PACKETS];
static uint8_t payload[NET_FRAGMENTS_MAX][64];
static struct net_buffer *held[HELD];
static size_t held_count;

static void check(int condition)
{
    if (!condition) {
        abort();
    }
}

static void on_done(struct net_packet *packet)
{
    check(packet->owner != NULL);
    packet->owner = NULL;
}

static void on_receive(void *stack, struct net_buffer *chain)
{
    uint32_t total = 0;
    unsigned sum = 0;

    (void)stack;
    for (const struct net_buffer *part = chain; part != NULL; part = part->next_part) {
        check(part->length_bytes != 0 && part->length_bytes <= 4032);
        total += part->length_bytes;
        sum += part->data[0];
        sum += part->data[part->length_bytes - 1];
    }
    check(total == chain->total_bytes && total >= 14 && total <= 65536 + 18);
    check(chain->next_part == NULL || chain->length_bytes >= NET_FIRST_PART_BYTES);
    check(sum < 1000000);
    if (held_count < HELD) {
        held[held_count++] = chain;
    } else {
        card->ops->receive_free(card, chain);
    }
}

static void card_returns(struct fuzz_input *input, struct fake_queue *queue)
{
    struct fake_chain chain;
    uint32_t how = fuzz_take(input, 1);

    if (queue->size == 0) {
        return;
    }
    if (how < 16) {
        fake_return(queue, fuzz_take(input, how % 3), fuzz_take(input, 2));
    } else if (fake.device.broken || !fake_take_any(queue, &chain)) {
        return;
    } else if (chain.segments[0].writable) {
        struct virtio_net_header header = {
            .flags = (uint8_t)how,
            .gso_type = how < 64 ? (uint8_t)fuzz_take(input, 1) : 0,
            .gso_size = 1448,
            .buffer_count = how < 128 ? (uint16_t)fuzz_take(input, 1) : 1,
        };
        memset(chain.segments[0].data, (int)how, chain.segments[0].length_bytes);
        memcpy(chain.segments[0].data, &header, sizeof(header));
        fake_return(queue, chain.head, fuzz_take(input, 2) % 4050);
    } else {
        fake_return(queue, chain.head, 0);
    }
}

static void scribble(struct fuzz_input *input, struct fake_queue *queue)
{
    uint32_t what = fuzz_take(input, 1);

    if (queue->size == 0) {
        return;
    }
    if (what < 128) {
        uint8_t *bytes = (uint8_t *)queue->descriptors;
        bytes[fuzz_take(input, 2) % (queue->size * 16u)] = (uint8_t)what;
    } else {
        queue->used->index = (uint16_t)fuzz_take(input, 2);
        queue->returned = queue->used->index;
    }
    /* The fake's own walk would trip over this, the driver must not. */
    queue->seen = queue->available->index;
}

static void stack_sends(struct fuzz_input *input)
{
    for (unsigned i = 0; i < PACKETS; i++) {
        struct net_packet *packet = &packets[i];
        if (packet->owner == NULL) {
            packet->owner = &fake;
            packet->done = on_done;
            packet->header_start = NET_DRIVER_HEADROOM;
            packet->header_length_bytes = (uint16_t)(14 + fuzz_take(input, 1) % 100);
            packet->fragment_count = (uint8_t)(fuzz_take(input, 1) % (NET_FRAGMENTS_MAX + 1));
            for (unsigned f = 0; f < packet->fragment_count; f++) {
                packet->fragments[f] = (struct net_fragment){payload[f], sizeof(payload[f])};
            }
            if (card->ops->transmit(card, packet) != ERR_OK) {
                packet->owner = NULL;
            }
            return;
        }
    }
}

static void step(struct fuzz_input *input)
{
    switch (fuzz_take(input, 1) % 10) {
    case 0:
    case 1:
        card_returns(input, &fake.queues[0]);
        break;
    case 2:
        card_returns(input, &fake.queues[1]);
        break;
    case 3:
        scribble(input, &fake.queues[fuzz_take(input, 1) % 2]);
        break;
    case 4:
    case 5:
        stack_sends(input);
        break;
    case 6:
        card->ops->flush(card);
        break;
    case 7:
        check(card->ops->poll(card, 1 + fuzz_take(input, 1)) <= 256);
        break;
    case 8:
        if (held_count > 0) {
            card->ops->receive_free(card, held[--held_count]);
        }
        break;
    default:
        card->ops->arm(card);
        if (fuzz_take(input, 1) == 0) {
            fake.status |= VIRTIO_STATUS_NEEDS_RESET_BIT;
            virtio_config_interrupt(&fake.device);
        }
    }
}

static void finish(void)
{
    virtio_mark_broken(&fake.device, "the test is over");
    card->ops->poll(card, 1);
    for (unsigned i = 0; i < PACKETS; i++) {
        check(packets[i].owner == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};

    fake_machine_reset();
    held_count = 0;
    fake_virtio_init(&fake, VIRTIO_TYPE_NETWORK, 0, 16);
    fake.offered |= fuzz_take(&input, 4);
    fake.refuses_reset = fuzz_take(&input, 1) == 1;
    fake_machine.pages_limit = 40 + fuzz_take(&input, 1);
    for (unsigned i = 0; i < FAKE_CONFIG_BYTES; i++) {
        fake.config[i] = (uint8_t)(i * 5 + size);
    }
    if (virtio_net_open(&fake.device, &card) != ERR_OK) {
        return 0;
    }
    card->receive = on_receive;
    while (input.bytes > 0) {
        step(&input);
    }
    finish();
    return 0;
}
