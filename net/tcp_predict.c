/*
 * The usual segments of an established connection while nothing is lost, reordered or held back
 * (Van Jacobson's header prediction, both ways): in comes the next in order or news of what we
 * sent, out goes all there is to send, in one segment, when nothing is in flight. It takes a few
 * dozen comparisons to see that none of the rules for everything else apply; what those would
 * have done is then short. Whatever looks unusual is left, untouched, to tcp_input.c and
 * tcp_output.c.
 */
#include "net/tcp.h"

#include "kernel/base/inline.h"
#include "kernel/base/string.h"
#include "net/checksum.h"
#include "net/wire.h"

/* NOP, NOP, TIMESTAMPS, 10 (RFC 7323 appendix A), as it lies in memory. */
#define TIMESTAMPS_WORD 0x0a080101u

struct usual_header {
    struct tcp_header tcp;
    uint8_t options[4];
    struct be32 timestamp_value;
    struct be32 timestamp_echo;
};
_Static_assert(sizeof(struct usual_header) == 32, "RFC 7323 appendix A");

/* ---- Input ------------------------------------------------------------------------------------
 */

/* Loss, reordering, a FIN, half an end: each has rules of its own. */
ALWAYS_INLINE bool is_unusual(const struct tcp_socket *sock)
{
    uint32_t any = sock->sacked_bytes | sock->lost_bytes | sock->duplicate_acks |
                   sock->duplicate_bytes | sock->undo_cwnd | sock->range_count;

    any |= (uint32_t)(sock->status ^ TCP_ESTABLISHED) | sock->recovery;
    any |= (uint32_t)sock->probe_outstanding | sock->fin_known | sock->receive_shut;
    return any != 0;
}

/*
 * Whether the segment is one that acknowledge() and tcp_receive_part() cover: it changes
 * nothing.
 */
ALWAYS_INLINE bool is_predicted(const struct tcp_socket *sock, const struct usual_header *header,
                                uint32_t length)
{
    uint32_t sequence = be32_get(header->tcp.sequence);
    uint32_t acked = be32_get(header->tcp.acknowledgement) - sock->send_una;

    if (is_unusual(sock) || sequence != sock->receive_next ||
        (length != 0 && net_pressure(tcp_stack(sock)) != NET_PRESSURE_RELAXED) ||
        (int32_t)(sock->receive_edge - sequence - length) < 0 ||
        acked > sock->send_next - sock->send_una || seq_before(sequence, sock->send_wl1)) {
        return false;
    }
    /* A duplicate, a probe, a change of the window alone; a window that something waits for. */
    return acked != 0 || (length != 0 && sock->send_next == tcp_send_limit(sock));
}

/* All that `ack` covers goes; returns the round-trip time of the first, or 0 (Karn's rule). */
ALWAYS_INLINE uint64_t take_records(struct tcp_socket *sock, uint32_t ack)
{
    struct net_stack *stack = tcp_stack(sock);
    struct tcp_record *record = sock->record_first;
    uint64_t rtt_ns = 0;

    if (record != NULL && !seq_after(record->end, ack) &&
        (record->flags & TCP_RECORD_RETRANSMITTED_BIT) == 0) {
        rtt_ns = stack->now_ns - record->sent_ns;
    }
    while (record != NULL && !seq_after(record->end, ack)) {
        struct tcp_record *next = record->next;
        tcp_record_release(stack, record);
        record = next;
    }
    sock->record_first = record;
    if (record == NULL) {
        sock->record_last = NULL;
    } else {
        record->previous = NULL;
        record->start = seq_later(record->start, ack);
    }
    return rtt_ns;
}

/* tcp_send_release; an answer in one small block that the device is through with goes at once. */
ALWAYS_INLINE void release(struct tcp_socket *sock, uint32_t ack)
{
    struct tcp_block *block = sock->block_first;

    if (block != sock->block_last || block->references != 1 || ack != sock->send_end ||
        !tcp_block_keep_spare(sock->base.stack, block)) {
        tcp_send_release(sock, ack);
        return;
    }
    sock->block_first = NULL;
    sock->block_last = NULL;
    sock->block_next = NULL;
}

