/*
 * A virtio device as a test plays it: a transport without a bus, and the device's side of
 * the rings (virtio 1.2 §2.7), honest unless the test says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/virtio.h"

#define FAKE_QUEUES       8u
#define FAKE_CONFIG_BYTES 64u
#define FAKE_SEGMENTS_MAX 64u

struct fake_queue {
    struct virtq_desc *descriptors;
    struct virtq_available *available;
    struct virtq_used *used;
    uint16_t size;
    uint16_t seen;     /* next available entry to take */
    uint16_t returned; /* used index as published */
    unsigned kicks;
};

struct fake_virtio {
    struct virtio_device device; /* first */
    uint64_t offered;
    uint64_t accepted;
    uint8_t status;
    bool refuses_features;
    bool refuses_reset;
    uint32_t resets;
    uint32_t generation;
    bool generation_runs; /* changes at each read */
    uint8_t config[FAKE_CONFIG_BYTES];
    uint32_t size_max[FAKE_QUEUES];
    struct fake_queue queues[FAKE_QUEUES];
    void (*on_notify)(struct fake_virtio *fake, uint16_t queue);
};

struct fake_segment {
    uint8_t *data;
    uint32_t length_bytes;
    bool writable;
};

struct fake_chain {
    uint16_t head;
    unsigned count;
    bool indirect;
    struct fake_segment segments[FAKE_SEGMENTS_MAX];
};

void fake_virtio_init(struct fake_virtio *fake, uint32_t type, uint64_t offered,
                      uint32_t queue_size_max);

/* Takes the next chain; false when none is available. Fails the process on a bad chain. */
bool fake_take(struct fake_queue *queue, struct fake_chain *out);
/* The same for a device that lied before, and so may find chains that make no sense. */
bool fake_take_any(struct fake_queue *queue, struct fake_chain *out);
/* Returns a chain, visible at once. */
void fake_return(struct fake_queue *queue, uint32_t id, uint32_t length_bytes);
/* Whether an honest device would interrupt for the completions since `old` (used index). */
bool fake_wants_interrupt(const struct fake_virtio *fake, const struct fake_queue *queue,
                          uint16_t old);
/* Copies data over the writable segments of a chain; returns the bytes that fitted. */
uint32_t fake_fill(const struct fake_chain *chain, const void *data, uint32_t bytes);
/* Copies the readable segments of a chain out; returns their length. */
uint32_t fake_gather(const struct fake_chain *chain, void *data, uint32_t bytes_max);
