#include "net/tcp.h"

#include "kernel/base/inline.h"

/* RFC 7323 §5.5: a timestamp older than this says nothing. */
#define PAWS_VALID_NS (24ull * 24 * 3600 * TCP_NS_PER_S)

/* The peer refused or broke the connection. */
static void reset_by_peer(struct tcp_socket *sock)
{
    enum err error = ERR_CONNRESET;

    tcp_stack(sock)->tcp->statistics.resets_received++;
    if (sock->status == TCP_SYN_SENT || sock->status == TCP_SYN_RECEIVED) {
        error = ERR_CONNREFUSED;
    } else if (sock->status == TCP_CLOSING || sock->status == TCP_LAST_ACK) {
        error = ERR_OK; /* both sides were done */
    } else if (sock->status == TCP_CLOSE_WAIT) {
        error = ERR_PIPE;
    }
    tcp_finish(sock, error);
}

static void take_peer_timestamp(struct tcp_socket *sock, const struct tcp_segment *segment)
{
    sock->peer_timestamp = segment->timestamp_value;
    sock->peer_timestamp_ns = tcp_stack(sock)->now_ns;
}

/* ---- SYN_SENT (RFC 9293 §3.10.7.3) ---------------------------------------------------------- */

/* What the peer's SYN says, limited to what ours offered. */
static void settle_options(struct tcp_socket *sock, const struct tcp_segment *segment)
{
    struct tcp_options *options = &sock->options;

    options->peer_mss = segment->mss;
    options->timestamps = options->timestamps && segment->has_timestamp;
    options->sack = options->sack && segment->sack_permitted;
    options->window_scaling = options->window_scaling && segment->has_window_shift;
    options->send_shift = options->window_scaling ? segment->window_shift : 0;
    options->receive_shift = options->window_scaling ? options->receive_shift : 0;
    /* RFC 3168 §6.1.1: a SYN-ACK answers with ECE alone, a crossing SYN asks with both. */
    options->ecn =
        options->ecn &&
        (segment->flags & (TCP_ECE_BIT | TCP_CWR_BIT)) ==
            ((segment->flags & TCP_ACK_BIT) != 0 ? TCP_ECE_BIT : TCP_ECE_BIT | TCP_CWR_BIT);
}

static void syn_sent_input(struct tcp_socket *sock, struct tcp_segment *segment)
{
    struct net_stack *stack = tcp_stack(sock);
    bool acceptable =
        (segment->flags & TCP_ACK_BIT) != 0 && segment->acknowledgement == sock->initial_send + 1;

    if ((segment->flags & TCP_ACK_BIT) && !acceptable) {
        tcp_refuse(stack, segment);
        return;
    }
    if (segment->flags & TCP_RST_BIT) {
        if (acceptable) {
            reset_by_peer(sock);
        }
        return;
    }
    if (!(segment->flags & TCP_SYN_BIT)) {
        return;
    }
    settle_options(sock, segment);
    sock->initial_receive = segment->sequence;
    sock->receive_next = segment->sequence + 1;
    sock->receive_acked = sock->receive_next;
    sock->receive_edge = sock->receive_next +
                         (sock->receive_limit_bytes < 65535 ? sock->receive_limit_bytes : 65535);
    sock->send_window = segment->window;
    sock->send_window_maximum = segment->window;
    sock->send_wl1 = segment->sequence;
    sock->send_wl2 = segment->acknowledgement;
    if (segment->has_timestamp) {
        take_peer_timestamp(sock, segment);
    }
    if (!acceptable) { /* simultaneous open */
        sock->status = TCP_SYN_RECEIVED;
        tcp_send_syn(sock, true);
        return;
    }
    sock->send_una = sock->send_next;
    if (sock->retries == 0) {
        tcp_rtt_sample(sock, stack->now_ns - sock->sent_ns);
    }
    sock->status = TCP_ESTABLISHED;
    tcp_establish(sock, &sock->options);
    if (segment->length > 0) {
        segment->flags &= (uint8_t)~TCP_SYN_BIT;
        segment->sequence++;
        tcp_receive_data(sock, segment);
    }
    sock->ack_now = true;
    tcp_mark_pending(sock);
    tcp_wake(sock);
}