/* As tcp_acknowledge, for an acknowledgement of something new while nothing is lost. */
ALWAYS_INLINE void acknowledge(struct tcp_socket *sock, uint32_t ack)
{
    struct net_stack *stack = tcp_stack(sock);
    uint32_t queued_before = sock->send_end - sock->send_una;
    uint32_t acked_bytes = ack - sock->send_una;
    bool was_writable =
        !sock->starved && (queued_before <= sock->send_limit_bytes / 2 || tcp_is_writable(sock));
    bool limited = tcp_window_is_used(sock);
    uint64_t rtt_ns = take_records(sock, ack);

    /*
     * RACK's newest delivery (RFC 8985 §6.2) matters once something is selectively acknowledged,
     * and that was sent later than all this.
     */
    sock->forward_ack = ack;
    release(sock, ack);
    sock->send_una = ack;
    if (sock->charged_pages != 0) {
        tcp_peer_charge(sock);
    }
    sock->starved = false;
    sock->retries = 0;
    sock->backoff = 0;
    sock->unanswered_ns = ack == sock->send_next ? 0 : stack->now_ns;
    if (rtt_ns != 0) {
        tcp_rtt_sample(sock, rtt_ns);
    }
    tcp_confirm_route(sock);
    if (limited) {
        tcp_congestion_acked(sock, acked_bytes, rtt_ns);
    }
    sock->send_timer = TCP_SEND_NONE;
    if (ack == tcp_send_limit(sock)) {
        tcp_timer_clear(sock, TCP_TIMER_SEND);
    } else {
        tcp_arm_send_timer(sock);
        if (sock->send_next != tcp_send_limit(sock)) {
            tcp_mark_pending(sock);
        }
    }
    if (sock->cwnd > sock->send_limit_bytes / 2) {
        tcp_send_buffer_grow(sock);
    }
    if (!was_writable && tcp_is_writable(sock)) {
        tcp_wake(sock);
    }
}

/* RFC 9293 §3.10.7.4; the sequence number is not older than that of the last update. */
ALWAYS_INLINE void take_window(struct tcp_socket *sock, const struct usual_header *header)
{
    uint32_t window = (uint32_t)be16_get(header->tcp.window) << sock->options.send_shift;

    sock->send_window = window;
    sock->send_wl1 = sock->receive_next;
    sock->send_wl2 = be32_get(header->tcp.acknowledgement);
    if (window > sock->send_window_maximum) {
        sock->send_window_maximum = window;
    }
}

ALWAYS_INLINE struct tcp_socket *find_socket(struct net_stack *stack, const struct ip_received *ip,
                                             const struct usual_header *header)
{
    struct tcp_entry *entry =
        tcp_find_here(stack, &ip->destination, be16_get(header->tcp.destination_port), &ip->source,
                      be16_get(header->tcp.source_port));

    if (entry == NULL || entry->kind != TCP_ENTRY_SOCKET) {
        return NULL;
    }
    return (struct tcp_socket *)((char *)entry - offsetof(struct tcp_socket, entry));
}

bool tcp_input_predicted(struct net_stack *stack, struct net_buffer *chain,
                         const struct ip_received *ip)
{
    const struct usual_header *header =
        (const struct usual_header *)(chain->data + ip->payload_offset);
    uint32_t header_bytes = sizeof(struct tcp_header);
    struct tcp_socket *sock;
    uint32_t length;
    uint32_t options;

    if (chain->next_part != NULL || ip->payload_bytes < header_bytes ||
        chain->length_bytes < ip->payload_offset + ip->payload_bytes ||
        (header->tcp.flags & ~TCP_PSH_BIT) != TCP_ACK_BIT || ip->ecn == IP_ECN_CE ||
        (!ip->checksum_valid && !tcp_checksum_is_right(chain, ip))) {
        return false;
    }
    sock = find_socket(stack, ip, header);
    if (sock == NULL) {
        return false;
    }
    if (sock->options.timestamps) {
        header_bytes = sizeof(*header);
        memcpy(&options, header->options, sizeof(options));
        /* The last is RFC 7323 §5.3 R1. */
        if (ip->payload_bytes < header_bytes || options != TIMESTAMPS_WORD ||
            seq_before(be32_get(header->timestamp_value), sock->peer_timestamp)) {
            return false;
        }
    }
    length = ip->payload_bytes - header_bytes;
    if (header->tcp.data_offset >> 4 != header_bytes / 4 || !is_predicted(sock, header, length)) {
        return false;
    }

    sock->heard_ns = stack->now_ns;
    sock->keep_probes = 0;
    take_window(sock, header);
    if (sock->send_wl2 != sock->send_una) {
        acknowledge(sock, sock->send_wl2);
    }
    if (sock->options.timestamps && sock->receive_next == sock->receive_acked) {
        /* RFC 7323 §4.3: the segment that the next acknowledgement answers. */
        sock->peer_timestamp = be32_get(header->timestamp_value);
        sock->peer_timestamp_ns = stack->now_ns;
    }
    if (length == 0) {
        net_buffer_free(stack, chain);
        return true;
    }
    tcp_receive_part(sock, chain, ip->payload_offset + header_bytes, length);
    tcp_wake(sock);
    return true;
}

