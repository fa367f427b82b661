/*
 * Chains of several segments for a virtqueue: begin, add each segment, submit.
 *
 * Inline, because every packet passes here: the chain under construction then lives in
 * registers. One chain at a time on a queue. Normal kernel context.
 */
#pragma once

#include "drivers/virtqueue.h"
#include "kernel/base/inline.h"

/* virtio 1.2 §2.7.5 */
enum virtq_desc_flag {
    VIRTQ_DESC_NEXT_BIT = 1,
    VIRTQ_DESC_WRITE_BIT = 2,
    VIRTQ_DESC_INDIRECT_BIT = 4,
};

/* An indirect table costs the device a second look-up, so short chains stay in the ring. */
#define VIRTQUEUE_DIRECT_SEGMENTS_MAX 4u

/* What lies between the direct map and the next area; see kernel/x86/paging.h. */
#define VIRTQUEUE_DIRECT_MAP_BYTES (16ull << 40)

/* Private to the functions below. */
struct virtqueue_chain {
    struct virtqueue *queue;
    struct virtq_desc *table; /* the ring's descriptors, or an indirect table */
    bool indirect;
    uint16_t head;
    uint16_t at;   /* the entry of the table to fill next */
    uint16_t last; /* the entry filled last */
    uint16_t count;
    uint32_t writable_bytes;
};

static inline bool virtqueue_wants_indirect(const struct virtqueue *queue, uint16_t segment_count)
{
    if (segment_count < 2 || segment_count > queue->indirect_segments) {
        return false;
    }
    return segment_count > VIRTQUEUE_DIRECT_SEGMENTS_MAX || queue->free_count < queue->size / 2;
}

/*
 * Starts a chain of exactly `segment_count` segments: ERR_AGAIN when the queue has no
 * room, ERR_INVAL for a chain that never fits, ERR_IO on a broken device. Then add each
 * segment, those the device reads first, and submit.
 */
WARN_UNUSED static inline enum err virtqueue_begin(struct virtqueue *queue, uint16_t segment_count,
                                                   struct virtqueue_chain *out)
{
    bool indirect = virtqueue_wants_indirect(queue, segment_count);
    uint16_t needed = indirect ? 1 : segment_count;

    if (*queue->broken) {
        return ERR_IO;
    }
    if (needed > queue->free_count || needed == 0) {
        return needed == 0 || needed > queue->size ? ERR_INVAL : ERR_AGAIN;
    }
    out->queue = queue;
    out->indirect = indirect;
    out->head = queue->free_head;
    out->count = 0;
    out->writable_bytes = 0;
    if (indirect) {
        out->table = queue->indirect + (size_t)out->head * queue->indirect_segments;
        out->at = 0;
    } else {
        out->table = queue->descriptors;
        out->at = out->head;
    }
    return ERR_OK;
}

/*
 * The same for up to VIRTQUEUE_DIRECT_SEGMENTS_MAX segments in a queue that is half empty or more:
 * the compiler sees that no table is needed. False: use virtqueue_begin.
 */
static inline bool virtqueue_begin_roomy(struct virtqueue *queue, struct virtqueue_chain *out)
{
    if (queue->free_count < queue->size / 2 || queue->size < 2 * VIRTQUEUE_DIRECT_SEGMENTS_MAX ||
        *queue->broken) {
        return false;
    }
    *out = (struct virtqueue_chain){
        .queue = queue,
        .table = queue->descriptors,
        .head = queue->free_head,
        .at = queue->free_head,
    };
    return true;
}

/* Of memory in the kernel image. */
RARE_CALL uint64_t virtqueue_image_address(const void *data);
static inline uint64_t virtqueue_bus_address(const void *data)
{
    uint64_t offset = (uintptr_t)data - DIRECT_MAP_BASE;

    return offset < VIRTQUEUE_DIRECT_MAP_BYTES ? offset : virtqueue_image_address(data);
}

/* Each entry is linked to the one that would follow; submit ends the chain. */
static inline void virtqueue_add(struct virtqueue_chain *chain, const void *data,
                                 uint32_t length_bytes, uint16_t flags)
{
    struct virtq_desc *entry = &chain->table[chain->at];

    chain->last = chain->at;
    chain->at = chain->indirect ? (uint16_t)(chain->at + 1) : chain->queue->slots[chain->at].next;
    chain->count++;
    *entry = (struct virtq_desc){
        .address = virtqueue_bus_address(data),
        .length = length_bytes,
        .flags = flags,
        .next = chain->at,
    };
}

static inline void virtqueue_add_readable(struct virtqueue_chain *chain, const void *data,
                                          uint32_t length_bytes)
{
    virtqueue_add(chain, data, length_bytes, VIRTQ_DESC_NEXT_BIT);
}

static inline void virtqueue_add_writable(struct virtqueue_chain *chain, void *data,
                                          uint32_t length_bytes)
{
    virtqueue_add(chain, data, length_bytes, VIRTQ_DESC_NEXT_BIT | VIRTQ_DESC_WRITE_BIT);
    chain->writable_bytes += length_bytes;
}

/* The token, not NULL, comes back from pop. */
static inline void virtqueue_submit(const struct virtqueue_chain *chain, void *token)
{
    struct virtqueue *queue = chain->queue;
    uint16_t head = chain->head;
    struct virtqueue_slot *slot = &queue->slots[head];
    struct virtq_desc *last = &chain->table[chain->last];

    last->flags = (uint16_t)(last->flags & ~VIRTQ_DESC_NEXT_BIT);
    if (chain->indirect) {
        /* virtio 1.2 §2.7.5.3: the one descriptor of the ring refers to the table. */
        queue->descriptors[head] = (struct virtq_desc){
            .address = virtqueue_bus_address(chain->table),
            .length = chain->count * (uint32_t)sizeof(struct virtq_desc),
            .flags = VIRTQ_DESC_INDIRECT_BIT,
        };
        queue->free_head = slot->next;
        slot->count = 1;
        slot->last = head;
    } else {
        queue->free_head = chain->at;
        slot->count = chain->count;
        slot->last = chain->last;
    }
    queue->free_count = (uint16_t)(queue->free_count - slot->count);
    slot->token = token;
    slot->writable_bytes = chain->writable_bytes;
    queue->available->ring[queue->available_index & queue->mask] = head;
    queue->available_index++;
    /*
     * Publishes descriptors and ring entry (virtio 1.2 §2.7.13.3). Pairs with the
     * device's read of the index.
     */
    __atomic_store_n(&queue->available->index, queue->available_index, __ATOMIC_RELEASE);
}
