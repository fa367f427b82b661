#include "drivers/virtio.h"

#include "kernel/log.h"

/* Reads of a register that a device may take to finish a reset; each is a VM exit. */
#define RESET_READS_MAX 100000u
/* A device whose configuration changes faster than we read it is not sane. */
#define CONFIG_READS_MAX 16u

#define TRANSPORT_FEATURES                                                                         \
    (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)

const char *virtio_type_name(uint32_t type)
{
    switch (type) {
    case VIRTIO_TYPE_NETWORK:
        return "net";
    case VIRTIO_TYPE_BLOCK:
        return "blk";
    case VIRTIO_TYPE_CONSOLE:
        return "console";
    case VIRTIO_TYPE_ENTROPY:
        return "rng";
    case VIRTIO_TYPE_9P:
        return "9p";
    default:
        return "other";
    }
}

static void status_add(struct virtio_device *device, uint8_t bits)
{
    uint8_t status = device->transport->read_status(device);
    device->transport->write_status(device, (uint8_t)(status | bits));
}

bool virtio_reset(struct virtio_device *device)
{
    device->transport->write_status(device, 0);
    for (uint32_t i = 0; i < RESET_READS_MAX; i++) {
        uint8_t status = device->transport->read_status(device);
        if (status == 0) {
            return true;
        }
        if ((status & VIRTIO_STATUS_FAILED_BIT) != 0) {
            break; /* Firecracker's devices cannot be reset once they run, and say so. */
        }
    }
    log_info("virtio", "%s does not answer to a reset", device->name);
    return false;
}

/*
 * ACCESS_PLATFORM means that addresses are those of the platform's bus; no IOMMU is ever
 * switched on here, so these are physical addresses either way (virtio 1.2 §6.1).
 */
enum err virtio_negotiate(struct virtio_device *device, uint64_t allowed, uint64_t required)
{
    if (!virtio_reset(device)) {
        return ERR_IO;
    }
    status_add(device, VIRTIO_STATUS_ACKNOWLEDGE_BIT);
    status_add(device, VIRTIO_STATUS_DRIVER_BIT);
    uint64_t offered = device->transport->read_features(device);
    uint64_t missing = (required | VIRTIO_F_VERSION_1) & ~offered;
    if (missing != 0) {
        log_error("virtio", "%s lacks the features 0x%llx; is it a modern device?", device->name,
                  (unsigned long long)missing);
        return ERR_NOTSUP;
    }
    device->features = offered & (allowed | required | TRANSPORT_FEATURES);
    device->transport->write_features(device, device->features);
    status_add(device, VIRTIO_STATUS_FEATURES_OK_BIT);
    if ((device->transport->read_status(device) & VIRTIO_STATUS_FEATURES_OK_BIT) == 0) {
        log_error("virtio", "%s refuses the features 0x%llx of its own offer", device->name,
                  (unsigned long long)device->features);
        return ERR_NOTSUP;
    }
    return ERR_OK;
}

/* Any size up to the device's maximum is allowed; a split ring needs a power of two. */
static uint16_t queue_size_choose(uint32_t device_max, uint16_t driver_max)
{
    uint32_t size = VIRTQUEUE_SIZE_MAX;

    while (size > device_max || size > driver_max) {
        size /= 2;
    }
    return (uint16_t)size;
}

enum err virtio_queue_create(struct virtio_device *device, uint16_t index, uint16_t size_max,
                             uint16_t indirect_segments, struct virtqueue *queue)
{
    uint32_t device_max = device->transport->queue_size_max(device, index);
    uint16_t size = queue_size_choose(device_max, size_max);

    if (size == 0) {
        return ERR_NODEV;
    }
    enum err error = virtqueue_create(queue, device, index, size, indirect_segments);
    if (error != ERR_OK) {
        return error;
    }
    struct virtqueue_addresses addresses = virtqueue_addresses(queue);
    return device->transport->queue_enable(device, index, size, &addresses);
}

void virtio_start(struct virtio_device *device)
{
    status_add(device, VIRTIO_STATUS_DRIVER_OK_BIT);
}

void virtio_fail(struct virtio_device *device, const char *reason)
{
    log_error("virtio", "%s cannot be used: %s", device->name, reason);
    device->broken = true;
    status_add(device, VIRTIO_STATUS_FAILED_BIT);
    virtio_reset(device);
}

void virtio_mark_broken(struct virtio_device *device, const char *reason)
{
    if (!device->broken) {
        device->broken = true;
        log_error("virtio", "%s is switched off: %s", device->name, reason);
    }
}

bool virtio_needs_reset(struct virtio_device *device)
{
    if (!device->broken) {
        uint8_t status = device->transport->read_status(device);
        if ((status & VIRTIO_STATUS_NEEDS_RESET_BIT) != 0) {
            virtio_mark_broken(device, "it reported an error of its own");
        } else if ((status & VIRTIO_STATUS_DRIVER_OK_BIT) == 0) {
            virtio_mark_broken(device, "it has reset itself");
        }
    }
    return device->broken;
}

void virtio_config_read(struct virtio_device *device, uint32_t offset, void *data, uint32_t bytes)
{
    const struct virtio_transport *transport = device->transport;
    uint32_t before = transport->config_generation(device);

    for (uint32_t i = 0; i < CONFIG_READS_MAX; i++) {
        transport->config_read(device, offset, data, bytes);
        uint32_t after = transport->config_generation(device);
        if (after == before) {
            return;
        }
        before = after;
    }
    log_warning("virtio", "%s keeps changing its configuration", device->name);
}

void virtio_config_interrupt(struct virtio_device *device)
{
    __atomic_store_n(&device->config_changed, 1, __ATOMIC_RELEASE);
}

bool virtio_config_take_changed(struct virtio_device *device)
{
    if (__atomic_load_n(&device->config_changed, __ATOMIC_RELAXED) == 0) {
        return false;
    }
    return __atomic_exchange_n(&device->config_changed, 0, __ATOMIC_ACQ_REL) != 0;
}
