/*
 * The split virtqueue: buffers go in by chain, completions come out (virtio 1.2 §2.7).
 *
 *        driver                         shared memory                    device
 *      submit         --- descriptors, available ring --->  reads, fills buffers
 *   pop               <------------ used ring ------------  id, bytes written
 *
 * The driver keeps its own copy of all that it must be able to trust (free list, chain
 * lengths, tokens), so that a device that scribbles over the rings, or reports ids and
 * lengths it should not, can only get itself marked broken.
 *
 * A queue's memory belongs to it and stays allocated until power-off. The memory of a
 * submitted chain belongs to the device until pop or drain returns its token. Normal
 * kernel context; no function allocates except the creation, none blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/mem.h"

struct virtio_device;

#define VIRTQUEUE_SIZE_MAX 1024u

/* What the transport tells the device. */
struct virtqueue_addresses {
    struct phys_addr descriptors;
    struct phys_addr available;
    struct phys_addr used;
};

/* virtio 1.2 §2.7.5 */
struct virtq_desc {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};
_Static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.2 §2.7.5");

/* virtio 1.2 §2.7.6; a used_event word follows the ring. */
struct virtq_available {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[];
};

/* virtio 1.2 §2.7.8; an avail_event word follows the ring. */
struct virtq_used_element {
    uint32_t id;
    uint32_t length;
};
struct virtq_used {
    uint16_t flags;
    uint16_t index;
    struct virtq_used_element ring[];
};

/* The driver's private half of a descriptor. */
struct virtqueue_slot {
    void *token;             /* heads of chains in flight */
    uint32_t writable_bytes; /* heads: what the device may write in all */
    uint16_t next;           /* free list, or rest of the chain */
    uint16_t count;          /* heads in flight: descriptors used; otherwise 0 */
    uint16_t last;           /* heads in flight: the last of them */
};

struct virtqueue {
    struct virtio_device *device;
    const bool *broken; /* the device's */
    struct virtq_desc *descriptors;
    struct virtq_available *available;
    struct virtq_used *used;
    uint16_t *used_event;  /* in the available ring, read by the device */
    uint16_t *avail_event; /* in the used ring, written by the device */
    struct virtqueue_slot *slots;
    struct virtq_desc *indirect; /* size * indirect_segments, or NULL */
    uint16_t index;
    uint16_t size;
    uint16_t mask;
    uint16_t indirect_segments;
    bool event_index;
    uint16_t free_head;
    uint16_t free_count;
    uint16_t available_index; /* next to publish */
    uint16_t kicked_index;    /* available_index at the last kick */
    uint16_t used_index;      /* next to pop */
};

struct virtqueue_completion {
    void *token;
    uint32_t length_bytes; /* written by the device; never above what the chain allows */
};

/* Allocates the rings; `size` is a power of two. Called by virtio_queue_create. */
enum err virtqueue_create(struct virtqueue *queue, struct virtio_device *device, uint16_t index,
                          uint16_t size, uint16_t indirect_segments) WARN_UNUSED;
struct virtqueue_addresses virtqueue_addresses(const struct virtqueue *queue);

/*
 * Submits a chain of one segment; false when there is no room. Longer chains are built
 * with virtqueue_chain.h. The token, not NULL, comes back from pop. Submitted chains
 * reach the device with the next kick at the latest.
 */
bool virtqueue_submit_readable(struct virtqueue *queue, const void *data, uint32_t length_bytes,
                               void *token);
bool virtqueue_submit_writable(struct virtqueue *queue, void *data, uint32_t length_bytes,
                               void *token);

/* Tells the device about submitted chains, unless it said that it need not know. */
void virtqueue_kick(struct virtqueue *queue);

/* Takes one completion; false when there is none (or the device is broken). */
bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_completion *out);
bool virtqueue_has_completion(const struct virtqueue *queue);

/* Spins until there is a completion, at most timeout_ns; for boot, without interrupts. */
bool virtqueue_wait(const struct virtqueue *queue, uint64_t timeout_ns);

/* Asks for an interrupt at the next completion; true if one is there already. */
bool virtqueue_arm(struct virtqueue *queue);
/* Asks for no interrupts (a hint to the device). */
void virtqueue_disarm(struct virtqueue *queue);

/*
 * After a reset of the device: hands back one by one the tokens it still held; NULL
 * when none is left. The queue is unusable from the first call on.
 */
void *virtqueue_drain(struct virtqueue *queue);
