#include "drivers/virtio_console_port.h"

#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/mem.h"
#include "kernel/wait.h"

#define QUEUE_SIZE 16u

/* Most hosts answer at once; a pipe that nobody reads may take for ever. */
#define SPIN_NS  50000ull
#define SLEEP_NS 100000000ull

enum err virtio_console_port_create(struct virtio_console_port *port, struct virtio_device *device,
                                    uint16_t input_queue, uint16_t output_queue)
{
    *port = (struct virtio_console_port){.device = device};
    enum err error = virtio_queue_create(device, input_queue, QUEUE_SIZE, 0, &port->input);

    if (error != ERR_OK) {
        return error;
    }
    return virtio_queue_create(device, output_queue, QUEUE_SIZE, 0, &port->output);
}

static uint8_t *buffers_allocate(void)
{
    size_t bytes = (size_t)VIRTIO_CONSOLE_BUFFERS * VIRTIO_CONSOLE_BUFFER_BYTES;
    struct phys_addr address;

    if (pages_allocate(bytes / PAGE_BYTES, &address) != ERR_OK) {
        return NULL;
    }
    return phys_to_virt(address);
}

enum err virtio_console_port_open_input(struct virtio_console_port *port)
{
    port->input_memory = buffers_allocate();
    if (port->input_memory == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < VIRTIO_CONSOLE_BUFFERS; i++) {
        uint8_t *buffer = port->input_memory + i * VIRTIO_CONSOLE_BUFFER_BYTES;
        if (!virtqueue_submit_writable(&port->input, buffer, VIRTIO_CONSOLE_BUFFER_BYTES, buffer)) {
            break;
        }
    }
    virtqueue_kick(&port->input);
    (void)virtqueue_arm(&port->input);
    return ERR_OK;
}

enum err virtio_console_port_open_output(struct virtio_console_port *port)
{
    port->output_memory = buffers_allocate();
    return port->output_memory != NULL ? ERR_OK : ERR_NOMEM;
}

/* Gives a buffer that has been read back to the device, and takes the next. */
static void next_buffer(struct virtio_console_port *port)
{
    struct virtqueue_completion completion;

    while (port->unread_bytes == 0) {
        if (port->reading != NULL) {
            (void)virtqueue_submit_writable(&port->input, port->reading,
                                            VIRTIO_CONSOLE_BUFFER_BYTES, port->reading);
            virtqueue_kick(&port->input);
            port->reading = NULL;
        }
        if (!virtqueue_pop(&port->input, &completion)) {
            (void)virtqueue_arm(&port->input);
            return;
        }
        port->reading = completion.token;
        port->unread = completion.token;
        port->unread_bytes = completion.length_bytes;
    }
}

static bool at_end(const struct virtio_console_port *port)
{
    return port->device->broken || !port->host_open;
}

enum err virtio_console_port_read(struct virtio_console_port *port, void *data, size_t size_bytes,
                                  size_t *out_bytes)
{
    uint8_t *to = data;
    size_t done = 0;

    while (done < size_bytes) {
        next_buffer(port);
        if (port->unread_bytes == 0) {
            break;
        }
        size_t part = size_bytes - done;
        if (part > port->unread_bytes) {
            part = port->unread_bytes;
        }
        memcpy(to + done, port->unread, part);
        port->unread += part;
        port->unread_bytes -= part;
        done += part;
    }
    *out_bytes = done;
    return done == 0 && size_bytes != 0 && !at_end(port) ? ERR_AGAIN : ERR_OK;
}

bool virtio_console_port_readable(const struct virtio_console_port *port)
{
    return port->unread_bytes != 0 || virtqueue_has_completion(&port->input) || at_end(port);
}

bool virtio_console_port_has_news(struct virtio_console_port *port)
{
    uint16_t index = __atomic_load_n(&port->input.used->index, __ATOMIC_RELAXED);

    if (port->input_memory == NULL || index == port->reported_index) {
        return false;
    }
    port->reported_index = index;
    /* Later input interrupts again although this is not read yet. */
    if (port->input.event_index) {
        __atomic_store_n(port->input.used_event, index, __ATOMIC_RELAXED);
    }
    return true;
}

/* Waits for one output buffer; they come back in any order, and all are alike. */
static bool output_wait(struct virtio_console_port *port, bool may_sleep)
{
    struct virtqueue_completion completion;

    while (!virtqueue_wait(&port->output, SPIN_NS)) {
        if (virtio_needs_reset(port->device)) {
            return false;
        }
        if (may_sleep && !virtqueue_arm(&port->output)) {
            wait_once(clock_monotonic_ns() + SLEEP_NS);
        }
    }
    return virtqueue_pop(&port->output, &completion);
}

bool virtio_console_port_write(struct virtio_console_port *port, const void *data,
                               size_t size_bytes, bool may_sleep)
{
    const uint8_t *from = data;
    uint32_t in_flight = 0;
    uint32_t next = 0;
    uint32_t buffers =
        port->output.size < VIRTIO_CONSOLE_BUFFERS ? port->output.size : VIRTIO_CONSOLE_BUFFERS;

    while (size_bytes > 0 || in_flight > 0) {
        /* A round: fill all buffers, then wait for all. */
        while (size_bytes > 0 && in_flight < buffers) {
            uint8_t *buffer = port->output_memory + (size_t)next * VIRTIO_CONSOLE_BUFFER_BYTES;
            size_t part =
                size_bytes < VIRTIO_CONSOLE_BUFFER_BYTES ? size_bytes : VIRTIO_CONSOLE_BUFFER_BYTES;
            memcpy(buffer, from, part);
            if (!virtqueue_submit_readable(&port->output, buffer, (uint32_t)part, buffer)) {
                return false;
            }
            from += part;
            size_bytes -= part;
            next++;
            in_flight++;
        }
        virtqueue_kick(&port->output);
        for (; in_flight > 0; in_flight--) {
            if (!output_wait(port, may_sleep)) {
                return false;
            }
        }
        next = 0;
    }
    virtqueue_disarm(&port->output);
    return true;
}
