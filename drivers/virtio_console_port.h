/*
 * One port of a virtio console: a stream in each direction (virtio 1.2 §5.3.6). Private to
 * the driver. Normal kernel context; allocates only when it is opened.
 *
 * Output is gathered: a write goes out at once when the device is idle; while it is busy,
 * small writes share a buffer that follows as soon as the device has taken the last one.
 * Its memory is one piece, handed out by blocks: neighbours that are free make one buffer of up
 * to VIRTIO_CONSOLE_RUN_BLOCKS, for the host pays by buffer (QEMU: a system call each).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/virtio.h"

#define VIRTIO_CONSOLE_BUFFERS      8u /* of input */
#define VIRTIO_CONSOLE_BUFFER_BYTES 4096u
#define VIRTIO_CONSOLE_BLOCKS       32u /* of output, of a buffer's size; see open_output */
#define VIRTIO_CONSOLE_RUN_BLOCKS   16u

struct virtio_console_port {
    struct virtio_device *device;
    struct virtqueue input;
    struct virtqueue output;
    uint8_t *input_memory; /* VIRTIO_CONSOLE_BUFFERS buffers, or NULL: no input wanted */
    uint8_t *output_memory;
    uint32_t output_free; /* bit i: block i is neither with the device nor being filled */
    uint32_t output_busy; /* buffers with the device */
    uint8_t output_run[VIRTIO_CONSOLE_BLOCKS]; /* blocks of the buffer that begins there */
    uint8_t *filling;                          /* the buffer being filled, or NULL */
    size_t filling_bytes;
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
 * Takes all bytes, waiting for room; false when the device is broken. While it waits it
 * runs the pollers, so not from a poller itself unless `spin`, which waits in place, and
 * not for ever: false, too, when nothing moves for seconds.
 */
bool virtio_console_port_write(struct virtio_console_port *port, const void *data,
                               size_t size_bytes, bool spin);
/* Sends what gathered while the device was busy. From a poller. */
void virtio_console_port_output_poll(struct virtio_console_port *port);
/*
 * Waits in place until the device has taken everything. Gives up, with false, when
 * nothing moves for timeout_ns.
 */
bool virtio_console_port_drain(struct virtio_console_port *port, uint64_t timeout_ns);
