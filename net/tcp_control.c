#include "net/tcp.h"

#include "kernel/base/string.h"
#include "net/checksum.h"
#include "net/wire.h"

/* RFC 5961 §7: challenge acknowledgements of the whole stack in a second. */
#define CHALLENGES_PER_SECOND 1000u

static void put32(uint8_t *at, uint32_t value)
{
    struct be32 field = be32_make(value);
    memcpy(at, &field, sizeof(field));
}

uint8_t *tcp_header_write(struct net_packet *packet, const struct tcp_entry *entry,
                          uint32_t sequence, uint32_t acknowledgement, uint8_t flags,
                          uint32_t window, uint32_t options_bytes)
{
    struct tcp_header *header = (struct tcp_header *)(packet->header + packet->header_start);
    uint32_t header_bytes = (uint32_t)sizeof(*header) + options_bytes;

    header->source_port = be16_make(entry->local_port);
    header->destination_port = be16_make(entry->remote_port);
    header->sequence = be32_make(sequence);
    header->acknowledgement = be32_make(acknowledgement);
    header->data_offset = (uint8_t)(header_bytes << 2);
    header->flags = flags;
    header->window = be16_make(window > 0xffff ? 0xffff : (uint16_t)window);
    header->urgent = be16_make(0);
    packet->header_length_bytes = (uint16_t)header_bytes;
    return (uint8_t *)(header + 1);
}

uint8_t *tcp_option_timestamps(uint8_t *at, uint32_t value, uint32_t echo)
{
    put32(at, 0x0101080a); /* NOP NOP TIMESTAMPS 10 */
    put32(at + 4, value);
    put32(at + 8, echo);
    return at + 12;
}

/* The pseudo-header's sum goes into the checksum field (RFC 9293 §3.1; virtio 1.2 §5.1.6.2). */
void tcp_packet_send(struct net_stack *stack, struct ip_route *route, struct net_packet *packet,
                     uint32_t pseudo_sum, uint32_t payload_bytes, enum ip_ecn ecn)
{
    struct tcp_header *header = (struct tcp_header *)(packet->header + packet->header_start);
    uint32_t length = packet->header_length_bytes + payload_bytes;
    uint64_t sum = (uint64_t)pseudo_sum + __builtin_bswap32(length);

    sum = (sum & 0xffffffffu) + (sum >> 32);
    header->checksum = be16_from_sum(checksum_fold((uint32_t)sum));
    packet->checksum_partial = true;
    packet->checksum_start = 0;
    packet->checksum_offset = offsetof(struct tcp_header, checksum);
    stack->tcp->statistics.segments_sent++;
    ip_transmit_sized(stack, route, packet, IP_TCP, ecn, length);
}

/* A segment without data for an entry that holds no route. */
static void send_routed(struct net_stack *stack, const struct tcp_entry *entry,
                        struct net_packet *packet)
{
    struct ip_route route;

    if (ip_route(stack, &entry->local, &entry->remote, &route) != ERR_OK) {
        packet->done(packet);
        return;
    }
    tcp_packet_send(stack, &route, packet, ip_pseudo_sum(&entry->local, &entry->remote, IP_TCP, 0),
                    0, IP_ECN_NOT);
}

void tcp_refuse(struct net_stack *stack, const struct tcp_segment *segment)
{
    struct tcp_entry entry = {.local = segment->ip->destination,
                              .remote = segment->ip->source,
                              .local_port = segment->destination_port,
                              .remote_port = segment->source_port};
    struct net_packet *packet;

    if ((segment->flags & TCP_RST_BIT) || segment->ip->is_multicast) {
        return;
    }
    packet = net_packet_allocate(stack);
    if (packet == NULL) {
        return;
    }
    if (segment->flags & TCP_ACK_BIT) {
        tcp_header_write(packet, &entry, segment->acknowledgement, 0, TCP_RST_BIT, 0, 0);
    } else {
        tcp_header_write(packet, &entry, 0, segment->sequence + tcp_segment_span(segment),
                         TCP_RST_BIT | TCP_ACK_BIT, 0, 0);
    }
    stack->tcp->statistics.resets_sent++;
    send_routed(stack, &entry, packet);
}

bool tcp_challenge_allowed(struct net_stack *stack)
{
    struct tcp_state *tcp = stack->tcp;

    if (stack->now_ns - tcp->challenge_second_ns >= TCP_NS_PER_S) {
        tcp->challenge_second_ns = stack->now_ns;
        /* Randomised, so that the limit cannot be used as a side channel (CVE-2016-5696). */
        tcp->challenge_left =
            CHALLENGES_PER_SECOND / 2 + net_random32(stack) % CHALLENGES_PER_SECOND;
    }
    if (tcp->challenge_left == 0) {
        return false;
    }
    tcp->challenge_left--;
    tcp->statistics.challenges_sent++;
    return true;
}

