#include "net/tcp.h"

#include "kernel/base/string.h"
#include "net/wire.h"

static void put32(uint8_t *at, uint32_t value)
{
    struct be32 field = be32_make(value);
    memcpy(at, &field, sizeof(field));
}

/* SACK blocks that fit beside the timestamps in 40 bytes of options (RFC 2018 §3). */
static uint32_t sack_blocks(const struct tcp_socket *sock)
{
    uint32_t count = sock->range_count + (sock->duplicate.start != sock->duplicate.end);
    uint32_t most = sock->options.timestamps ? 3 : 4;

    if (!sock->options.sack) {
        return 0;
    }
    return count < most ? count : most;
}

uint32_t tcp_sack_option_bytes(const struct tcp_socket *sock)
{
    uint32_t blocks = sack_blocks(sock);

    return blocks != 0 ? 4 + 8 * blocks : 0;
}

static uint8_t *put_block(uint8_t *at, uint32_t start, uint32_t end)
{
    put32(at, start);
    put32(at + 4, end);
    return at + 8;
}

/* RFC 2018 §4: first what arrived last; RFC 2883 §4: a duplicate before everything else. */
static void write_sack(struct tcp_socket *sock, uint8_t *at, uint32_t blocks)
{
    put32(at, 0x01010500u | (2 + 8 * blocks));
    at += 4;
    if (sock->duplicate.start != sock->duplicate.end) {
        at = put_block(at, sock->duplicate.start, sock->duplicate.end);
        sock->duplicate.end = sock->duplicate.start;
        blocks--;
    }
    for (struct tcp_range *range = sock->ranges; range != NULL && blocks > 0; range = range->next) {
        if (range->start == sock->range_recent) {
            at = put_block(at, range->start, range->end);
            blocks--;
            break;
        }
    }
    for (struct tcp_range *range = sock->ranges; range != NULL && blocks > 0; range = range->next) {
        if (range->start != sock->range_recent) {
            at = put_block(at, range->start, range->end);
            blocks--;
        }
    }
    /* The recent range may have been merged away: repeat one rather than leave bytes unset. */
    for (; blocks > 0 && sock->ranges != NULL; blocks--) {
        at = put_block(at, sock->ranges->start, sock->ranges->end);
    }
}

/* Header, options and all that an acknowledgement implies; the data is there already. */
static void send_segment(struct tcp_socket *sock, struct net_packet *packet, uint32_t sequence,
                         uint32_t length, uint8_t flags)
{
    struct net_stack *stack = tcp_stack(sock);
    uint32_t option_bytes = tcp_option_bytes(sock);
    uint32_t window = tcp_receive_window(sock) >> sock->options.receive_shift;
    enum ip_ecn ecn = IP_ECN_NOT;
    uint8_t *options;

    if (sock->options.ecn) {
        flags |= sock->ecn_echo ? TCP_ECE_BIT : 0;
        if (length > 0 && sequence == sock->send_next) { /* RFC 3168 §6.1.5: not on what was lost */
            ecn = IP_ECN_ECT0;
            flags |= sock->ecn_reduced ? TCP_CWR_BIT : 0;
            sock->ecn_reduced = false;
        }
    }
    options = tcp_header_write(packet, &sock->entry, sequence, sock->receive_next, flags, window,
                               option_bytes);
    if (sock->options.timestamps) {
        options = tcp_option_timestamps(options, tcp_timestamp(stack, sock->timestamp_offset),
                                        sock->peer_timestamp);
    }
    if (option_bytes > (sock->options.timestamps ? 12u : 0u)) {
        write_sack(sock, options, sack_blocks(sock));
    }
    if (length + option_bytes > sock->mss) {
        packet->gso = sock->route.is_ipv4 ? NET_GSO_TCP4 : NET_GSO_TCP6;
        packet->gso_size_bytes = (uint16_t)(sock->mss - option_bytes);
    }
    sock->receive_acked = sock->receive_next;
    sock->ack_now = false;
    sock->ack_pending = 0;
    sock->deadline_ns[TCP_TIMER_ACK] = TIMER_NONE;
    tcp_packet_send(stack, &sock->route, packet, sock->pseudo_sum, length, ecn);
}

/* The device is through: the blocks lose the packet's references. */
void tcp_packet_done(struct net_packet *packet)
{
    struct tcp_block *block = packet->owner;
    struct net_stack *stack = block->stack;

    for (unsigned i = 0; i < packet->fragment_count; i++) {
        struct tcp_block *next = block->next;
        tcp_block_unref(block);
        block = next;
    }
    net_packet_release(stack, packet);
}

/* How much one packet may carry: all that segmentation offload takes, or one segment. */
static uint32_t packet_bytes_maximum(const struct tcp_socket *sock)
{
    uint32_t feature = sock->route.is_ipv4 ? NETDEV_TX_TSO4_BIT : NETDEV_TX_TSO6_BIT;
    uint32_t payload = tcp_payload_mss(sock);

    if ((ip_route_features(tcp_stack(sock), &sock->route) & feature) == 0) {
        return payload;
    }
    if (payload >= TCP_GSO_BYTES_MAX) {
        return payload; /* loopback */
    }
    return TCP_GSO_BYTES_MAX - TCP_GSO_BYTES_MAX % payload;
}

