#include "drivers/virtio_net.h"

#include "drivers/virtio_net_features.h"
#include "drivers/virtio_net_receive.h"
#include "drivers/virtqueue_chain.h"
#include "kernel/base/assert.h"
#include "kernel/base/inline.h"
#include "kernel/base/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/random.h"

#define TRANSMIT_QUEUE      1u
#define TRANSMIT_QUEUE_SIZE 256u
/* The frame's header and all fragments. */
#define TRANSMIT_SEGMENTS (1u + NET_FRAGMENTS_MAX)

#define MTU_DEFAULT 1500u
/* RFC 791 §3.1 asks every host for this much; less is a broken setting. */
#define MTU_MIN 576u
/* Without MRG_RXBUF a frame has to fit into one receive buffer. */
#define MTU_UNMERGED_MAX 3900u

#define FEATURES_LARGE_RECEIVE (VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6)
#define FEATURES_LARGE_SEND    (VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6)
#define FEATURES                                                                                   \
    (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC |           \
     VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_STATUS | FEATURES_LARGE_RECEIVE | FEATURES_LARGE_SEND)

struct virtio_net {
    struct netdev netdev;
    struct virtio_device *device;
    struct virtio_net_receiver receiver;
    struct virtqueue transmit_queue;
    bool transmit_starved; /* a packet was turned away since the last completion */
    bool armed;            /* an interrupt was asked for and not called off since */
    bool contained;        /* broken, reset, and its packets completed */
};

/*
 * Completes every packet the card is done with. Returns whether there was any. Not
 * inline: its local would cost each transmit a stack check.
 */
static __attribute__((noinline)) bool reap(struct virtio_net *self)
{
    struct virtqueue_completion completion;
    bool any = false;

    while (virtqueue_pop(&self->transmit_queue, &completion)) {
        struct net_packet *packet = completion.token;
        any = true;
        packet->done(packet);
    }
    if (any) {
        self->transmit_starved = false;
        /* Keeps the card's interrupt mark out of reach. */
        virtqueue_disarm(&self->transmit_queue);
    }
    return any;
}

/*
 * After the reset the card touches no memory any more, so its packets are complete.
 * Receive buffers that it held stay unused, should the reset have failed.
 */
static void contain(struct virtio_net *self)
{
    struct net_packet *packet;

    if (self->contained) {
        return;
    }
    self->contained = true;
    virtio_reset(self->device);
    while ((packet = virtqueue_drain(&self->transmit_queue)) != NULL) {
        packet->done(packet);
    }
}

#define SAME_PLACE(ours, theirs)                                                                   \
    _Static_assert(offsetof(struct net_packet, ours) -                                             \
                           offsetof(struct net_packet, checksum_partial) ==                        \
                       offsetof(struct virtio_net_header, theirs),                                 \
                   "virtio 1.2 §5.1.6")
SAME_PLACE(checksum_partial, flags);
SAME_PLACE(gso, gso_type);
SAME_PLACE(header_length_bytes, header_length);
SAME_PLACE(gso_size_bytes, gso_size);
SAME_PLACE(checksum_start, checksum_start);
SAME_PLACE(checksum_offset, checksum_offset);
_Static_assert(VIRTIO_NET_NEEDS_CHECKSUM_BIT == true, "a bool is the flags");

/* virtio 1.2 §5.1.6.2 */
ALWAYS_INLINE uint8_t *header_write(struct net_packet *packet)
{
    uint8_t *to = packet->header + packet->header_start - sizeof(struct virtio_net_header);
    const uint16_t buffer_count = 0;

    memcpy(to, &packet->checksum_partial, offsetof(struct virtio_net_header, buffer_count));
    memcpy(to + offsetof(struct virtio_net_header, buffer_count), &buffer_count,
           sizeof(buffer_count));
    return to;
}

ALWAYS_INLINE void submit(struct virtqueue_chain *chain, struct net_packet *packet)
{
    const struct net_fragment *end = &packet->fragments[packet->fragment_count];

    virtqueue_add_readable(chain, header_write(packet),
                           packet->header_length_bytes +
                               (uint32_t)sizeof(struct virtio_net_header));
    for (const struct net_fragment *at = packet->fragments; at < end; at++) {
        ASSERT(at->length_bytes != 0);
        virtqueue_add_readable(chain, at->data, at->length_bytes);
    }
    virtqueue_submit(chain, packet);
}

