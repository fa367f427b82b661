/*
 * The receiving half of virtio_net: the pool of receive buffers, the receive ring, and
 * the assembly of frames from merged buffers (virtio 1.2 §5.1.6.3, §5.1.6.4).
 *
 *   page of the pool   [net_buffer|  data ...                           ]
 *   free list  --->  receive ring  --->  frame under assembly  --->  stack
 *       ^                                                              |
 *       +------------------------ receive_free -----------------------+
 *
 * The pool grows page by page up to a limit, and gives pages back when much lies idle.
 * When it cannot grow while the stack holds nearly everything, large frames are dropped,
 * so that acknowledgements still arrive, which is what frees memory. Private to the
 * driver; normal kernel context; only growing the pool allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/netdev.h"
#include "drivers/virtio.h"

/* virtio 1.2 §5.1.6; little-endian, as this machine. */
struct virtio_net_header {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t header_length;
    uint16_t gso_size;
    uint16_t checksum_start;
    uint16_t checksum_offset;
    uint16_t buffer_count;
};
_Static_assert(sizeof(struct virtio_net_header) == 12, "virtio 1.2 §5.1.6");

enum virtio_net_header_flag {
    VIRTIO_NET_NEEDS_CHECKSUM_BIT = 1,
    VIRTIO_NET_DATA_VALID_BIT = 2,
};

struct virtio_net_receiver {
    struct virtqueue queue;
    bool merges;          /* MRG_RXBUF: frames may span buffers */
    bool trusts_checksum; /* GUEST_CSUM */
    bool takes_large;     /* GUEST_TSO4 or GUEST_TSO6 */
    struct net_buffer *free_list;
    size_t free_count;
    size_t page_count; /* pages the pool has */
    size_t page_limit;
    bool starving;             /* the last refill could not fill a quarter of the ring */
    uint16_t refill_threshold; /* free ring entries that make a refill worth while */
    uint64_t dropped_count;
    /* The frame under assembly. */
    struct net_buffer *first;
    struct net_buffer *last;
    uint32_t parts_missing;
    bool discard; /* the frame is bad: collect its parts, then drop it */
};

/* After negotiation. Fills the ring as far as memory allows. */
enum err virtio_net_receiver_open(struct virtio_net_receiver *receiver,
                                  struct virtio_device *device) WARN_UNUSED;
/* Hands up to `budget` frames to netdev->receive. Returns their number. */
size_t virtio_net_receiver_poll(struct virtio_net_receiver *receiver, struct netdev *netdev,
                                size_t budget);
/* What the stack may hold while the ring stays full. */
size_t virtio_net_receiver_lendable_bytes(const struct virtio_net_receiver *receiver);
void virtio_net_receiver_free(struct virtio_net_receiver *receiver, struct net_buffer *chain);
/* Gives the device as many buffers as there are. */
void virtio_net_receiver_refill(struct virtio_net_receiver *receiver);
