/*
 * One port of a virtio console: a stream in each direction (virtio 1.2 §5.3.6). Private to
 * the driver. Normal kernel context; allocates only when it is opened.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/virtio.h"

#define VIRTIO_CONSOLE_BUFFERS      8u
#define VIRTIO_CONSOLE_BUFFER_BYTES 4096u

struct virtio_console_port {
    struct virtio_device *device;
    struct virtqueue input;
    struct virtqueue output;
    uint8_t *input_memory; /* VIRTIO_CONSOLE_BUFFERS buffers, or NULL: no input wanted */
    uint8_t *output_memory;
    uint8_t *unread; /* what is left of the buffer being read */
    size_t unread_bytes;
    uint8_t *reading;        /* that buffer, or NULL */
    uint16_t reported_index; /* input the poller has told about */
    bool host_open;          /* else input ends after what has arrived */
};

/* Creates both queues; before the device starts. */
enum err virtio_console_port_create(struct virtio_console_port *port, struct virtio_device *device,
                                    uint16_t input_queue, uint16_t output_queue) WARN_UNUSED;
/* Allocates buffers for a direction; after the device started. */
enum err virtio_console_port_open_input(struct virtio_console_port *port) WARN_UNUSED;
enum err virtio_console_port_open_output(struct virtio_console_port *port) WARN_UNUSED;

/* As console_read. */
enum err virtio_console_port_read(struct virtio_console_port *port, void *data, size_t size_bytes,
                                  size_t *out_bytes) WARN_UNUSED;
/* Whether a read would not answer ERR_AGAIN. */
bool virtio_console_port_readable(const struct virtio_console_port *port);
/* True once for each batch of new input. */
bool virtio_console_port_has_news(struct virtio_console_port *port);

/*
 * Returns when the device has taken everything; false when it is broken. may_sleep: run
 * the pollers meanwhile, so not from a poller itself.
 */
bool virtio_console_port_write(struct virtio_console_port *port, const void *data,
                               size_t size_bytes, bool may_sleep);