/* A packet of many parts, or a ring that is nearly full or broken. */
static NEVER_INLINE enum err transmit_crowded(struct virtio_net *self, struct net_packet *packet)
{
    struct virtqueue *queue = &self->transmit_queue;
    struct virtqueue_chain chain;
    enum err error;

    if (queue->free_count < queue->size / 2) {
        reap(self);
    }
    error = virtqueue_begin(queue, (uint16_t)(1u + packet->fragment_count), &chain);
    if (error == ERR_AGAIN) {
        self->transmit_starved = true;
        return ERR_AGAIN;
    }
    if (error != ERR_OK) {
        contain(self);
        packet->done(packet);
        return ERR_OK;
    }
    submit(&chain, packet);
    return ERR_OK;
}

static enum err transmit(struct netdev *netdev, struct net_packet *packet)
{
    struct virtio_net *self = netdev->driver;
    struct virtqueue_chain chain;

    ASSERT(packet->header_start >= NET_DRIVER_HEADROOM);
    ASSERT(packet->header_start + packet->header_length_bytes <= (int)NET_HEADER_BYTES);
    ASSERT(packet->fragment_count <= NET_FRAGMENTS_MAX);
    if (packet->fragment_count >= VIRTQUEUE_DIRECT_SEGMENTS_MAX ||
        !virtqueue_begin_roomy(&self->transmit_queue, &chain)) {
        return transmit_crowded(self, packet);
    }
    submit(&chain, packet);
    return ERR_OK;
}

static void flush(struct netdev *netdev)
{
    struct virtio_net *self = netdev->driver;

    virtqueue_kick(&self->transmit_queue);
}

static void link_report(struct virtio_net *self)
{
    uint16_t status;

    if (virtio_has(self->device, VIRTIO_NET_F_STATUS)) {
        virtio_config_read(self->device, VIRTIO_NET_CONFIG_STATUS, &status, sizeof(status));
        log_info("net", "%s: link is %s", self->device->name,
                 (status & VIRTIO_NET_LINK_UP_BIT) != 0 ? "up" : "down");
    }
}

static size_t poll(struct netdev *netdev, size_t budget)
{
    struct virtio_net *self = netdev->driver;

    if (self->armed) {
        self->armed = false;
        virtqueue_disarm(&self->receiver.queue);
    }
    if (virtio_config_take_changed(self->device) && !virtio_needs_reset(self->device)) {
        link_report(self);
    }
    reap(self);
    size_t frames = virtio_net_receiver_poll(&self->receiver, netdev, budget);
    if (self->device->broken) {
        contain(self);
    }
    return frames;
}

static void receive_free(struct netdev *netdev, struct net_buffer *chain)
{
    struct virtio_net *self = netdev->driver;

    virtio_net_receiver_free(&self->receiver, chain);
}

static bool arm(struct netdev *netdev)
{
    struct virtio_net *self = netdev->driver;

    if (self->device->broken) {
        return false;
    }
    self->armed = true;
    bool pending = virtqueue_arm(&self->receiver.queue);
    if (self->transmit_starved && virtqueue_arm(&self->transmit_queue)) {
        pending = true;
    }
    return pending;
}

static const struct netdev_ops net_ops = {
    .transmit = transmit,
    .flush = flush,
    .poll = poll,
    .receive_free = receive_free,
    .arm = arm,
};

/*
 * Coalesced frames need GUEST_CSUM by the standard (virtio 1.2 §5.1.3.1) and
 * mergeable buffers by our buffer size; segmentation needs CSUM.
 */
static enum err negotiate(struct virtio_device *device)
{
    uint64_t features = FEATURES;
    enum err error = virtio_negotiate(device, features, 0);

    if (error != ERR_OK) {
        return error;
    }
    if (!virtio_has(device, VIRTIO_NET_F_MRG_RXBUF) ||
        !virtio_has(device, VIRTIO_NET_F_GUEST_CSUM)) {
        features &= ~FEATURES_LARGE_RECEIVE;
    }
    if (!virtio_has(device, VIRTIO_NET_F_CSUM)) {
        features &= ~FEATURES_LARGE_SEND;
    }
    return (device->features & FEATURES & ~features) != 0 ? virtio_negotiate(device, features, 0)
                                                          : ERR_OK;
}