/* ---- Output -----------------------------------------------------------------------------------
 */

/* RFC 8985 §7.2 and RFC 6298, for one segment in flight that was sent once. */
ALWAYS_INLINE void arm_for_one(struct tcp_socket *sock)
{
    uint64_t probe_us = 2 * (uint64_t)sock->srtt_us + TCP_ACK_DELAY_MAX_US;
    uint64_t delay_us = probe_us < sock->rto_us ? probe_us : sock->rto_us;

    if (!sock->options.sack || sock->srtt_us == 0 || sock->retries != 0) {
        tcp_arm_send_timer(sock);
        return;
    }
    sock->send_timer = TCP_SEND_PROBE_LOSS;
    tcp_timer_set(sock, TCP_TIMER_SEND, tcp_stack(sock)->now_ns + delay_us * TCP_NS_PER_US);
}

/* The window that the peer has been told, unless so much of it is used that it may move. */
ALWAYS_INLINE uint32_t offered_window(struct tcp_socket *sock)
{
    uint32_t left = sock->receive_edge - sock->receive_next;
    uint32_t used = sock->receive_limit_bytes - left;

    if (used >= sock->receive_mss || used >= sock->receive_limit_bytes / 2) {
        left = tcp_receive_window(sock);
    }
    left >>= sock->options.receive_shift;
    return left < 0xffff ? left : 0xffff;
}

/* Returns its length in bytes. */
ALWAYS_INLINE uint32_t write_header(struct tcp_socket *sock, struct net_packet *packet,
                                    uint32_t length)
{
    struct net_stack *stack = tcp_stack(sock);
    struct usual_header *header = (struct usual_header *)(packet->header + IP_TRANSPORT_START);
    uint32_t header_bytes = sock->options.timestamps ? sizeof(*header) : sizeof(header->tcp);
    uint64_t sum = (uint64_t)sock->pseudo_sum + __builtin_bswap32(header_bytes + length);
    const uint32_t option = TIMESTAMPS_WORD;

    header->tcp.source_port = be16_make(sock->entry.local_port);
    header->tcp.destination_port = be16_make(sock->entry.remote_port);
    header->tcp.sequence = be32_make(sock->send_next);
    header->tcp.acknowledgement = be32_make(sock->receive_next);
    header->tcp.data_offset = (uint8_t)(header_bytes << 2);
    header->tcp.flags = TCP_ACK_BIT | TCP_PSH_BIT;
    header->tcp.window = be16_make((uint16_t)offered_window(sock));
    sum = (sum & 0xffffffffu) + (sum >> 32);
    header->tcp.checksum = be16_from_sum(checksum_fold((uint32_t)sum));
    header->tcp.urgent = be16_make(0);
    if (sock->options.timestamps) {
        memcpy(header->options, &option, sizeof(option));
        header->timestamp_value = be32_make(tcp_timestamp(stack, sock->timestamp_offset));
        header->timestamp_echo = be32_make(sock->peer_timestamp);
    }
    packet->header_length_bytes = (uint16_t)header_bytes;
    packet->checksum_partial = true;
    packet->checksum_offset = offsetof(struct tcp_header, checksum);
    return header_bytes;
}

/* All `length` bytes that are queued fit one segment, the windows, and one block. */
ALWAYS_INLINE bool is_sendable(const struct tcp_socket *sock, uint32_t length)
{
    const struct net_stack *stack = tcp_stack(sock);
    const struct tcp_block *block = sock->block_first;
    uint32_t most = sock->mss - (sock->options.timestamps ? 12u : 0u);

    most = most < sock->send_window ? most : sock->send_window;
    most = most < sock->cwnd ? most : sock->cwnd;
    if (is_unusual(sock) || sock->send_una != sock->send_next || length == 0 || length > most ||
        stack->now_ns - sock->sent_ns > sock->rto_us * TCP_NS_PER_US) {
        return false;
    }
    return (sock->starved | sock->options.ecn | stack->transmit_blocked) == 0 &&
           sock->duplicate.start == sock->duplicate.end && sock->backoff == 0 &&
           sock->send_end - block->sequence <= block->used_bytes;
}

