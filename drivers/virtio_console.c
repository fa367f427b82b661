#include "drivers/virtio_console.h"

#include "drivers/virtio_console_port.h"
#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/wait.h"

/* virtio 1.2 §5.3.3 and §5.3.4 */
#define VIRTIO_CONSOLE_F_MULTIPORT (1ull << 1)
#define CONFIG_PORT_COUNT          4u

/* virtio 1.2 §5.3.2: port 0, control, then the other ports. */
#define QUEUE_CONTROL_INPUT  2u
#define QUEUE_CONTROL_OUTPUT 3u

/* virtio 1.2 §5.3.6.2 */
enum control_event {
    EVENT_DEVICE_READY = 0,
    EVENT_PORT_ADD = 1,
    EVENT_PORT_REMOVE = 2,
    EVENT_PORT_READY = 3,
    EVENT_CONSOLE_PORT = 4,
    EVENT_PORT_OPEN = 6,
    EVENT_PORT_NAME = 7,
};

struct control_message {
    uint32_t port;
    uint16_t event;
    uint16_t value;
};
_Static_assert(sizeof(struct control_message) == 8, "virtio 1.2 §5.3.6.2");

#define PORTS_MAX       8u
#define CONTROL_BUFFERS 32u
/* A message and a port name; QEMU reports its full length even where it cuts it off. */
#define CONTROL_BUFFER_BYTES 256u
#define ANSWER_TIMEOUT_NS    1000000000ull
/* How long a host may take nothing before output is given up when the machine ends. */
#define DRAIN_TIMEOUT_NS 3000000000ull

/* The port of each stream, NULL where there is none. */
struct streams {
    struct virtio_console_port *input;
    struct virtio_console_port *output[CONSOLE_STDERR + 1];
};

static struct {
    struct virtio_device *device;
    uint32_t port_count;
    bool multiport;
    struct virtio_console_port ports[PORTS_MAX];
    struct virtqueue control_input;
    struct virtqueue control_output;
    uint8_t *control_memory; /* CONTROL_BUFFERS, then one for messages of ours */
    struct streams named;
    struct streams unnamed;
} console;

/* One message at a time, and not before the device has dealt with it: see open. */
static void control_send(uint32_t port, enum control_event event, uint16_t value)
{
    uint8_t *buffer = console.control_memory + (size_t)CONTROL_BUFFERS * CONTROL_BUFFER_BYTES;
    const struct control_message message = {port, (uint16_t)event, value};
    struct virtqueue_completion completion;

    memcpy(buffer, &message, sizeof(message));
    if (!virtqueue_submit_readable(&console.control_output, buffer, sizeof(message), buffer)) {
        return;
    }
    virtqueue_kick(&console.control_output);
    if (!virtqueue_wait(&console.control_output, ANSWER_TIMEOUT_NS)) {
        virtio_mark_broken(console.device, "it does not take control messages");
        return;
    }
    (void)virtqueue_pop(&console.control_output, &completion);
}

static void use_output(struct virtio_console_port *port, struct virtio_console_port **stream)
{
    if (*stream != NULL) {
        return;
    }
    if (port->output_memory == NULL && virtio_console_port_open_output(port) != ERR_OK) {
        log_warning("console", "%s: no memory for output", console.device->name);
        return;
    }
    *stream = port;
}

static void use_input(struct virtio_console_port *port, struct virtio_console_port **stream)
{
    if (*stream != NULL) {
        return;
    }
    if (port->input_memory == NULL && virtio_console_port_open_input(port) != ERR_OK) {
        log_warning("console", "%s: no memory for input", console.device->name);
        return;
    }
    *stream = port;
}

/* Hosts need not say that a console is open. */
static void use_as_console(struct virtio_console_port *port)
{
    port->host_open = true;
    use_input(port, &console.unnamed.input);
    for (size_t i = 0; i <= CONSOLE_STDERR; i++) {
        use_output(port, &console.unnamed.output[i]);
    }
}