void tcp_send_stray_ack(struct net_stack *stack, const struct tcp_time_wait *entry)
{
    struct net_packet *packet;
    uint8_t *options;

    if (!tcp_challenge_allowed(stack)) {
        return;
    }
    packet = net_packet_allocate(stack);
    if (packet == NULL) {
        return;
    }
    options = tcp_header_write(packet, &entry->entry, entry->send_next, entry->receive_next,
                               TCP_ACK_BIT, 0, entry->timestamps ? 12 : 0);
    if (entry->timestamps) {
        tcp_option_timestamps(options, tcp_timestamp(stack, entry->timestamp_offset),
                              entry->peer_timestamp);
    }
    send_routed(stack, &entry->entry, packet);
}

struct syn_fields {
    uint16_t mss;
    uint32_t timestamp;
    uint32_t timestamp_echo;
};

static uint32_t syn_option_bytes(const struct tcp_options *options)
{
    return 4 +
           (options->timestamps ? 12
            : options->sack     ? 4
                                : 0) +
           (options->window_scaling ? 4 : 0);
}

/* In the order and alignment that everyone uses. */
static void write_syn_options(uint8_t *at, const struct tcp_options *options,
                              const struct syn_fields *fields)
{
    put32(at, 0x02040000u | fields->mss);
    at += 4;
    if (options->timestamps) {
        at = tcp_option_timestamps(at, fields->timestamp, fields->timestamp_echo);
        if (options->sack) { /* takes the place of the two NOPs */
            at[-12] = 4;
            at[-11] = 2;
        }
    } else if (options->sack) {
        put32(at, 0x01010402u);
        at += 4;
    }
    if (options->window_scaling) {
        put32(at, 0x01030300u | options->receive_shift);
    }
}

void tcp_send_syn(struct tcp_socket *sock, bool with_ack)
{
    struct net_stack *stack = tcp_stack(sock);
    struct net_packet *packet = net_packet_allocate(stack);
    struct syn_fields fields = {.mss = tcp_offered_mss(stack, &sock->route),
                                .timestamp = tcp_timestamp(stack, sock->timestamp_offset),
                                .timestamp_echo = with_ack ? sock->peer_timestamp : 0};
    uint8_t flags = with_ack ? TCP_SYN_BIT | TCP_ACK_BIT : TCP_SYN_BIT;
    uint8_t *options;

    if (packet == NULL) {
        return;
    }
    if (sock->options.ecn) {
        flags |= with_ack ? TCP_ECE_BIT : TCP_ECE_BIT | TCP_CWR_BIT;
    }
    uint32_t window = sock->receive_limit_bytes < 65535 ? sock->receive_limit_bytes : 65535;

    sock->receive_edge = sock->receive_next + window;
    options = tcp_header_write(packet, &sock->entry, sock->initial_send,
                               with_ack ? sock->receive_next : 0, flags, window,
                               syn_option_bytes(&sock->options));
    write_syn_options(options, &sock->options, &fields);
    tcp_packet_send(stack, &sock->route, packet, sock->pseudo_sum, 0, IP_ECN_NOT);
}

void tcp_send_syn_ack(struct net_stack *stack, struct tcp_request *request, uint32_t timestamp)
{
    struct tcp_entry *entry = &request->entry;
    struct ip_route route;
    struct syn_fields fields = {.timestamp = timestamp, .timestamp_echo = request->peer_timestamp};
    struct net_packet *packet;
    uint8_t flags = TCP_SYN_BIT | TCP_ACK_BIT;
    uint8_t *options;

    if (ip_route(stack, &entry->local, &entry->remote, &route) != ERR_OK) {
        return;
    }
    packet = net_packet_allocate(stack);
    if (packet == NULL) {
        return;
    }
    if (request->options.ecn) {
        flags |= TCP_ECE_BIT; /* RFC 3168 §6.1.1 */
    }
    fields.mss = tcp_offered_mss(stack, &route);
    options = tcp_header_write(packet, entry, request->initial_send, request->initial_receive + 1,
                               flags, request->receive_window, syn_option_bytes(&request->options));
    write_syn_options(options, &request->options, &fields);
    tcp_packet_send(stack, &route, packet, ip_pseudo_sum(&entry->local, &entry->remote, IP_TCP, 0),
                    0, IP_ECN_NOT);
}

void tcp_send_reset(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);
    struct net_packet *packet = net_packet_allocate(stack);
    bool timestamps = sock->options.timestamps && tcp_is_synchronized(sock);
    uint8_t *options;

    if (packet == NULL) {
        return;
    }
    options = tcp_header_write(packet, &sock->entry, sock->send_next, sock->receive_next,
                               TCP_RST_BIT | TCP_ACK_BIT, 0, timestamps ? 12 : 0);
    if (timestamps) { /* RFC 7323 §3.2: it should be there on a reset, too */
        tcp_option_timestamps(options, tcp_timestamp(stack, sock->timestamp_offset),
                              sock->peer_timestamp);
    }
    stack->tcp->statistics.resets_sent++;
    tcp_packet_send(stack, &sock->route, packet, sock->pseudo_sum, 0, IP_ECN_NOT);
}