/* ---- All synchronized states (§3.10.7.4) ---------------------------------------------------- */

/* RFC 7323 §5.3 R1. */
static bool fails_paws(const struct tcp_socket *sock, const struct tcp_segment *segment)
{
    return sock->options.timestamps && segment->has_timestamp &&
           seq_before(segment->timestamp_value, sock->peer_timestamp) &&
           tcp_stack(sock)->now_ns - sock->peer_timestamp_ns < PAWS_VALID_NS;
}

/* Step 1, widened as usual: what begins at or before the right edge may hold something new. */
static bool sequence_acceptable(const struct tcp_socket *sock, const struct tcp_segment *segment)
{
    uint32_t end = segment->sequence + tcp_segment_span(segment);

    return !seq_before(end, sock->receive_acked) &&
           !seq_after(segment->sequence, sock->receive_edge);
}

static void answer_unacceptable(struct tcp_socket *sock, const struct tcp_segment *segment)
{
    uint32_t end = segment->sequence + segment->length;

    if (segment->flags & TCP_RST_BIT) {
        return;
    }
    if (segment->length > 0 && !seq_after(end, sock->receive_next) &&
        seq_after(segment->sequence, sock->receive_next - TCP_BUFFER_MAXIMUM)) {
        /* Our acknowledgement was lost, or the retransmission superfluous: tell which. */
        sock->duplicate = (struct tcp_sack_block){segment->sequence, end};
        tcp_stack(sock)->tcp->statistics.duplicates_received++;
        sock->ack_now = true;
        tcp_mark_pending(sock);
        return;
    }
    tcp_send_challenge(sock);
}

/* RFC 5961 §3.2: only the exact number resets; others in the window are asked about. */
static void rst_input(struct tcp_socket *sock, const struct tcp_segment *segment)
{
    if (segment->sequence == sock->receive_next) {
        reset_by_peer(sock);
    } else {
        tcp_send_challenge(sock);
    }
}

/* Steps 2 to 4, and the handshake's end. False: done with the segment. */
static bool check_segment(struct tcp_socket *sock, struct tcp_segment *segment)
{
    if (sock->status == TCP_SYN_RECEIVED && (segment->flags & TCP_SYN_BIT) &&
        segment->sequence == sock->initial_receive) {
        /* The SYN again, or the SYN-ACK of a simultaneous open. */
        segment->flags &= (uint8_t)~TCP_SYN_BIT;
        segment->sequence++;
        sock->ack_now = true;
        tcp_mark_pending(sock);
    }
    if (!(segment->flags & TCP_RST_BIT) && fails_paws(sock, segment)) {
        answer_unacceptable(sock, segment);
        return false;
    }
    if (!sequence_acceptable(sock, segment)) {
        answer_unacceptable(sock, segment);
        return false;
    }
    if (segment->flags & TCP_RST_BIT) {
        rst_input(sock, segment);
        return false;
    }
    if (segment->flags & TCP_SYN_BIT) {
        tcp_send_challenge(sock); /* RFC 5961 §4.2 */
        return false;
    }
    return (segment->flags & TCP_ACK_BIT) != 0;
}

static bool finish_handshake(struct tcp_socket *sock, const struct tcp_segment *segment)
{
    if (segment->acknowledgement != sock->initial_send + 1) {
        tcp_refuse(tcp_stack(sock), segment);
        return false;
    }
    sock->send_una = sock->send_next;
    sock->send_window = segment->window << sock->options.send_shift;
    sock->send_window_maximum = sock->send_window;
    sock->send_wl1 = segment->sequence;
    sock->send_wl2 = segment->acknowledgement;
    sock->status = TCP_ESTABLISHED;
    tcp_establish(sock, &sock->options);
    tcp_wake(sock);
    return true;
}

/* What the acknowledgement of our FIN changes. False: the socket's connection is over. */
static bool fin_acknowledged(struct tcp_socket *sock)
{
    if (!tcp_fin_acknowledged(sock)) {
        return true;
    }
    if (sock->status == TCP_FIN_WAIT_1) {
        sock->status = TCP_FIN_WAIT_2;
        if (sock->base.orphaned) {
            tcp_timer_set(sock, TCP_TIMER_KEEP, tcp_stack(sock)->now_ns + TCP_FIN_WAIT_2_NS);
        }
    } else if (sock->status == TCP_CLOSING) {
        tcp_enter_time_wait(sock);
        return false;
    } else if (sock->status == TCP_LAST_ACK) {
        tcp_finish(sock, ERR_OK);
        return false;
    }
    return true;
}