static bool name_is(const char *expected, const uint8_t *name, size_t length)
{
    /* QEMU counts the terminating NUL, others do not. */
    while (length > 0 && name[length - 1] == '\0') {
        length--;
    }
    return strlen(expected) == length && memcmp(expected, name, length) == 0;
}

static void on_name(uint32_t id, const uint8_t *name, size_t length)
{
    struct virtio_console_port *port = &console.ports[id];

    if (name_is("wafer.stdin", name, length)) {
        use_input(port, &console.named.input);
    } else if (name_is("wafer.stdout", name, length)) {
        use_output(port, &console.named.output[CONSOLE_STDOUT]);
    } else if (name_is("wafer.stderr", name, length)) {
        use_output(port, &console.named.output[CONSOLE_STDERR]);
    } else {
        return;
    }
    control_send(id, EVENT_PORT_OPEN, 1);
}

static void on_message(const uint8_t *data, size_t length)
{
    struct control_message message;

    if (length < sizeof(message)) {
        return;
    }
    memcpy(&message, data, sizeof(message));
    if (message.port >= console.port_count) {
        return;
    }
    struct virtio_console_port *port = &console.ports[message.port];
    switch (message.event) {
    case EVENT_PORT_ADD:
        control_send(message.port, EVENT_PORT_READY, 1);
        break;
    case EVENT_PORT_NAME:
        on_name(message.port, data + sizeof(message), length - sizeof(message));
        break;
    case EVENT_CONSOLE_PORT:
        use_as_console(port);
        control_send(message.port, EVENT_PORT_OPEN, 1);
        break;
    case EVENT_PORT_OPEN:
        port->host_open = message.value != 0;
        break;
    case EVENT_PORT_REMOVE:
        port->host_open = false;
        break;
    default:
        break;
    }
}

/* Deals with all messages there are; returns whether there was any. */
static bool control_receive(void)
{
    struct virtqueue_completion completion;
    uint8_t message[CONTROL_BUFFER_BYTES];
    bool any = false;

    while (virtqueue_pop(&console.control_input, &completion)) {
        /* The buffer goes back first: the answer to this message may need it. */
        memcpy(message, completion.token, completion.length_bytes);
        (void)virtqueue_submit_writable(&console.control_input, completion.token,
                                        CONTROL_BUFFER_BYTES, completion.token);
        virtqueue_kick(&console.control_input);
        on_message(message, completion.length_bytes);
        any = true;
    }
    if (any) {
        (void)virtqueue_arm(&console.control_input);
    }
    return any;
}

static bool poll(void *context, uint64_t *next_deadline_ns)
{
    bool progress = false;

    (void)context;
    (void)next_deadline_ns;
    if (console.device->broken) {
        return false;
    }
    if (console.multiport) {
        progress = control_receive();
    }
    for (uint32_t i = 0; i < console.port_count; i++) {
        struct virtio_console_port *port = &console.ports[i];
        if (port->input_memory != NULL) {
            progress |= virtio_console_port_has_news(port);
        }
        if (port->filling != NULL) {
            virtio_console_port_output_poll(port);
        }
    }
    return progress;
}

static bool backend_write(void *context, enum console_stream stream, const void *data,
                          size_t size_bytes)
{
    struct virtio_console_port *port = console.named.output[stream];

    (void)context;
    if (port == NULL) {
        port = console.unnamed.output[stream];
    }
    if (port == NULL || console.device->broken) {
        return false;
    }
    /* The log is written from anywhere, and its last words matter most. */
    bool is_log = stream == CONSOLE_LOG;
    return virtio_console_port_write(port, data, size_bytes, is_log) &&
           (!is_log || virtio_console_port_drain(port, DRAIN_TIMEOUT_NS));
}

void virtio_console_drain(void)
{
    for (uint32_t i = 0; i < console.port_count; i++) {
        (void)virtio_console_port_drain(&console.ports[i], DRAIN_TIMEOUT_NS);
    }
}

