#include "net/tcp.h"

/* Takes what `ack` covers off the scoreboard. */
static void acknowledge_records(struct tcp_socket *sock, const struct tcp_segment *segment,
                                uint32_t ack, struct tcp_ack_result *result)
{
    uint64_t now_ns = tcp_stack(sock)->now_ns;
    struct tcp_record *record;

    while ((record = sock->record_first) != NULL && seq_before(record->start, ack)) {
        bool sacked = (record->flags & TCP_RECORD_SACKED_BIT) != 0;

        if (seq_after(record->end, ack)) {
            uint32_t length = ack - record->start;
            result->delivered_bytes += sacked ? 0 : length;
            sock->sacked_bytes -= sacked ? length : 0;
            sock->lost_bytes -= (record->flags & TCP_RECORD_LOST_BIT) ? length : 0;
            record->start = ack;
            return;
        }
        if (!sacked) {
            result->delivered_bytes += record->end - record->start;
            tcp_rack_delivered(sock, record, segment);
            /* Karn's rule (RFC 6298 §3); the oldest of them includes any delayed ACK. */
            if (!(record->flags & TCP_RECORD_RETRANSMITTED_BIT) && result->rtt_ns == 0) {
                result->rtt_ns = now_ns - record->sent_ns;
            }
        }
        tcp_record_remove(sock, record);
    }
}

static void advance(struct tcp_socket *sock, const struct tcp_segment *segment, uint32_t ack,
                    struct tcp_ack_result *result)
{
    struct net_stack *stack = tcp_stack(sock);

    result->acked_bytes = ack - sock->send_una;
    acknowledge_records(sock, segment, ack, result);
    tcp_send_release(sock, ack);
    sock->send_una = ack;
    if (sock->charged_pages != 0) {
        tcp_peer_charge(sock);
    }
    sock->retries = 0;
    sock->backoff = 0;
    sock->unanswered_ns = ack == sock->send_next ? 0 : stack->now_ns;
    if (result->rtt_ns != 0) {
        tcp_rtt_sample(sock, result->rtt_ns);
    }
    tcp_confirm_route(sock);
}

/* RFC 9293 §3.10.7.4: only segments not older than the last update change the window. */
static bool update_window(struct tcp_socket *sock, const struct tcp_segment *segment)
{
    uint32_t window = segment->window << sock->options.send_shift;
    bool changed = window != sock->send_window;

    if (seq_before(sock->send_wl1, segment->sequence) ||
        (sock->send_wl1 == segment->sequence &&
         seq_before_or_at(sock->send_wl2, segment->acknowledgement))) {
        sock->send_window = window;
        sock->send_wl1 = segment->sequence;
        sock->send_wl2 = segment->acknowledgement;
        if (window > sock->send_window_maximum) {
            sock->send_window_maximum = window;
        }
    }
    return changed;
}

/* RFC 3168 §6.1.2: an echo halves the window at most once a round trip. */
static void ecn_input(struct tcp_socket *sock, const struct tcp_segment *segment)
{
    if (!sock->options.ecn || !(segment->flags & TCP_ECE_BIT) ||
        seq_before(sock->send_una, sock->ecn_recover) || sock->recovery != TCP_RECOVERY_NONE ||
        sock->send_una == sock->send_next) {
        return;
    }
    tcp_congestion_reduce(sock);
    sock->cwnd = sock->ssthresh;
    sock->ecn_recover = sock->send_next;
}

/* The send buffer holds two windows, so that the next is ready when this one is acknowledged. */
void tcp_send_buffer_grow(struct tcp_socket *sock)
{
    uint32_t maximum;
    uint32_t wanted;

    if (sock->cwnd <= sock->send_limit_bytes / 2 || !sock->send_auto) {
        return;
    }
    maximum = tcp_buffer_maximum(tcp_stack(sock));
    wanted = sock->cwnd > maximum / 2 ? maximum : 2 * sock->cwnd;
    if (wanted > sock->send_limit_bytes && tcp_share(sock) == TCP_SHARE_FREE) {
        sock->send_limit_bytes = wanted;
    }
}

bool tcp_acknowledge(struct tcp_socket *sock, const struct tcp_segment *segment)
{
    uint32_t ack = segment->acknowledgement;
    struct tcp_ack_result result = {0};
    bool has_sack = sock->options.sack && segment->sack_count > 0;
    bool is_old = seq_before(ack, sock->send_una);
    bool was_writable = tcp_is_writable(sock);
    bool window_changed;

    /* RFC 5961 §5.2. */
    if (seq_after(ack, sock->send_next) ||
        seq_before(ack, sock->send_una - sock->send_window_maximum)) {
        tcp_send_challenge(sock);
        return false;
    }
    if (is_old && !has_sack) {
        return true; /* its data may still be new, and so may be what its SACK tells */
    }
    window_changed = !is_old && update_window(sock, segment);
    if (seq_after(ack, sock->send_una)) {
        advance(sock, segment, ack, &result);
    } else if (!is_old) {
        result.duplicate = segment->length == 0 && !window_changed &&
                           (segment->flags & TCP_FIN_BIT) == 0 && sock->send_una != sock->send_next;
        if (sock->send_una == sock->send_next && sock->send_timer == TCP_SEND_PERSIST) {
            /* The answer to a probe: the peer lives. Nobody waits for an orphan for ever. */
            sock->retries = sock->base.orphaned ? sock->retries : 0;
            sock->unanswered_ns = 0;
            if (!window_changed) {
                return true;
            }
        }
    }
    if (result.acked_bytes == 0 && !result.duplicate && !has_sack && !window_changed) {
        return true; /* data from the peer that says nothing about ours */
    }
    if (has_sack) {
        tcp_sack_input(sock, segment, &result);
    }
    if (result.acked_bytes > 0 || result.delivered_bytes > 0) {
        sock->send_timer = TCP_SEND_NONE;
    }
    tcp_recovery_input(sock, segment, &result);
    ecn_input(sock, segment);
    /* RFC 6298 §5.3: what is in flight is given new time by news of it, not by a window. */
    if (result.acked_bytes > 0 || result.delivered_bytes > 0 ||
        (window_changed && sock->send_una == sock->send_next) ||
        sock->send_timer == TCP_SEND_NONE) {
        tcp_arm_send_timer(sock);
    }
    if (sock->send_next != tcp_send_limit(sock) || sock->lost_bytes > 0) {
        tcp_mark_pending(sock);
    }
    if (result.acked_bytes > 0) {
        tcp_send_buffer_grow(sock);
        sock->starved = false; /* it may try with the memory that this gave back */
        if (!was_writable && tcp_is_writable(sock)) {
            tcp_wake(sock);
        }
    }
    return true;
}
