/*
 * A network card in front of the network card: the stack sees this one, and every frame passes
 * through it. What the stack dropped shows in its counters: those that grew while a frame
 * was handed to it name the reason.
 */
#include "trace/net.h"

#include <stddef.h>

#include "kernel/base/string.h"
#include "net/ip_statistics.h"
#include "net/tcp_types.h"
#include "trace/packet.h"
#include "trace/stats.h"
#include "trace/trace.h"
#include "trace/wrap.h"

static struct {
    struct netdev front; /* what the stack sees */
    struct netdev *device;
    struct net_stack *stack;
} net;

static struct trace_text text;

/* ---- Counters of the stack ---------------------------------------------------------------------
 */

#define IP(field)  {#field, false, offsetof(struct ip_statistics, dropped_##field)}
#define TCP(field) {#field, true, offsetof(struct tcp_statistics, field)}
/* What a frame, a packet or a segment was dropped for; the names are those of the headers. */
static const struct {
    const char *name;
    bool is_tcp;
    size_t offset;
} drops[] = {
    IP(frame),
    IP(arp),
    IP(header),
    IP(address),
    IP(fragment),
    IP(icmp),
    IP(ndp),
    IP(udp),
    IP(dhcp),
    IP(dns),
    IP(unroutable),
    IP(backlog),
    IP(memory),
    TCP(segments_malformed),
    TCP(cookies_rejected),
    TCP(accept_overflows),
    TCP(packets_dropped),
};
#undef IP
#undef TCP
#define DROP_COUNT (sizeof(drops) / sizeof(drops[0]))

static uint64_t drop_count(size_t index)
{
    const void *base = ip_statistics_of(net.stack);
    uint64_t value;

    if (drops[index].is_tcp) {
        if (net.stack->tcp == NULL) {
            return 0;
        }
        base = &net.stack->tcp->statistics;
    }
    memcpy(&value, (const uint8_t *)base + drops[index].offset, sizeof(value));
    return value;
}

void trace_net_report(void (*number)(const char *name, uint64_t value))
{
    for (size_t i = 0; net.stack != NULL && i < DROP_COUNT; i++) {
        uint64_t value = drop_count(i);
        if (value != 0) {
            number(drops[i].name, value);
        }
    }
}

void trace_net_tcp_report(void (*number)(const char *name, uint64_t value))
{
    if (net.stack == NULL || net.stack->tcp == NULL) {
        return;
    }
    const struct tcp_statistics *tcp = &net.stack->tcp->statistics;
    number("segments_in", tcp->segments_received);
    number("segments_out", tcp->segments_sent);
    number("retransmissions", tcp->retransmissions);
    number("resets_in", tcp->resets_received);
    number("resets_out", tcp->resets_sent);
}

/* ---- Frames ------------------------------------------------------------------------------------
 */

static size_t copy_part(uint8_t *out, size_t used_bytes, const void *data, size_t size_bytes)
{
    size_t room = TRACE_FRAME_SHOWN_BYTES - used_bytes;
    size_t count = size_bytes < room ? size_bytes : room;

    memcpy(out + used_bytes, data, count);
    return used_bytes + count;
}

static size_t packet_bytes(const struct net_packet *packet)
{
    size_t total_bytes = packet->header_length_bytes;

    for (size_t i = 0; i < packet->fragment_count; i++) {
        total_bytes += packet->fragments[i].length_bytes;
    }
    return total_bytes;
}

static size_t packet_head(const struct net_packet *packet, uint8_t *out)
{
    size_t used =
        copy_part(out, 0, packet->header + packet->header_start, packet->header_length_bytes);

    for (size_t i = 0; i < packet->fragment_count; i++) {
        used = copy_part(out, used, packet->fragments[i].data, packet->fragments[i].length_bytes);
    }
    return used;
}

static void add_gso(uint8_t gso, unsigned size_bytes)
{
    if (gso != NET_GSO_NONE) {
        trace_text_add(&text, " in segments of %u", size_bytes);
    }
}