/* Returns the number of data bytes sent (fewer when fragments run out); false: no memory. */
static bool send_data(struct tcp_socket *sock, uint32_t start, uint32_t *length, bool fin)
{
    struct net_stack *stack = tcp_stack(sock);
    struct net_packet *packet = net_packet_allocate(stack);
    uint8_t flags = TCP_ACK_BIT;
    uint32_t attached = 0;

    if (packet == NULL) {
        stack->tcp->statistics.packets_dropped++;
        return false;
    }
    if (*length > 0) {
        packet->done = tcp_packet_done;
        attached = tcp_send_attach(sock, packet, start, *length);
        if (attached < *length) {
            uint32_t payload = tcp_payload_mss(sock);
            fin = false;
            *length = attached;
            if (attached > payload) {
                /* What is cut off at the end stays referenced, only not sent. */
                uint32_t excess = attached % payload;
                struct net_fragment *last = &packet->fragments[packet->fragment_count - 1];
                if (last->length_bytes > excess) {
                    last->length_bytes -= excess;
                    *length -= excess;
                }
            }
        }
    }
    if (*length > 0 && start + *length == sock->send_end) {
        flags |= TCP_PSH_BIT;
    }
    if (fin) {
        flags |= TCP_FIN_BIT;
    }
    sock->sent_ns = stack->now_ns;
    if (sock->unanswered_ns == 0) {
        sock->unanswered_ns = stack->now_ns;
    }
    send_segment(sock, packet, start, *length, flags);
    return true;
}

void tcp_send_ack(struct tcp_socket *sock)
{
    struct net_packet *packet = net_packet_allocate(tcp_stack(sock));

    if (packet == NULL) {
        tcp_timer_set(sock, TCP_TIMER_ACK, tcp_stack(sock)->now_ns + TCP_DELAYED_ACK_NS);
        return;
    }
    send_segment(sock, packet, sock->send_next, 0, TCP_ACK_BIT);
}

void tcp_send_challenge(struct tcp_socket *sock)
{
    if (tcp_challenge_allowed(tcp_stack(sock))) {
        tcp_send_ack(sock);
    }
}

void tcp_send_probe(struct tcp_socket *sock)
{
    struct net_packet *packet = net_packet_allocate(tcp_stack(sock));

    if (packet != NULL) {
        send_segment(sock, packet, sock->send_una - 1, 0, TCP_ACK_BIT);
    }
}

bool tcp_retransmit(struct tcp_socket *sock, struct tcp_record *record, uint32_t limit_bytes)
{
    struct net_stack *stack = tcp_stack(sock);
    uint32_t most = packet_bytes_maximum(sock);
    uint32_t data_end = seq_earlier(record->end, sock->send_end);
    uint32_t length = data_end - record->start;
    bool fin = record->end != data_end;
    uint32_t wanted;
    uint32_t sent_end;

    most = most < limit_bytes ? most : limit_bytes;
    if (length > most) {
        length = most;
        fin = false;
    }
    wanted = length;
    if (!send_data(sock, record->start, &length, fin)) {
        return false;
    }
    sent_end = record->start + length + (fin && length == wanted);
    if (sent_end != record->end && !tcp_record_split(sock, record, sent_end)) {
        return false; /* it counts as lost still: no harm but a duplicate */
    }
    length = record->end - record->start;
    if (record->flags & TCP_RECORD_LOST_BIT) {
        sock->lost_bytes -= length;
    }
    record->flags =
        (uint8_t)((record->flags & ~TCP_RECORD_LOST_BIT) | TCP_RECORD_RETRANSMITTED_BIT);
    record->sent_ns = stack->now_ns;
    record->segment_bytes = (uint16_t)tcp_payload_mss(sock);
    sock->prr_out += length;
    stack->tcp->statistics.retransmissions++;
    return true;
}

/* RFC 6675 §5 (C): lost data first, in order, as the congestion window allows. */
static bool retransmit_lost(struct tcp_socket *sock)
{
    bool any = false;

    for (struct tcp_record *record = sock->record_first; record != NULL && sock->lost_bytes > 0;
         record = record->next) {
        uint32_t flight = tcp_in_flight(sock);
        uint32_t payload = tcp_payload_mss(sock);
        uint32_t room = sock->cwnd > flight ? sock->cwnd - flight : 0;

        if ((record->flags & TCP_RECORD_LOST_BIT) == 0) {
            continue;
        }
        if (room < payload && room < record->end - record->start && flight > 0) {
            break;
        }
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): at least TCP_MSS_MINIMUM less options */
        room = room < payload ? payload : room - room % payload;
        if (!tcp_retransmit(sock, record, room)) {
            break;
        }
        any = true;
    }
    return any;
}