/* Step 8. */
static void fin_input(struct tcp_socket *sock)
{
    sock->receive_next++;
    sock->receive_edge = seq_later(sock->receive_edge, sock->receive_next);
    sock->fin_received = true;
    sock->ack_now = true;
    tcp_receive_clear_ranges(sock);
    switch ((enum tcp_status)sock->status) {
    case TCP_SYN_RECEIVED:
    case TCP_ESTABLISHED:
        sock->status = TCP_CLOSE_WAIT;
        break;
    case TCP_FIN_WAIT_1:
        sock->status = TCP_CLOSING;
        break;
    case TCP_FIN_WAIT_2:
        tcp_send_ack(sock);
        tcp_enter_time_wait(sock);
        return;
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_SYN_SENT:
    case TCP_CLOSE_WAIT:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        break;
    }
    tcp_mark_pending(sock);
    tcp_wake(sock);
}

static bool receives(const struct tcp_socket *sock)
{
    return sock->status == TCP_ESTABLISHED || sock->status == TCP_FIN_WAIT_1 ||
           sock->status == TCP_FIN_WAIT_2;
}

/* Steps 7 and 8. */
static void text_input(struct tcp_socket *sock, struct tcp_segment *segment)
{
    uint32_t before = sock->receive_next;

    if (segment->length > 0) {
        if (sock->base.orphaned &&
            seq_after(segment->sequence + segment->length, sock->receive_next)) {
            /*
             * Nobody will ever read it: the peer must know (RFC 9293 §3.6.1), by a number that
             * it takes at once (RFC 5961 §3.2): what it acknowledges is what it expects.
             */
            tcp_refuse(tcp_stack(sock), segment);
            tcp_finish(sock, ERR_CONNRESET);
            return;
        }
        tcp_receive_data(sock, segment);
        if (sock->receive_next != before && sock->receive_first != NULL) {
            tcp_wake(sock);
        }
    }
    if ((segment->flags & TCP_FIN_BIT) && !sock->fin_known) {
        sock->fin_known = true;
        sock->fin_sequence = segment->sequence + segment->length;
    }
    if (sock->fin_known && !sock->fin_received && sock->receive_next == sock->fin_sequence) {
        fin_input(sock);
    } else if (segment->flags & TCP_FIN_BIT) {
        sock->ack_now = true;
        tcp_mark_pending(sock);
    }
}

void tcp_socket_input(struct tcp_socket *sock, struct tcp_segment *segment)
{
    struct net_stack *stack = tcp_stack(sock);

    if (sock->status == TCP_SYN_SENT) {
        syn_sent_input(sock, segment);
        return;
    }
    if (!check_segment(sock, segment)) {
        return;
    }
    sock->heard_ns = stack->now_ns;
    sock->keep_probes = 0;
    if (sock->options.ecn) {
        if (segment->flags & TCP_CWR_BIT) {
            sock->ecn_echo = false;
        }
        if (segment->ip->ecn == IP_ECN_CE) {
            sock->ecn_echo = true;
            sock->ack_now = true;
            tcp_mark_pending(sock);
        }
    }
    if (sock->status == TCP_SYN_RECEIVED && !finish_handshake(sock, segment)) {
        return;
    }
    if (!tcp_acknowledge(sock, segment) || !fin_acknowledged(sock)) {
        return;
    }
    /*
     * RFC 7323 §4.3: the timestamp of the segment that the next ACK answers. Who has to guess the
     * acknowledgement number cannot push the clock on and have PAWS drop what follows.
     */
    if (segment->has_timestamp && sock->options.timestamps &&
        !seq_after(segment->sequence, sock->receive_acked)) {
        take_peer_timestamp(sock, segment);
    }
    if ((segment->length > 0 || (segment->flags & TCP_FIN_BIT)) && receives(sock)) {
        text_input(sock, segment);
    } else if (segment->sequence != sock->receive_next && segment->length == 0 &&
               seq_before(segment->sequence, sock->receive_next)) {
        sock->ack_now = true; /* a probe: keep-alive or zero window (RFC 9293 §3.8.4) */
        tcp_mark_pending(sock);
    } else if (segment->length > 0 || (segment->flags & TCP_FIN_BIT)) {
        sock->ack_now = true; /* the peer has not heard that we know its FIN */
        tcp_mark_pending(sock);
    }
}