static enum err transmit(struct netdev *front, struct net_packet *packet)
{
    (void)front;
    size_t total_bytes = packet_bytes(packet);
    bool shown = trace_is_on(TRACE_NET);
    if (shown) {
        uint8_t head[TRACE_FRAME_SHOWN_BYTES];
        trace_text_clear(&text);
        trace_text_add(&text, "out ");
        trace_packet(&text, head, packet_head(packet, head), total_bytes);
        add_gso(packet->gso, packet->gso_size_bytes);
    }
    /* The packet may be gone afterwards. */
    enum err error = net.device->ops->transmit(net.device, packet);
    if (error == ERR_OK) {
        stats.packets_out++;
        stats.bytes_out += total_bytes;
    } else if (shown) {
        trace_text_add(&text, ", not now: the device is full");
    }
    if (shown) {
        trace_line(TRACE_NET, &text);
    }
    return error;
}

static void receive(void *context, struct net_buffer *chain)
{
    uint64_t before[DROP_COUNT];

    (void)context;
    stats.packets_in++;
    stats.bytes_in += chain->total_bytes;
    if (!trace_is_on(TRACE_NET)) {
        net.front.receive(net.front.stack, chain);
        return;
    }
    uint8_t head[TRACE_FRAME_SHOWN_BYTES];
    size_t used = 0;
    for (const struct net_buffer *part = chain; part != NULL; part = part->next_part) {
        used = copy_part(head, used, part->data, part->length_bytes);
    }
    trace_text_clear(&text);
    trace_text_add(&text, "in  ");
    trace_packet(&text, head, used, chain->total_bytes);
    add_gso(chain->gso, chain->gso_size_bytes);
    trace_line(TRACE_NET, &text);
    for (size_t i = 0; i < DROP_COUNT; i++) {
        before[i] = drop_count(i);
    }
    net.front.receive(net.front.stack, chain);
    for (size_t i = 0; i < DROP_COUNT; i++) {
        if (drop_count(i) != before[i]) {
            trace_text_clear(&text);
            trace_text_add(&text, "    dropped: %s", drops[i].name);
            trace_line(TRACE_NET, &text);
        }
    }
}

static void flush(struct netdev *front)
{
    (void)front;
    net.device->ops->flush(net.device);
}

static size_t poll(struct netdev *front, size_t budget)
{
    (void)front;
    return net.device->ops->poll(net.device, budget);
}

static void receive_free(struct netdev *front, struct net_buffer *chain)
{
    (void)front;
    net.device->ops->receive_free(net.device, chain);
}

static bool arm(struct netdev *front)
{
    (void)front;
    return net.device->ops->arm(net.device);
}

struct netdev *__wrap_drivers_network_device(void)
{
    static const struct netdev_ops ops = {
        .transmit = transmit,
        .flush = flush,
        .poll = poll,
        .receive_free = receive_free,
        .arm = arm,
    };
    struct netdev *device = __real_drivers_network_device();

    if (device == NULL || (!trace_is_on(TRACE_NET) && !trace_stats_are_on())) {
        return device;
    }
    if (net.device == NULL) {
        net.device = device;
        net.front = *device;
        net.front.ops = &ops;
        device->receive = receive;
    }
    return &net.front;
}

enum err __wrap_net_stack_create(const struct net_hooks *hooks, struct netdev *device,
                                 const struct net_config *config, struct net_stack **out)
{
    enum err error = __real_net_stack_create(hooks, device, config, out);

    if (error == ERR_OK) {
        net.stack = *out;
    }
    return error;
}

void __wrap_loopback_transmit(struct net_stack *stack, struct net_packet *packet)
{
    if (trace_is_on(TRACE_NET)) {
        uint8_t head[TRACE_FRAME_SHOWN_BYTES];
        trace_text_clear(&text);
        trace_text_add(&text, "lo  ");
        trace_packet_ip(&text, head, packet_head(packet, head), packet_bytes(packet));
        trace_line(TRACE_NET, &text);
    }
    __real_loopback_transmit(stack, packet);
}