static struct virtio_console_port *input_port(void)
{
    return console.named.input != NULL ? console.named.input : console.unnamed.input;
}

static enum err backend_read(void *context, void *data, size_t size_bytes, size_t *out_bytes)
{
    (void)context;
    return virtio_console_port_read(input_port(), data, size_bytes, out_bytes);
}

static bool backend_input_ready(void *context)
{
    (void)context;
    return virtio_console_port_readable(input_port());
}

static void backend_register(void)
{
    static struct wait_poller poller = {.poll = poll};
    static struct console_backend backend = {.write = backend_write};

    if (input_port() != NULL) {
        backend.read = backend_read;
        backend.input_ready = backend_input_ready;
    }
    console_register(&backend);
    wait_register(&poller);
}

static enum err control_create(void)
{
    struct phys_addr address;
    size_t bytes = (CONTROL_BUFFERS + 1u) * CONTROL_BUFFER_BYTES;
    enum err error = virtio_queue_create(console.device, QUEUE_CONTROL_INPUT, CONTROL_BUFFERS, 0,
                                         &console.control_input);

    if (error == ERR_OK) {
        error = virtio_queue_create(console.device, QUEUE_CONTROL_OUTPUT, 4, 0,
                                    &console.control_output);
    }
    if (error == ERR_OK) {
        error = pages_allocate((bytes + PAGE_BYTES - 1) / PAGE_BYTES, &address);
    }
    if (error == ERR_OK) {
        console.control_memory = phys_to_virt(address);
    }
    return error;
}

static enum err queues_create(void)
{
    uint32_t count = 1;
    enum err error = virtio_console_port_create(&console.ports[0], console.device, 0, 1);

    if (error == ERR_OK && console.multiport) {
        virtio_config_read(console.device, CONFIG_PORT_COUNT, &count, sizeof(count));
        error = control_create();
    }
    console.port_count = count < PORTS_MAX ? count : PORTS_MAX;
    for (uint16_t i = 1; i < console.port_count && error == ERR_OK; i++) {
        uint16_t queue = (uint16_t)(2u + 2u * i);
        error = virtio_console_port_create(&console.ports[i], console.device, queue,
                                           (uint16_t)(queue + 1u));
    }
    return error;
}

/*
 * A device answers a control message before it returns it: it names its ports and says
 * which are open (virtio 1.2 §5.3.5). So after each message that was taken, all that
 * follows from it waits in the control queue.
 */
static void ports_discover(void)
{
    for (uint32_t i = 0; i < CONTROL_BUFFERS; i++) {
        uint8_t *buffer = console.control_memory + (size_t)i * CONTROL_BUFFER_BYTES;
        if (!virtqueue_submit_writable(&console.control_input, buffer, CONTROL_BUFFER_BYTES,
                                       buffer)) {
            break;
        }
    }
    virtqueue_kick(&console.control_input);
    (void)virtqueue_arm(&console.control_input);
    control_send(0, EVENT_DEVICE_READY, 1);
    while (control_receive()) {
    }
}

static enum err start(void)
{
    enum err error = virtio_negotiate(console.device, VIRTIO_CONSOLE_F_MULTIPORT, 0);

    if (error != ERR_OK) {
        return error;
    }
    console.multiport = virtio_has(console.device, VIRTIO_CONSOLE_F_MULTIPORT);
    error = queues_create();
    if (error != ERR_OK) {
        return error;
    }
    virtio_start(console.device);
    if (console.multiport) {
        ports_discover();
    } else {
        use_as_console(&console.ports[0]);
    }
    return console.device->broken ? ERR_IO : ERR_OK;
}

enum err virtio_console_open(struct virtio_device *device)
{
    if (console.device != NULL) {
        return ERR_BUSY;
    }
    console.device = device;
    enum err error = start();
    if (error != ERR_OK) {
        virtio_fail(device, error == ERR_NOMEM ? "out of memory" : "its set-up failed");
        return error;
    }
    backend_register();
    return ERR_OK;
}
