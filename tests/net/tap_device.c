#include "tests/net/tap_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES_MAX (65536u + 64u)
#define PART_BYTES      2048u /* what a card with mergeable buffers would hand out */
#define QUEUE_MAX       4096u

struct relay_frame {
    struct relay_frame *next;
    uint64_t due_ns;
    size_t length; /* with the virtio-net header */
    uint8_t data[];
};

/* Frames sorted by the time they are due. */
struct relay_queue {
    struct relay_frame *first;
    size_t count;
};

struct tap_device {
    struct netdev device;
    struct tap_options options;
    int descriptor;
    uint64_t random_state;
    size_t buffers_held;
    struct relay_queue in;
    struct relay_queue out;
};

uint64_t tap_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static unsigned relay_random(struct tap_device *tap, unsigned limit)
{
    tap->random_state = tap->random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(tap->random_state >> 33) % limit;
}

static void relay_insert(struct tap_device *tap, struct relay_queue *queue, const uint8_t *data,
                         size_t length)
{
    uint64_t delay_us = tap->options.delay_us;
    if (relay_random(tap, 1000) < tap->options.reorder) {
        delay_us += 1 + relay_random(tap, 4000);
    }
    struct relay_frame *frame = queue->count < QUEUE_MAX ? malloc(sizeof(*frame) + length) : NULL;
    if (frame == NULL) {
        return;
    }
    frame->due_ns = tap_now_ns() + delay_us * 1000;
    frame->length = length;
    memcpy(frame->data, data, length);
    if (relay_random(tap, 1000) < tap->options.corrupt) {
        /* Behind the Ethernet header, whose own checksum no TAP device has. */
        size_t first = sizeof(struct virtio_net_hdr) + 14;
        if (length > first) {
            frame->data[first + relay_random(tap, (unsigned)(length - first))] ^=
                (uint8_t)(1u << relay_random(tap, 8));
        }
    }
    struct relay_frame **link = &queue->first;
    while (*link != NULL && (*link)->due_ns <= frame->due_ns) {
        link = &(*link)->next;
    }
    frame->next = *link;
    *link = frame;
    queue->count++;
}

static void relay_pass(struct tap_device *tap, struct relay_queue *queue, const uint8_t *data,
                       size_t length)
{
    if (relay_random(tap, 1000) < tap->options.loss) {
        return;
    }
    relay_insert(tap, queue, data, length);
    if (relay_random(tap, 1000) < tap->options.duplicate) {
        relay_insert(tap, queue, data, length);
    }
}

static struct relay_frame *relay_take(struct relay_queue *queue, uint64_t now_ns)
{
    struct relay_frame *frame = queue->first;
    if (frame == NULL || frame->due_ns > now_ns) {
        return NULL;
    }
    queue->first = frame->next;
    queue->count--;
    return frame;
}

static enum err tap_transmit(struct netdev *device, struct net_packet *packet)
{
    static uint8_t buffer[FRAME_BYTES_MAX + sizeof(struct virtio_net_hdr)];
    struct tap_device *tap = device->driver;
    struct virtio_net_hdr *header = (struct virtio_net_hdr *)buffer;
    size_t at = sizeof(*header);

    if (tap->out.count >= QUEUE_MAX / 2) {
        return ERR_AGAIN;
    }
    memset(header, 0, sizeof(*header));
    memcpy(buffer + at, packet->header + packet->header_start, packet->header_length_bytes);
    at += packet->header_length_bytes;
    for (unsigned i = 0; i < packet->fragment_count; i++) {
        if (at + packet->fragments[i].length_bytes > sizeof(buffer)) {
            abort();
        }
        memcpy(buffer + at, packet->fragments[i].data, packet->fragments[i].length_bytes);
        at += packet->fragments[i].length_bytes;
    }
    if (packet->checksum_partial) {
        header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->csum_start = packet->checksum_start;
        header->csum_offset = packet->checksum_offset;
    }
    if (packet->gso != NET_GSO_NONE) {
        header->gso_type = packet->gso;
        header->gso_size = packet->gso_size_bytes;
        /* Where the payload begins: the TCP header ends behind its data offset. */
        const uint8_t *tcp = buffer + sizeof(*header) + packet->checksum_start;
        header->hdr_len = (uint16_t)(packet->checksum_start + (tcp[12] >> 4) * 4);
    }
    relay_pass(tap, &tap->out, buffer, at);
    packet->done(packet);
    return ERR_OK;
}

static void tap_write_due(struct tap_device *tap, uint64_t now_ns)
{
    struct relay_frame *frame;
    while ((frame = relay_take(&tap->out, now_ns)) != NULL) {
        /* A failing write is a lost frame, which is in order here. */
        if (write(tap->descriptor, frame->data, frame->length) < 0 && errno == EINVAL) {
            abort();
        }
        free(frame);
    }
}

