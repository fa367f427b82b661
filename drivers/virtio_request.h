/*
 * Requests that are answered before anything else happens: for drivers that keep one chain in
 * flight. Normal kernel context.
 */
#pragma once

#include "drivers/virtio.h"
#include "kernel/base/err.h"

struct virtio_segment {
    void *data;
    uint32_t length_bytes;
    bool is_writable; /* for the device; these come last */
};

/*
 * Submits the segments as one chain and waits, through kernel/wait.h, so that the network keeps
 * moving, until the device has answered. *written_bytes: how much it says it wrote.
 *
 * A device that stays silent for 30 seconds or breaks the rules is given up: marked broken and
 * reset, so that the memory is the caller's again in any case; ERR_IO then and for ever.
 */
enum err virtio_request(struct virtio_device *device, struct virtqueue *queue,
                        const struct virtio_segment *segments, uint16_t segment_count,
                        uint32_t *written_bytes) WARN_UNUSED;
