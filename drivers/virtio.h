/*
 * A virtio device as its driver sees it, whatever bus it sits on (virtio 1.2 §2, §3).
 *
 * Transports (virtio_pci.c, virtio_mmio.c) fill in a struct virtio_device; drivers
 * (virtio_net.c and the like) use the functions below and know no bus. Modern devices
 * only. Everything a device says is input: it is checked, and a device that breaks the
 * rules is logged once, marked broken and never believed again.
 *
 * Devices are allocated by their transport and live until power-off. Normal kernel
 * context, except for what is marked otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/virtqueue.h"
#include "kernel/base/err.h"

/* virtio 1.2 §5: device types with a driver here. */
enum virtio_type {
    VIRTIO_TYPE_NETWORK = 1,
    VIRTIO_TYPE_BLOCK = 2,
    VIRTIO_TYPE_CONSOLE = 3,
    VIRTIO_TYPE_ENTROPY = 4,
    VIRTIO_TYPE_9P = 9,
};

const char *virtio_type_name(uint32_t type);

/* virtio 1.2 §6: feature bits that mean the same for every device. */
#define VIRTIO_F_INDIRECT_DESC   (1ull << 28)
#define VIRTIO_F_EVENT_IDX       (1ull << 29)
#define VIRTIO_F_VERSION_1       (1ull << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ull << 33)

/* virtio 1.2 §2.1 */
enum virtio_status {
    VIRTIO_STATUS_ACKNOWLEDGE_BIT = 1,
    VIRTIO_STATUS_DRIVER_BIT = 2,
    VIRTIO_STATUS_DRIVER_OK_BIT = 4,
    VIRTIO_STATUS_FEATURES_OK_BIT = 8,
    VIRTIO_STATUS_NEEDS_RESET_BIT = 64,
    VIRTIO_STATUS_FAILED_BIT = 128,
};

/* Queues that a driver here may use on one device. */
#define VIRTIO_QUEUES_MAX 34u

struct virtio_device;

struct virtio_transport {
    uint64_t (*read_features)(struct virtio_device *device);
    void (*write_features)(struct virtio_device *device, uint64_t features);
    uint8_t (*read_status)(struct virtio_device *device);
    void (*write_status)(struct virtio_device *device, uint8_t status);
    /* Changes whenever the device configuration may have (virtio 1.2 §2.5.1). */
    uint32_t (*config_generation)(struct virtio_device *device);
    /* A range that is not wholly in the device's configuration reads as zero. */
    void (*config_read)(struct virtio_device *device, uint32_t offset, void *data, uint32_t bytes);
    void (*config_write)(struct virtio_device *device, uint32_t offset, const void *data,
                         uint32_t bytes);
    /* Largest size of a queue; 0 when the device does not have it. */
    uint32_t (*queue_size_max)(struct virtio_device *device, uint16_t queue);
    enum err (*queue_enable)(struct virtio_device *device, uint16_t queue, uint16_t size,
                             const struct virtqueue_addresses *addresses);
    void (*notify)(struct virtio_device *device, uint16_t queue);
};

struct virtio_device {
    const struct virtio_transport *transport;
    uint32_t type;     /* enum virtio_type */
    uint64_t features; /* negotiated */
    bool broken;       /* broke the protocol; reset, and left alone from then on */
    bool has_interrupt;
    /* Set by the interrupt handler, cleared by the driver; accessed atomically. */
    uint8_t config_changed;
    char name[32]; /* for the log: "virtio-net 00:03.0" */
};

/*
 * Resets the device and negotiates: of `allowed`, what the device offers, and fails
 * with ERR_NOTSUP unless all of `required` is there. VERSION_1, EVENT_IDX,
 * INDIRECT_DESC and ACCESS_PLATFORM are dealt with here. (virtio 1.2 §3.1.1, 1 to 6)
 */
enum err virtio_negotiate(struct virtio_device *device, uint64_t allowed,
                          uint64_t required) WARN_UNUSED;

static inline bool virtio_has(const struct virtio_device *device, uint64_t feature)
{
    return (device->features & feature) != 0;
}

/*
 * Creates queue `index` with at most size_max entries and shows it to the device.
 * indirect_segments is the longest chain that may go through an indirect table, 0 for
 * none. ERR_NODEV when the device has no such queue.
 */
enum err virtio_queue_create(struct virtio_device *device, uint16_t index, uint16_t size_max,
                             uint16_t indirect_segments, struct virtqueue *queue) WARN_UNUSED;

/* The device may run from here on (virtio 1.2 §3.1.1, step 8). */
void virtio_start(struct virtio_device *device);

/* Stops all its work and memory accesses. False if it did not confirm in bounded time. */
bool virtio_reset(struct virtio_device *device);

/* Gives up on a device that could not be set up: FAILED, then reset. */
void virtio_fail(struct virtio_device *device, const char *reason);

/* Notes that the device broke the rules; logs the first time. Does not touch the device. */
void virtio_mark_broken(struct virtio_device *device, const char *reason);

/* True once the device asked for a reset or broke the rules; reads a device register. */
bool virtio_needs_reset(struct virtio_device *device);

/* A consistent copy of a part of the device configuration. */
void virtio_config_read(struct virtio_device *device, uint32_t offset, void *data, uint32_t bytes);

/* For the transports' interrupt handlers: the configuration changed. Any context. */
void virtio_config_interrupt(struct virtio_device *device);
/* Whether it did since the last call. */
bool virtio_config_take_changed(struct virtio_device *device);
