#include "drivers/virtio_console_port.h"

#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/mem.h"
#include "kernel/wait.h"

#define QUEUE_SIZE 16u

/* Most hosts answer at once; a pipe that nobody reads may take for ever. */
#define SPIN_NS 50000ull
/* After this long in place the output is lost: the machine must not stand still for it. */
#define SPIN_TIMEOUT_NS 3000000000ull
#define SLEEP_NS        100000000ull

/* A machine with less than this to spare makes do with a quarter of the blocks. */
#define ROOMY_PAGES 4096u

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

static uint8_t *buffers_allocate(size_t count)
{
    struct phys_addr address;

    if (pages_allocate(count * VIRTIO_CONSOLE_BUFFER_BYTES / PAGE_BYTES, &address) != ERR_OK) {
        return NULL;
    }
    return phys_to_virt(address);
}

enum err virtio_console_port_open_input(struct virtio_console_port *port)
{
    port->input_memory = buffers_allocate(VIRTIO_CONSOLE_BUFFERS);
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
    uint32_t blocks =
        pages_free_count() >= ROOMY_PAGES ? VIRTIO_CONSOLE_BLOCKS : VIRTIO_CONSOLE_BLOCKS / 4u;

    port->output_memory = buffers_allocate(blocks);
    port->output_free = UINT32_MAX >> (VIRTIO_CONSOLE_BLOCKS - blocks);
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
        while (!virtqueue_pop(&port->input, &completion)) {
            if (port->device->broken || !virtqueue_arm(&port->input)) {
                return;
            }
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

    if (index == port->reported_index) {
        return false;
    }
    port->reported_index = index;
    /* Later input is to interrupt although this is not read yet. */
    if (port->input.event_index) {
        __atomic_store_n(port->input.used_event, index, __ATOMIC_RELAXED);
    }
    return true;
}

static uint32_t block_index(const struct virtio_console_port *port, const uint8_t *buffer)
{
    return (uint32_t)((size_t)(buffer - port->output_memory) / VIRTIO_CONSOLE_BUFFER_BYTES);
}

/* Takes back what the device has sent. Returns whether there was anything. */
static bool output_reap(struct virtio_console_port *port)
{
    struct virtqueue_completion completion;
    bool any = false;

    while (virtqueue_pop(&port->output, &completion)) {
        uint32_t first = block_index(port, completion.token);
        port->output_free |= ((1u << port->output_run[first]) - 1u) << first;
        port->output_busy--;
        any = true;
    }
    return any;
}

/* The device hears of it with the next kick: one for all the buffers of a long write. */
static bool output_submit(struct virtio_console_port *port)
{
    if (!virtqueue_submit_readable(&port->output, port->filling, (uint32_t)port->filling_bytes,
                                   port->filling)) {
        return false;
    }
    port->output_busy++;
    port->filling = NULL;
    port->filling_bytes = 0;
    return true;
}

/* Sends the buffer being filled if the device is idle; else asks to be told when it is. */
void virtio_console_port_output_poll(struct virtio_console_port *port)
{
    virtqueue_kick(&port->output);
    do {
        output_reap(port);
        if (port->filling == NULL || port->device->broken) {
            return;
        }
        if (port->output_busy == 0) {
            (void)output_submit(port);
            virtqueue_kick(&port->output);
            return;
        }
    } while (virtqueue_arm(&port->output));
}

/* Until the device has given something back; false when it is broken, or lets someone spin
 * who may be the reporter of a panic. */
static bool output_wait(struct virtio_console_port *port, bool spin)
{
    uint64_t start_ns = clock_monotonic_ns();

    virtqueue_kick(&port->output);
    while (!virtqueue_wait(&port->output, SPIN_NS)) {
        if (virtio_needs_reset(port->device) ||
            (spin && clock_monotonic_ns() - start_ns > SPIN_TIMEOUT_NS)) {
            return false;
        }
        if (!spin && !virtqueue_arm(&port->output)) {
            wait_once(clock_monotonic_ns() + SLEEP_NS);
        }
    }
    output_reap(port);
    return !port->device->broken;
}

/* Takes one more block for the buffer being filled, or the first of another. */
static bool output_grow(struct virtio_console_port *port)
{
    uint32_t first, next;

    if (port->filling != NULL) {
        first = block_index(port, port->filling);
        next = first + port->output_run[first];
        if (port->output_run[first] == VIRTIO_CONSOLE_RUN_BLOCKS || next == VIRTIO_CONSOLE_BLOCKS ||
            (port->output_free >> next & 1u) == 0) {
            return false;
        }
    } else {
        if (port->output_free == 0) {
            return false;
        }
        first = next = (uint32_t)__builtin_ctz(port->output_free);
        port->filling = port->output_memory + (size_t)first * VIRTIO_CONSOLE_BUFFER_BYTES;
        port->filling_bytes = 0;
        port->output_run[first] = 0;
    }
    port->output_free &= ~(1u << next);
    port->output_run[first]++;
    return true;
}

static size_t output_room(const struct virtio_console_port *port)
{
    if (port->filling == NULL) {
        return 0;
    }
    size_t blocks = port->output_run[block_index(port, port->filling)];
    return blocks * VIRTIO_CONSOLE_BUFFER_BYTES - port->filling_bytes;
}

/* Room in port->filling; false when the device takes nothing any more. */
static bool output_make_room(struct virtio_console_port *port, bool spin)
{
    output_reap(port);
    while (output_room(port) == 0) {
        if (output_grow(port)) {
            break;
        }
        /* The queue may be full before the memory is, after buffers that came back in disorder. */
        if (port->filling != NULL && output_submit(port)) {
            continue;
        }
        if (!output_wait(port, spin)) {
            return false;
        }
    }
    return true;
}

bool virtio_console_port_write(struct virtio_console_port *port, const void *data,
                               size_t size_bytes, bool spin)
{
    const uint8_t *from = data;

    while (size_bytes > 0) {
        if (port->device->broken || !output_make_room(port, spin)) {
            return false;
        }
        size_t part = output_room(port);
        if (part > size_bytes) {
            part = size_bytes;
        }
        memcpy(port->filling + port->filling_bytes, from, part);
        port->filling_bytes += part;
        from += part;
        size_bytes -= part;
    }
    virtio_console_port_output_poll(port);
    return !port->device->broken;
}

bool virtio_console_port_drain(struct virtio_console_port *port, uint64_t timeout_ns)
{
    uint64_t progress_ns = clock_monotonic_ns();

    while (port->filling != NULL || port->output_busy != 0) {
        if (output_reap(port)) {
            progress_ns = clock_monotonic_ns();
        }
        if (port->filling != NULL && port->output_busy == 0 && !output_submit(port)) {
            return false;
        }
        virtqueue_kick(&port->output);
        if (port->device->broken || clock_monotonic_ns() - progress_ns > timeout_ns) {
            return false;
        }
    }
    return true;
}
