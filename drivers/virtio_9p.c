#include "drivers/virtio_9p.h"

#include "drivers/virtio_request.h"
#include "kernel/base/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"

#define REQUEST_QUEUE      0u
#define REQUEST_QUEUE_SIZE 4u

#define VIRTIO_9P_MOUNT_TAG (1ull << 0)

/* Configuration: the tag's length, then the tag without a NUL. */
#define CONFIG_TAG_BYTES 0u
#define CONFIG_TAG       2u

struct virtio_9p {
    struct p9_channel channel;
    struct virtio_device *device;
    struct virtqueue queue;
    bool busy;
};

static enum err exchange(struct p9_channel *channel, const void *request, uint32_t request_bytes,
                         void *reply, uint32_t reply_bytes_max, uint32_t *reply_bytes)
{
    struct virtio_9p *self = channel->driver;
    /* The device only reads the request; the descriptor says so. */
    const struct virtio_segment segments[] = {
        {(void *)(uintptr_t)request, request_bytes, false},
        {reply, reply_bytes_max, true},
    };

    if (self->busy) {
        return ERR_BUSY;
    }
    self->busy = true;
    enum err error = virtio_request(self->device, &self->queue, segments, 2, reply_bytes);
    self->busy = false;
    return error;
}

/* A tag is a word of the command line, so it must be one. */
static enum err tag_read(struct virtio_9p *self)
{
    uint16_t tag_bytes = 0;

    virtio_config_read(self->device, CONFIG_TAG_BYTES, &tag_bytes, sizeof(tag_bytes));
    if (tag_bytes == 0 || tag_bytes > P9_TAG_BYTES_MAX) {
        return ERR_INVAL;
    }
    /* Byte by byte: configuration registers are read in the width of their fields. */
    for (uint16_t i = 0; i < tag_bytes; i++) {
        char *at = &self->channel.tag[i];
        virtio_config_read(self->device, CONFIG_TAG + i, at, 1);
        if (*at <= ' ' || *at > '~') {
            return ERR_INVAL;
        }
    }
    return ERR_OK;
}

static enum err start(struct virtio_9p *self)
{
    enum err error = virtio_negotiate(self->device, VIRTIO_9P_MOUNT_TAG, VIRTIO_9P_MOUNT_TAG);

    if (error == ERR_OK) {
        error =
            virtio_queue_create(self->device, REQUEST_QUEUE, REQUEST_QUEUE_SIZE, 0, &self->queue);
    }
    if (error == ERR_OK && self->queue.size < 2) {
        error = ERR_NOTSUP;
    }
    if (error == ERR_OK) {
        error = tag_read(self);
    }
    if (error != ERR_OK) {
        return error;
    }
    self->channel.exchange = exchange;
    self->channel.driver = self;
    virtio_start(self->device);
    return ERR_OK;
}

enum err virtio_9p_open(struct virtio_device *device, struct p9_channel **out)
{
    struct virtio_9p *self = heap_allocate_zeroed(1, sizeof(*self));

    if (self == NULL) {
        return ERR_NOMEM;
    }
    self->device = device;
    enum err error = start(self);
    if (error != ERR_OK) {
        virtio_fail(device, error == ERR_NOMEM   ? "out of memory"
                            : error == ERR_INVAL ? "its mount tag is not a word"
                                                 : "its set-up failed");
        heap_free(self);
        return error;
    }
    log_info("9p", "%s offers \"%s\"", device->name, self->channel.tag);
    *out = &self->channel;
    return ERR_OK;
}