static uint32_t netdev_features(const struct virtio_device *device)
{
    uint32_t features = 0;

    features |= virtio_has(device, VIRTIO_NET_F_CSUM) ? NETDEV_TX_CHECKSUM_BIT : 0u;
    features |= virtio_has(device, VIRTIO_NET_F_HOST_TSO4) ? NETDEV_TX_TSO4_BIT : 0u;
    features |= virtio_has(device, VIRTIO_NET_F_HOST_TSO6) ? NETDEV_TX_TSO6_BIT : 0u;
    features |= virtio_has(device, VIRTIO_NET_F_GUEST_CSUM) ? NETDEV_RX_CHECKSUM_BIT : 0u;
    features |= virtio_has(device, FEATURES_LARGE_RECEIVE) ? NETDEV_RX_LARGE_BIT : 0u;
    return features;
}

/* A group or all-zero address is not a card's; such a card gets a local random one. */
static void address_read(struct virtio_device *device, uint8_t address[ETHERNET_ADDRESS_BYTES])
{
    static const uint8_t zero[ETHERNET_ADDRESS_BYTES];

    if (virtio_has(device, VIRTIO_NET_F_MAC)) {
        virtio_config_read(device, VIRTIO_NET_CONFIG_MAC, address, ETHERNET_ADDRESS_BYTES);
        if ((address[0] & 1u) == 0 && memcmp(address, zero, sizeof(zero)) != 0) {
            return;
        }
        log_warning("net", "%s has no proper address; using a random one", device->name);
    }
    random_fill(address, ETHERNET_ADDRESS_BYTES);
    address[0] = (uint8_t)((address[0] & 0xfcu) | 0x02u);
}

static uint16_t mtu_read(struct virtio_device *device)
{
    uint16_t mtu = MTU_DEFAULT;

    if (virtio_has(device, VIRTIO_NET_F_MTU)) {
        virtio_config_read(device, VIRTIO_NET_CONFIG_MTU, &mtu, sizeof(mtu));
        if (mtu < MTU_MIN) {
            log_warning("net", "%s asks for an MTU of %u; using %u", device->name, mtu,
                        MTU_DEFAULT);
            mtu = MTU_DEFAULT;
        }
    }
    if (!virtio_has(device, VIRTIO_NET_F_MRG_RXBUF) && mtu > MTU_UNMERGED_MAX) {
        mtu = MTU_UNMERGED_MAX;
    }
    return mtu;
}

static enum err start(struct virtio_net *self)
{
    struct virtio_device *device = self->device;
    enum err error = negotiate(device);

    if (error != ERR_OK) {
        return error;
    }
    error = virtio_net_receiver_open(&self->receiver, device);
    if (error != ERR_OK) {
        return error;
    }
    error = virtio_queue_create(device, TRANSMIT_QUEUE, TRANSMIT_QUEUE_SIZE, TRANSMIT_SEGMENTS,
                                &self->transmit_queue);
    if (error != ERR_OK) {
        return error;
    }
    if (self->transmit_queue.size < TRANSMIT_SEGMENTS && self->transmit_queue.indirect == NULL) {
        return ERR_NOTSUP;
    }
    self->netdev = (struct netdev){
        .ops = &net_ops,
        .driver = self,
        .mtu_bytes = mtu_read(device),
        .features = netdev_features(device),
        .receive_pool_bytes = virtio_net_receiver_lendable_bytes(&self->receiver),
    };
    address_read(device, self->netdev.address);
    virtio_start(device);
    virtio_net_receiver_refill(&self->receiver);
    return ERR_OK;
}

enum err virtio_net_open(struct virtio_device *device, struct netdev **out)
{
    struct virtio_net *self = heap_allocate_zeroed(1, sizeof(*self));

    if (self == NULL) {
        return ERR_NOMEM;
    }
    self->device = device;
    enum err error = start(self);
    if (error != ERR_OK) {
        virtio_fail(device, error == ERR_NOMEM ? "out of memory" : "its set-up failed");
        heap_free(self);
        return error;
    }
    log_info("net", "%s: features 0x%llx, mtu %u", device->name,
             (unsigned long long)device->features, self->netdev.mtu_bytes);
    *out = &self->netdev;
    return ERR_OK;
}