static void tap_deliver(struct tap_device *tap, const struct relay_frame *frame)
{
    const struct virtio_net_hdr *header = (const struct virtio_net_hdr *)frame->data;
    size_t at = sizeof(*header);
    struct net_buffer *first = NULL;
    struct net_buffer **link = &first;

    while (at < frame->length) {
        size_t take = frame->length - at < PART_BYTES ? frame->length - at : PART_BYTES;
        struct net_buffer *part = calloc(1, sizeof(*part));
        uint8_t *data = malloc(take);
        if (part == NULL || data == NULL) {
            abort();
        }
        memcpy(data, frame->data + at, take);
        part->data = data;
        part->owner = data;
        part->length_bytes = (uint32_t)take;
        part->capacity_bytes = PART_BYTES;
        tap->buffers_held++;
        *link = part;
        link = &part->next_part;
        at += take;
    }
    if (first == NULL) {
        return;
    }
    first->total_bytes = (uint32_t)(frame->length - sizeof(*header));
    first->checksum_valid =
        (header->flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)) != 0;
    first->gso = header->gso_type & 0x7f;
    first->gso_size_bytes = header->gso_size;
    tap->device.receive(tap->device.stack, first);
}

static void tap_flush(struct netdev *device)
{
    tap_write_due(device->driver, tap_now_ns());
}

static size_t tap_poll(struct netdev *device, size_t budget)
{
    static uint8_t buffer[FRAME_BYTES_MAX + sizeof(struct virtio_net_hdr)];
    struct tap_device *tap = device->driver;
    struct relay_frame *frame;
    size_t count = 0;

    tap_write_due(tap, tap_now_ns());
    while (count < budget) {
        ssize_t length = read(tap->descriptor, buffer, sizeof(buffer));
        if (length <= (ssize_t)sizeof(struct virtio_net_hdr)) {
            break;
        }
        relay_pass(tap, &tap->in, buffer, (size_t)length);
        count++;
    }
    count = 0;
    uint64_t now_ns = tap_now_ns();
    while (count < budget && (frame = relay_take(&tap->in, now_ns)) != NULL) {
        tap_deliver(tap, frame);
        free(frame);
        count++;
    }
    return count;
}

static void tap_receive_free(struct netdev *device, struct net_buffer *chain)
{
    struct tap_device *tap = device->driver;
    while (chain != NULL) {
        struct net_buffer *next = chain->next_part;
        tap->buffers_held--;
        free(chain->owner); /* data moves as the stack consumes */
        free(chain);
        chain = next;
    }
}

static bool tap_arm(struct netdev *device)
{
    (void)device;
    return false;
}

static const struct netdev_ops tap_ops = {
    .transmit = tap_transmit,
    .flush = tap_flush,
    .poll = tap_poll,
    .receive_free = tap_receive_free,
    .arm = tap_arm,
};

struct tap_device *tap_open(const struct tap_options *options)
{
    struct tap_device *tap = calloc(1, sizeof(*tap));
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    unsigned offloads = options->offloads ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 : 0;
    static const uint8_t address[6] = {0x52, 0x54, 0x00, 0x77, 0x61, 0x66};

    if (tap == NULL) {
        return NULL;
    }
    tap->options = *options;
    tap->random_state = options->seed;
    strncpy(request.ifr_name, options->interface, sizeof(request.ifr_name) - 1);
    tap->descriptor = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tap->descriptor < 0 || ioctl(tap->descriptor, TUNSETIFF, &request) < 0 ||
        ioctl(tap->descriptor, TUNSETOFFLOAD, offloads) < 0) {
        int error = errno;
        if (tap->descriptor >= 0) {
            close(tap->descriptor);
        }
        free(tap);
        errno = error;
        return NULL;
    }
    tap->device = (struct netdev){.ops = &tap_ops, .driver = tap, .mtu_bytes = 1500};
    memcpy(tap->device.address, address, sizeof(address));
    if (options->offloads) {
        tap->device.features = NETDEV_TX_CHECKSUM_BIT | NETDEV_TX_TSO4_BIT | NETDEV_TX_TSO6_BIT |
                               NETDEV_RX_CHECKSUM_BIT | NETDEV_RX_LARGE_BIT;
    }
    return tap;
}

void tap_close(struct tap_device *tap)
{
    struct relay_frame *frame;
    while ((frame = relay_take(&tap->in, UINT64_MAX)) != NULL) {
        free(frame);
    }
    while ((frame = relay_take(&tap->out, UINT64_MAX)) != NULL) {
        free(frame);
    }
    close(tap->descriptor);
    free(tap);
}

struct netdev *tap_netdev(struct tap_device *tap)
{
    return &tap->device;
}

int tap_descriptor(const struct tap_device *tap)
{
    return tap->descriptor;
}

uint64_t tap_next_ns(const struct tap_device *tap)
{
    uint64_t next_ns = UINT64_MAX;
    if (tap->in.first != NULL) {
        next_ns = tap->in.first->due_ns;
    }
    if (tap->out.first != NULL && tap->out.first->due_ns < next_ns) {
        next_ns = tap->out.first->due_ns;
    }
    return next_ns;
}

size_t tap_buffers_held(const struct tap_device *tap)
{
    return tap->buffers_held;
}
