#include "drivers/virtio_net_receive.h"

#include "drivers/virtio_net_features.h"
#include "kernel/base/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"

#define RECEIVE_QUEUE      0u
#define RECEIVE_QUEUE_SIZE 256u
/* On machines with less RAM than this, half the buffers. */
#define SMALL_RAM_PAGES          16384u
#define RECEIVE_QUEUE_SIZE_SMALL 128u

/*
 * One buffer a page: a coalesced frame of 64 KiB takes 17. With half pages it took 34, and
 * echoing a stream over TCP cost 800 instructions a KiB, not 680.
 */
#define BUFFER_BYTES      PAGE_BYTES
#define BUFFER_HEAD_BYTES 64u
#define BUFFER_DATA_BYTES (BUFFER_BYTES - BUFFER_HEAD_BYTES)
_Static_assert(sizeof(struct net_buffer) <= BUFFER_HEAD_BYTES, "the head holds a net_buffer");

/* 64 KiB and an Ethernet header, VLAN tag included: what a coalesced frame may have. */
#define FRAME_BYTES_MAX (65536u + 18u)
#define FRAME_BYTES_MIN 14u

/* Of RAM, besides what fills the rings. The stack copies data when it holds nearly all. */
#define POOL_RAM_FRACTION 4u
/* Idle buffers, in rings full of them, that are kept for the next burst. */
#define POOL_IDLE_RINGS 2u
/* Frames up to this size still pass when buffers are short. */
#define SMALL_FRAME_BYTES 256u

#define GSO_ECN_BIT 0x80u

static uint8_t *buffer_memory(struct net_buffer *buffer)
{
    return (uint8_t *)buffer + BUFFER_HEAD_BYTES;
}

static void buffer_release(struct virtio_net_receiver *receiver, struct net_buffer *buffer)
{
    if (receiver->free_count >= (size_t)receiver->queue.size * POOL_IDLE_RINGS) {
        receiver->page_count--;
        pages_free(virt_to_phys(buffer), 1);
        return;
    }
    buffer->next_part = receiver->free_list;
    receiver->free_list = buffer;
    receiver->free_count++;
}

static bool pool_grow(struct virtio_net_receiver *receiver)
{
    struct phys_addr page;

    if (receiver->page_count >= receiver->page_limit || pages_allocate(1, &page) != ERR_OK) {
        return false;
    }
    receiver->page_count++;
    struct net_buffer *buffer = phys_to_virt(page);
    *buffer = (struct net_buffer){.capacity_bytes = BUFFER_BYTES, .owner = receiver};
    buffer_release(receiver, buffer);
    return true;
}

void virtio_net_receiver_refill(struct virtio_net_receiver *receiver)
{
    while (receiver->queue.free_count > 0) {
        if (receiver->free_list == NULL && !pool_grow(receiver)) {
            break;
        }
        struct net_buffer *buffer = receiver->free_list;
        if (!virtqueue_submit_writable(&receiver->queue, buffer_memory(buffer), BUFFER_DATA_BYTES,
                                       buffer)) {
            break;
        }
        receiver->free_list = buffer->next_part;
        receiver->free_count--;
    }
    receiver->starving =
        receiver->queue.size - receiver->queue.free_count < receiver->queue.size / 4;
    virtqueue_kick(&receiver->queue);
}

enum err virtio_net_receiver_open(struct virtio_net_receiver *receiver,
                                  struct virtio_device *device)
{
    *receiver = (struct virtio_net_receiver){
        .merges = virtio_has(device, VIRTIO_NET_F_MRG_RXBUF),
        .trusts_checksum = virtio_has(device, VIRTIO_NET_F_GUEST_CSUM),
        .takes_large = virtio_has(device, VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6),
    };
    uint16_t size =
        pages_total_count() < SMALL_RAM_PAGES ? RECEIVE_QUEUE_SIZE_SMALL : RECEIVE_QUEUE_SIZE;
    enum err error = virtio_queue_create(device, RECEIVE_QUEUE, size, 0, &receiver->queue);
    if (error != ERR_OK) {
        return error;
    }
    receiver->page_limit =
        pages_total_count() / POOL_RAM_FRACTION + (size_t)receiver->queue.size * POOL_IDLE_RINGS;
    receiver->refill_threshold = (uint16_t)((receiver->queue.size + 15u) / 16u);
    return ERR_OK;
}

size_t virtio_net_receiver_lendable_bytes(const struct virtio_net_receiver *receiver)
{
    size_t ring = receiver->queue.size;
    size_t lendable = receiver->page_limit > ring ? receiver->page_limit - ring : 1;

    return lendable * BUFFER_BYTES;
}