/* ---- Which of them -------------------------------------------------------------------------- */

static void demultiplex(struct net_stack *stack, struct tcp_segment *segment)
{
    const struct ip_received *ip = segment->ip;
    struct tcp_socket *listener;
    struct tcp_entry *entry = tcp_find(stack, &ip->destination, segment->destination_port,
                                       &ip->source, segment->source_port);

    if (entry != NULL) {
        switch ((enum tcp_entry_kind)entry->kind) {
        case TCP_ENTRY_SOCKET:
            tcp_socket_input(
                (struct tcp_socket *)((char *)entry - offsetof(struct tcp_socket, entry)), segment);
            return;
        case TCP_ENTRY_REQUEST:
            tcp_request_input((struct tcp_request *)entry, segment);
            return;
        case TCP_ENTRY_TIME_WAIT:
            if (!tcp_time_wait_input(stack, (struct tcp_time_wait *)entry, segment)) {
                return;
            }
            break;
        }
    }
    listener = tcp_find_listener(stack, &ip->destination, segment->destination_port);
    if (listener != NULL) {
        tcp_listen_input(listener, segment);
    } else {
        tcp_refuse(stack, segment);
    }
}

/* Not inline: most segments need neither its frame nor what that costs to clear. */
static NEVER_INLINE void input_by_the_rules(struct net_stack *stack, struct net_buffer *chain,
                                            const struct ip_received *ip)
{
    struct tcp_segment segment;

    if (ip->is_multicast || !tcp_segment_parse(chain, ip, &segment)) {
        stack->tcp->statistics.segments_malformed++;
        net_buffer_free(stack, chain);
        return;
    }
    demultiplex(stack, &segment);
    if (segment.chain != NULL) {
        net_buffer_free(stack, segment.chain);
    }
}

void tcp_input(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip)
{
    stack->tcp->statistics.segments_received++;
    if (!tcp_input_predicted(stack, chain, ip)) {
        input_by_the_rules(stack, chain, ip);
    }
}

/* ---- ICMP (RFC 5927: only what is about data in flight counts) ------------------------------ */

static void shrink_path(struct tcp_socket *sock, const struct ip_error *error)
{
    struct net_stack *stack = tcp_stack(sock);
    uint32_t mss_before = sock->mss;

    ip_path_mtu_update(stack, &error->destination, error->mtu_bytes);
    if (ip_route_refresh(stack, &sock->route) != ERR_OK) {
        return;
    }
    tcp_update_mss(sock);
    if (sock->mss >= mss_before) {
        return;
    }
    /* What was too big was not congestion: send it again, cut anew. */
    for (struct tcp_record *record = sock->record_first; record != NULL; record = record->next) {
        if (record->segment_bytes > tcp_payload_mss(sock)) {
            tcp_record_mark_lost(sock, record);
        }
    }
    tcp_mark_pending(sock);
}

void tcp_error(struct net_stack *stack, const struct ip_error *error)
{
    struct tcp_entry *entry = tcp_find(stack, &error->source, error->source_port,
                                       &error->destination, error->destination_port);
    struct tcp_socket *sock;

    if (entry == NULL || entry->kind != TCP_ENTRY_SOCKET) {
        return;
    }
    sock = (struct tcp_socket *)((char *)entry - offsetof(struct tcp_socket, entry));
    if (error->report != IP_REPORT_NO_NEIGHBOUR &&
        (seq_before(error->sequence, sock->send_una) ||
         !seq_before(error->sequence, sock->send_next))) {
        return;
    }
    if (error->report == IP_REPORT_TOO_BIG) {
        shrink_path(sock, error);
    } else if (sock->status == TCP_SYN_SENT || sock->status == TCP_SYN_RECEIVED) {
        tcp_finish(sock, error->report == IP_REPORT_REFUSED ? ERR_CONNREFUSED : ERR_HOSTUNREACH);
    }
}
