#include "drivers/virtio_request.h"

#include "drivers/virtqueue_chain.h"
#include "kernel/clock.h"
#include "kernel/wait.h"

#define TIMEOUT_NS 30000000000ull
/* The longest sleep between looks at a device whose interrupt may have been lost. */
#define SLEEP_NS 100000000ull

static enum err wait_for_answer(struct virtio_device *device, struct virtqueue *queue,
                                uint32_t *written_bytes)
{
    uint64_t deadline_ns = clock_monotonic_ns() + TIMEOUT_NS;
    struct virtqueue_completion completion;

    while (!virtqueue_arm(queue)) {
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= deadline_ns) {
            virtio_mark_broken(device, "it did not answer a request for 30 seconds");
            break;
        }
        wait_for_device(now_ns + SLEEP_NS);
    }
    virtqueue_disarm(queue);
    if (device->broken || !virtqueue_pop(queue, &completion)) {
        /* Whatever it still holds belongs to the caller again only after the reset. */
        virtio_reset(device);
        return ERR_IO;
    }
    *written_bytes = completion.length_bytes;
    return ERR_OK;
}

enum err virtio_request(struct virtio_device *device, struct virtqueue *queue,
                        const struct virtio_segment *segments, uint16_t segment_count,
                        uint32_t *written_bytes)
{
    struct virtqueue_chain chain;
    enum err error = virtqueue_begin(queue, segment_count, &chain);

    if (error != ERR_OK) {
        return error;
    }
    for (uint16_t i = 0; i < segment_count; i++) {
        const struct virtio_segment *segment = &segments[i];
        virtqueue_add(&chain, segment->data, segment->length_bytes,
                      segment->is_writable ? VIRTQ_DESC_NEXT_BIT | VIRTQ_DESC_WRITE_BIT
                                           : VIRTQ_DESC_NEXT_BIT);
        chain.writable_bytes += segment->is_writable ? segment->length_bytes : 0;
    }
    virtqueue_submit(&chain, device);
    virtqueue_kick(queue);
    return wait_for_answer(device, queue, written_bytes);
}
