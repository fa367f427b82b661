#include "tests/unit/fake_virtio.h"

#include <stdlib.h>
#include <string.h>

static struct fake_virtio *of(struct virtio_device *device)
{
    return (struct fake_virtio *)(void *)device;
}

static uint64_t read_features(struct virtio_device *device)
{
    return of(device)->offered;
}

static void write_features(struct virtio_device *device, uint64_t features)
{
    of(device)->accepted = features;
}

static uint8_t read_status(struct virtio_device *device)
{
    return of(device)->status;
}

static void write_status(struct virtio_device *device, uint8_t status)
{
    struct fake_virtio *fake = of(device);

    if (status == 0) {
        fake->resets++;
        if (fake->refuses_reset) {
            return;
        }
        memset(fake->queues, 0, sizeof(fake->queues));
    }
    if (fake->refuses_features) {
        status = (uint8_t)(status & ~VIRTIO_STATUS_FEATURES_OK_BIT);
    }
    fake->status = status;
}

static uint32_t config_generation(struct virtio_device *device)
{
    struct fake_virtio *fake = of(device);

    return fake->generation_runs ? fake->generation++ : fake->generation;
}

static void config_read(struct virtio_device *device, uint32_t offset, void *data, uint32_t bytes)
{
    memset(data, 0, bytes);
    if (offset + bytes <= FAKE_CONFIG_BYTES) {
        memcpy(data, of(device)->config + offset, bytes);
    }
}

static void config_write(struct virtio_device *device, uint32_t offset, const void *data,
                         uint32_t bytes)
{
    if (offset + bytes <= FAKE_CONFIG_BYTES) {
        memcpy(of(device)->config + offset, data, bytes);
    }
}

static uint32_t queue_size_max(struct virtio_device *device, uint16_t queue)
{
    return queue < FAKE_QUEUES ? of(device)->size_max[queue] : 0;
}

static enum err queue_enable(struct virtio_device *device, uint16_t queue, uint16_t size,
                             const struct virtqueue_addresses *addresses)
{
    of(device)->queues[queue] = (struct fake_queue){
        .descriptors = phys_to_virt(addresses->descriptors),
        .available = phys_to_virt(addresses->available),
        .used = phys_to_virt(addresses->used),
        .size = size,
    };
    return ERR_OK;
}

static void notify(struct virtio_device *device, uint16_t queue)
{
    struct fake_virtio *fake = of(device);

    fake->queues[queue].kicks++;
    if (fake->on_notify != NULL) {
        fake->on_notify(fake, queue);
    }
}

static const struct virtio_transport fake_transport = {
    .read_features = read_features,
    .write_features = write_features,
    .read_status = read_status,
    .write_status = write_status,
    .config_generation = config_generation,
    .config_read = config_read,
    .config_write = config_write,
    .queue_size_max = queue_size_max,
    .queue_enable = queue_enable,
    .notify = notify,
};

void fake_virtio_init(struct fake_virtio *fake, uint32_t type, uint64_t offered,
                      uint32_t queue_size_max_)
{
    memset(fake, 0, sizeof(*fake));
    fake->device.transport = &fake_transport;
    fake->device.type = type;
    fake->device.has_interrupt = true;
    strcpy(fake->device.name, "fake");
    fake->offered = offered | VIRTIO_F_VERSION_1;
    for (unsigned i = 0; i < FAKE_QUEUES; i++) {
        fake->size_max[i] = queue_size_max_;
    }
}

static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Walks the chain at `head`; false when it breaks the rules. */
static bool walk(const struct fake_queue *queue, uint16_t head, struct fake_chain *out)
{
    const struct virtq_desc *table = queue->descriptors;
    uint32_t table_size = queue->size;
    uint32_t at = head;

    *out = (struct fake_chain){.head = head};
    if (head >= queue->size) {
        return false;
    }
    if ((table[at].flags & 4) != 0) {
        if (table[at].flags != 4 || table[at].length % 16 != 0 || table[at].length == 0) {
            return false;
        }
        table_size = table[at].length / 16;
        table = phys_to_virt((struct phys_addr){table[at].address});
        at = 0;
        out->indirect = true;
    }
    for (;;) {
        if (at >= table_size || out->count == FAKE_SEGMENTS_MAX || table[at].length == 0) {
            return false;
        }
        struct fake_segment *segment = &out->segments[out->count++];
        segment->data = phys_to_virt((struct phys_addr){table[at].address});
        segment->length_bytes = table[at].length;
        segment->writable = (table[at].flags & 2) != 0;
        if ((table[at].flags & 1) == 0) {
            return true;
        }
        at = table[at].next;
    }
}

bool fake_take_any(struct fake_queue *queue, struct fake_chain *out)
{
    if (queue->size == 0) {
        return false;
    }
    if (queue->seen == queue->available->index) {
        /* Out of work: asks to be notified of the next chain (avail_event). */
        memcpy(&queue->used->ring[queue->size], &queue->seen, sizeof(queue->seen));
        return false;
    }
    return walk(queue, queue->available->ring[queue->seen++ % queue->size], out);
}

bool fake_take(struct fake_queue *queue, struct fake_chain *out)
{
    bool waiting = queue->size != 0 && queue->seen != queue->available->index;
    bool good = fake_take_any(queue, out);

    check(good == waiting);
    check(!good || (uint16_t)(queue->available->index - queue->seen) < queue->size);
    return good;
}

void fake_return(struct fake_queue *queue, uint32_t id, uint32_t length_bytes)
{
    struct virtq_used_element *element = &queue->used->ring[queue->returned % queue->size];

    element->id = id;
    element->length = length_bytes;
    queue->returned++;
    __atomic_store_n(&queue->used->index, queue->returned, __ATOMIC_RELEASE);
}

bool fake_wants_interrupt(const struct fake_virtio *fake, const struct fake_queue *queue,
                          uint16_t old)
{
    if ((fake->accepted & VIRTIO_F_EVENT_IDX) != 0) {
        uint16_t event = queue->available->ring[queue->size];
        return (uint16_t)(queue->returned - event - 1) < (uint16_t)(queue->returned - old);
    }
    return queue->returned != old && (queue->available->flags & 1) == 0;
}

uint32_t fake_fill(const struct fake_chain *chain, const void *data, uint32_t bytes)
{
    const uint8_t *from = data;
    uint32_t done = 0;

    for (unsigned i = 0; i < chain->count && done < bytes; i++) {
        const struct fake_segment *segment = &chain->segments[i];
        uint32_t part = bytes - done;
        if (!segment->writable) {
            continue;
        }
        if (part > segment->length_bytes) {
            part = segment->length_bytes;
        }
        memcpy(segment->data, from + done, part);
        done += part;
    }
    return done;
}

uint32_t fake_gather(const struct fake_chain *chain, void *data, uint32_t bytes_max)
{
    uint8_t *to = data;
    uint32_t done = 0;

    for (unsigned i = 0; i < chain->count; i++) {
        const struct fake_segment *segment = &chain->segments[i];
        if (segment->writable) {
            continue;
        }
        check(segment->length_bytes <= bytes_max - done);
        memcpy(to + done, segment->data, segment->length_bytes);
        done += segment->length_bytes;
    }
    return done;
}
