#include "drivers/virtio_rng.h"

#include "kernel/base/string.h"
#include "kernel/mem.h"
#include "kernel/random.h"

#define REQUEST_QUEUE 0u
#define SEED_BYTES    64u
/* A host short of entropy may take its time; each answer gets this long. */
#define ANSWER_TIMEOUT_NS 1000000000ull

/* One request; the device may write less than was asked for, but not nothing (§5.4.6.1). */
static enum err request(struct virtqueue *queue, uint8_t *data, uint32_t *out_bytes)
{
    struct virtqueue_completion completion;

    if (!virtqueue_submit_writable(queue, data, SEED_BYTES, data)) {
        return ERR_IO;
    }
    virtqueue_kick(queue);
    if (!virtqueue_wait(queue, ANSWER_TIMEOUT_NS)) {
        return ERR_TIMEDOUT;
    }
    if (!virtqueue_pop(queue, &completion) || completion.length_bytes == 0) {
        return ERR_IO;
    }
    *out_bytes = completion.length_bytes;
    return ERR_OK;
}

static enum err seed(struct virtio_device *device, uint8_t *data)
{
    struct virtqueue queue;
    enum err error = virtio_negotiate(device, 0, 0);

    if (error == ERR_OK) {
        error = virtio_queue_create(device, REQUEST_QUEUE, 8, 0, &queue);
    }
    if (error != ERR_OK) {
        return error;
    }
    virtio_start(device);
    for (uint32_t total = 0; total < SEED_BYTES && error == ERR_OK;) {
        uint32_t bytes = 0;
        error = request(&queue, data, &bytes);
        if (error == ERR_OK) {
            random_seed(data, bytes);
            total += bytes;
        }
    }
    return error;
}

enum err virtio_rng_seed(struct virtio_device *device)
{
    uint8_t *data = heap_allocate_zeroed(1, SEED_BYTES);

    if (data == NULL) {
        return ERR_NOMEM;
    }
    enum err error = seed(device, data);
    memset(data, 0, SEED_BYTES);
    /* A device that does not even reset may still write there: then the block is lost. */
    if (virtio_reset(device)) {
        heap_free(data);
    }
    return error;
}