/*
 * How many bytes of new data may go into the next packet: the peer's window, the congestion
 * window, Nagle's algorithm (Minshall's form) and the sender's side of silly window avoidance
 * (RFC 9293 §3.8.6.2.1). 0: nothing now; *fin: a FIN may go along.
 */
static uint32_t new_data_length(struct tcp_socket *sock, bool *fin)
{
    uint32_t payload = tcp_payload_mss(sock);
    uint32_t queued = sock->send_end - sock->send_next;
    uint32_t window_left = sock->send_una + sock->send_window - sock->send_next;
    uint32_t flight = tcp_in_flight(sock);
    uint32_t room = sock->cwnd > flight ? sock->cwnd - flight : 0;
    uint32_t length = queued;
    bool tail_allowed;

    *fin = false;
    if ((int32_t)window_left <= 0) {
        return 0;
    }
    if (length > payload) {
        uint32_t most = packet_bytes_maximum(sock);
        length = length < most ? length : most;
    }
    length = window_left < length ? window_left : length;
    if (length > room) {
        length = room - room % payload;
        if (length == 0) {
            return 0;
        }
    }
    *fin = sock->fin_queued && length == queued && window_left > length;
    tail_allowed = *fin || (length == queued &&
                            (sock->no_delay || !seq_after(sock->small_end, sock->send_una)));
    if (!tail_allowed && length % payload != 0) {
        /* Half the largest window ever offered: a receiver with tiny buffers must get it. */
        if (length < payload && length >= sock->send_window_maximum / 2 && length < queued) {
            return length;
        }
        length -= length % payload;
    }
    return length;
}

static bool send_new(struct tcp_socket *sock, uint32_t length, bool fin)
{
    uint32_t start = sock->send_next;
    struct tcp_record *record = tcp_record_append(sock, start, start + length + fin);
    uint32_t sent = length;

    if (record == NULL) {
        tcp_stack(sock)->tcp->statistics.packets_dropped++;
        return false;
    }
    if (!send_data(sock, start, &sent, fin)) {
        tcp_record_remove(sock, record);
        return false;
    }
    record->end = sent == length ? record->end : start + sent;
    record->segment_bytes = (uint16_t)tcp_payload_mss(sock);
    if (sent % record->segment_bytes != 0) {
        sock->small_end = start + sent;
    }
    sock->send_next = record->end;
    sock->prr_out += record->end - start;
    return true;
}

static bool send_all_new(struct tcp_socket *sock)
{
    bool any = false;

    while (sock->send_next != tcp_send_limit(sock)) {
        bool fin;

        if (tcp_stack(sock)->transmit_blocked) {
            tcp_mark_pending(sock); /* goes on when the device has taken what it has */
            break;
        }
        uint32_t length = new_data_length(sock, &fin);

        if ((length == 0 && !fin) || !send_new(sock, length, fin)) {
            break;
        }
        any = true;
    }
    return any;
}

bool tcp_send_new_segment(struct tcp_socket *sock)
{
    uint32_t window_left = sock->send_una + sock->send_window - sock->send_next;
    uint32_t payload = tcp_payload_mss(sock);
    uint32_t queued = sock->send_end - sock->send_next;
    uint32_t length = queued < payload ? queued : payload;
    bool fin;

    if (sock->send_next == tcp_send_limit(sock) || (int32_t)window_left <= 0) {
        return false;
    }
    length = length < window_left ? length : window_left;
    fin = sock->fin_queued && length == queued && window_left > length;
    return (length > 0 || fin) && send_new(sock, length, fin);
}

/* Whether cwnd is what limits us is seen best right after sending; kept for a round trip. */
static void note_window_use(struct tcp_socket *sock)
{
    uint32_t flight = tcp_in_flight(sock);
    bool is_limited = flight + tcp_payload_mss(sock) > sock->cwnd;

    if (is_limited || !seq_before(sock->send_una, sock->use_end) ||
        (!sock->cwnd_limited && flight > sock->flight_maximum)) {
        sock->cwnd_limited = is_limited;
        sock->flight_maximum = flight;
        sock->use_end = sock->send_next;
    }
}

void tcp_output(struct tcp_socket *sock)
{
    bool sent = false;

    tcp_unmark_pending(sock);
    if (!tcp_is_synchronized(sock)) {
        return;
    }
    if (tcp_queued_bytes(sock) / TCP_PEER_PAGE_BYTES != sock->charged_pages ||
        sock->ranges != NULL) {
        tcp_peer_charge(sock);
    }
    if (sock->send_una != tcp_send_limit(sock)) {
        if (sock->send_una == sock->send_next) {
            tcp_congestion_idle(sock);
        }
        if (sock->lost_bytes > 0) {
            sent = retransmit_lost(sock);
        }
        if (sock->lost_bytes == 0) {
            sent |= send_all_new(sock);
        }
        note_window_use(sock);
        if (sent || sock->send_timer == TCP_SEND_NONE) {
            tcp_arm_send_timer(sock);
        }
    }
    if (!sent && (sock->ack_now || tcp_window_update_due(sock))) {
        tcp_send_ack(sock);
    }
}