void virtio_net_receiver_free(struct virtio_net_receiver *receiver, struct net_buffer *chain)
{
    while (chain != NULL) {
        struct net_buffer *next = chain->next_part;
        buffer_release(receiver, chain);
        chain = next;
    }
    /*
     * The stack may have held nearly all buffers; the ring must not wait for the next
     * poll, which an interrupt for a received frame would have to cause.
     */
    if (receiver->queue.free_count > receiver->queue.size / 2) {
        virtio_net_receiver_refill(receiver);
    }
}

static bool gso_read(const struct virtio_net_receiver *receiver,
                     const struct virtio_net_header *header, struct net_buffer *first)
{
    uint8_t type = (uint8_t)(header->gso_type & ~GSO_ECN_BIT);

    first->gso = type;
    first->gso_size_bytes = type != NET_GSO_NONE ? header->gso_size : 0;
    if (type == NET_GSO_NONE) {
        return true;
    }
    return receiver->takes_large && (type == NET_GSO_TCP4 || type == NET_GSO_TCP6) &&
           header->gso_size != 0;
}

/*
 * The first buffer of a frame: takes the header off. A partial checksum (NEEDS_CSUM) was
 * computed by a sender on the same host and never crossed a wire; it counts as valid
 * (virtio 1.2 §5.1.6.4.2).
 */
static void frame_begin(struct virtio_net_receiver *receiver, struct net_buffer *buffer,
                        uint32_t length)
{
    struct virtio_net_header header = {0};
    bool good = length >= sizeof(header);

    if (good) {
        __builtin_memcpy(&header, buffer_memory(buffer), sizeof(header));
        buffer->data = buffer_memory(buffer) + sizeof(header);
        buffer->length_bytes = length - (uint32_t)sizeof(header);
        good = gso_read(receiver, &header, buffer);
    } else {
        buffer->data = buffer_memory(buffer);
        buffer->length_bytes = 0;
    }
    buffer->total_bytes = buffer->length_bytes;
    buffer->checksum_valid =
        receiver->trusts_checksum &&
        (header.flags & (VIRTIO_NET_NEEDS_CHECKSUM_BIT | VIRTIO_NET_DATA_VALID_BIT)) != 0;
    receiver->first = buffer;
    receiver->discard = !good;
    receiver->parts_missing = 0;
    if (good && receiver->merges) {
        if (header.buffer_count == 0 || header.buffer_count > receiver->queue.size) {
            receiver->discard = true;
        } else {
            receiver->parts_missing = header.buffer_count - 1u;
        }
    }
}

static void frame_continue(struct virtio_net_receiver *receiver, struct net_buffer *buffer,
                           uint32_t length)
{
    buffer->data = buffer_memory(buffer);
    buffer->length_bytes = length;
    receiver->last->next_part = buffer;
    receiver->first->total_bytes += length;
    receiver->parts_missing--;
    if (length == 0) {
        receiver->discard = true;
    }
}

static bool frame_is_good(const struct virtio_net_receiver *receiver)
{
    const struct net_buffer *first = receiver->first;

    if (receiver->discard || first->total_bytes < FRAME_BYTES_MIN ||
        first->total_bytes > FRAME_BYTES_MAX) {
        return false;
    }
    if (receiver->starving && first->total_bytes > SMALL_FRAME_BYTES) {
        return false;
    }
    return first->next_part == NULL || first->length_bytes >= NET_FIRST_PART_BYTES;
}

/* Returns whether a frame went to the stack. */
static bool frame_finish(struct virtio_net_receiver *receiver, struct netdev *netdev)
{
    struct net_buffer *first = receiver->first;
    bool good = frame_is_good(receiver) && netdev->receive != NULL;

    receiver->first = NULL;
    receiver->last = NULL;
    if (!good) {
        receiver->dropped_count++;
        virtio_net_receiver_free(receiver, first);
        return false;
    }
    netdev->receive(netdev->stack, first);
    return true;
}

size_t virtio_net_receiver_poll(struct virtio_net_receiver *receiver, struct netdev *netdev,
                                size_t budget)
{
    struct virtqueue_completion completion;
    size_t frames = 0;

    while (frames < budget && virtqueue_pop(&receiver->queue, &completion)) {
        struct net_buffer *buffer = completion.token;
        buffer->next_part = NULL;
        buffer->next_packet = NULL;
        if (receiver->first == NULL) {
            frame_begin(receiver, buffer, completion.length_bytes);
        } else {
            frame_continue(receiver, buffer, completion.length_bytes);
        }
        receiver->last = buffer;
        if (receiver->parts_missing == 0 && frame_finish(receiver, netdev)) {
            frames++;
        }
    }
    if (receiver->queue.free_count >= receiver->refill_threshold) {
        virtio_net_receiver_refill(receiver);
    }
    return frames;
}