/* tcp_unmark_pending for the first of all. */
ALWAYS_INLINE void take_from_pending(struct tcp_socket *sock)
{
    struct tcp_state *tcp = tcp_stack(sock)->tcp;
    struct tcp_socket *next = sock->pending_next;

    sock->pending = false;
    tcp->pending_first = next;
    if (next != NULL) {
        next->pending_previous = NULL;
    } else {
        tcp->pending_last = NULL;
    }
}

bool tcp_output_predicted(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);
    struct tcp_block *block = sock->block_first;
    uint32_t length = sock->send_end - sock->send_next;
    uint32_t header_bytes;
    struct tcp_record *record;
    struct net_packet *packet;

    if (!is_sendable(sock, length)) {
        return false;
    }
    if (tcp_queued_bytes(sock) / TCP_PEER_PAGE_BYTES != sock->charged_pages) {
        tcp_peer_charge(sock);
    }
    record = tcp_record_append(sock, sock->send_next, sock->send_end);
    if (record == NULL) {
        return false;
    }
    packet = net_packet_allocate(stack);
    if (packet == NULL) {
        tcp_record_remove(sock, record);
        return false;
    }
    packet->done = tcp_packet_done;
    packet->owner = block;
    packet->fragment_count = 1;
    packet->fragments[0] = (struct net_fragment){
        .data = block->data + (sock->send_next - block->sequence), .length_bytes = length};
    block->references++;
    sock->block_next = block;
    header_bytes = write_header(sock, packet, length);

    record->segment_bytes = (uint16_t)(sock->mss + sizeof(struct tcp_header) - header_bytes);
    if (length != record->segment_bytes) {
        sock->small_end = sock->send_end;
    }
    sock->cwnd_limited = length + record->segment_bytes > sock->cwnd;
    sock->flight_maximum = length;
    sock->send_next = sock->send_end;
    sock->use_end = sock->send_end;
    sock->sent_ns = stack->now_ns;
    sock->unanswered_ns = stack->now_ns;
    sock->receive_acked = sock->receive_next;
    sock->ack_now = false;
    sock->ack_pending = 0;
    tcp_timer_clear(sock, TCP_TIMER_ACK);
    arm_for_one(sock);
    take_from_pending(sock);
    stack->tcp->statistics.segments_sent++;
    ip_transmit_sized(stack, &sock->route, packet, IP_TCP, IP_ECN_NOT, header_bytes + length);
    return true;
}

/* ---- Calls of the application ------------------------------------------------------------------
 */

static bool is_stream(const struct net_socket *socket)
{
    return socket->protocol == &tcp_socket_protocol;
}

void *net_socket_put_begin(struct net_socket *socket, size_t length_bytes)
{
    struct tcp_socket *sock = tcp_socket_of(socket);
    struct tcp_block *block;

    if (!is_stream(socket) || (sock->status ^ TCP_ESTABLISHED) | socket->error | sock->starved ||
        sock->block_first != NULL || sock->send_una != sock->send_end ||
        length_bytes > sock->send_limit_bytes) {
        return NULL;
    }
    block = tcp_block_take_spare(socket->stack, length_bytes);
    if (block == NULL) {
        return NULL;
    }
    block->sequence = sock->send_end;
    sock->block_first = block;
    sock->block_last = block;
    return block->data;
}

void net_socket_put_end(struct net_socket *socket, size_t length_bytes)
{
    struct tcp_socket *sock = tcp_socket_of(socket);

    sock->block_last->used_bytes = (uint32_t)length_bytes;
    sock->send_end += (uint32_t)length_bytes;
    tcp_mark_pending(sock);
}

bool net_socket_take_begin(const struct net_socket *socket, struct net_const_span *out)
{
    const struct net_buffer *part = ((const struct tcp_socket *)socket)->receive_first;

    if (!is_stream(socket) || part == NULL || part->next_packet != NULL) {
        return false;
    }
    *out = (struct net_const_span){part->data, part->length_bytes};
    return true;
}

void net_socket_take_end(struct net_socket *socket)
{
    struct tcp_socket *sock = tcp_socket_of(socket);

    tcp_receive_take(sock);
    if (tcp_window_update_due(sock) && tcp_is_synchronized(sock)) {
        tcp_mark_pending(sock);
    }
}
