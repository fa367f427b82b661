#include "net/tcp.h"

/* RFC 8985 §6.2 step 4: reordering window multiples live for this many recoveries. */
#define REORDER_PERSIST   16u
#define REORDER_STEPS_MAX 16u
#define DUPLICATE_ACKS    3u /* RFC 5681 §3.2, and DupThresh of RFC 8985 */
/* After so many time-outs in a row; RFC 4821 §7.2 suggests 1024 bytes for IPv4. */
#define BLACK_HOLE_RETRIES 3u
#define BLACK_HOLE_MSS     984u
#define PATH_TRIAL_NS      (10 * TCP_NS_PER_S)

static bool sent_after(uint64_t left_ns, uint32_t left_end, uint64_t right_ns, uint32_t right_end)
{
    return left_ns > right_ns || (left_ns == right_ns && seq_after(left_end, right_end));
}

/* RFC 8985 §6.2 steps 1 to 3, for one record that has arrived. */
void tcp_rack_delivered(struct tcp_socket *sock, const struct tcp_record *record,
                        const struct tcp_segment *segment)
{
    const struct net_stack *stack = tcp_stack(sock);
    uint64_t rtt_us = (stack->now_ns - record->sent_ns) / TCP_NS_PER_US;

    if (record->flags & TCP_RECORD_RETRANSMITTED_BIT) {
        uint32_t sent_timestamp =
            (uint32_t)(record->sent_ns / TCP_NS_PER_MS) + sock->timestamp_offset;
        /* Which of the transmissions arrived? Not the last, if this says so. */
        if (sock->options.timestamps && segment->has_timestamp &&
            seq_before(segment->timestamp_echo, sent_timestamp)) {
            return;
        }
        if (rtt_us < sock->rtt_minimum_us) {
            return;
        }
    } else if (seq_before(record->end, sock->forward_ack)) {
        sock->reorder_seen = true;
    }
    sock->forward_ack = seq_later(sock->forward_ack, record->end);
    sock->rack_rtt_us = rtt_us > UINT32_MAX ? UINT32_MAX : (uint32_t)rtt_us;
    if (sent_after(record->sent_ns, record->end, sock->rack_sent_ns, sock->rack_end)) {
        sock->rack_sent_ns = record->sent_ns;
        sock->rack_end = record->end;
    }
}

/* Cuts `record` so that a boundary lies at or inside the block; segments stay whole. */
static bool cut_for_block(struct tcp_socket *sock, struct tcp_record *record, uint32_t start,
                          uint32_t end)
{
    uint32_t step = record->segment_bytes == 0 ? 1 : record->segment_bytes;

    if (seq_before(record->start, start)) {
        uint32_t skip = start - record->start + step - 1;
        uint32_t at = record->start + skip - skip % step;
        /* The rest is looked at as the next record. */
        if (seq_before(at, record->end)) {
            tcp_record_split(sock, record, at);
        }
        return false;
    }
    if (seq_after(record->end, end)) {
        uint32_t keep = end - record->start;
        uint32_t at = record->start + keep - keep % step;
        return at != record->start && tcp_record_split(sock, record, at);
    }
    return true;
}

static void mark_sacked(struct tcp_socket *sock, struct tcp_record *record,
                        const struct tcp_segment *segment, struct tcp_ack_result *result)
{
    uint32_t length = record->end - record->start;

    if (record->flags & TCP_RECORD_LOST_BIT) {
        record->flags &= (uint8_t)~TCP_RECORD_LOST_BIT;
        sock->lost_bytes -= length;
    }
    record->flags |= TCP_RECORD_SACKED_BIT;
    sock->sacked_bytes += length;
    result->delivered_bytes += length;
    tcp_rack_delivered(sock, record, segment);
}

/* RFC 2018 §3, with RFC 2883 §4 for the first block. */
void tcp_sack_input(struct tcp_socket *sock, const struct tcp_segment *segment,
                    struct tcp_ack_result *result)
{
    for (unsigned i = 0; i < segment->sack_count; i++) {
        uint32_t start = segment->sack[i].start;
        uint32_t end = segment->sack[i].end;
        struct tcp_record *record = sock->record_first;

        if (i == 0 && (seq_before(start, segment->acknowledgement) ||
                       (segment->sack_count > 1 && !seq_before(start, segment->sack[1].start) &&
                        !seq_after(end, segment->sack[1].end)))) {
            result->duplicate_reported = true;
            continue;
        }
        if (!seq_before(start, end) || seq_before(start, sock->send_una) ||
            seq_after(end, sock->send_next)) {
            continue; /* old, or nonsense */
        }
        while (record != NULL && seq_before_or_at(record->end, start)) {
            record = record->next;
        }
        for (; record != NULL && seq_before(record->start, end); record = record->next) {
            if ((record->flags & TCP_RECORD_SACKED_BIT) == 0 &&
                cut_for_block(sock, record, start, end)) {
                mark_sacked(sock, record, segment, result);
            }
        }
    }
}

static uint64_t reorder_window_ns(const struct tcp_socket *sock)
{
    uint64_t window_ns;

    if (!sock->reorder_seen && (sock->recovery != TCP_RECOVERY_NONE ||
                                sock->sacked_bytes >= DUPLICATE_ACKS * tcp_payload_mss(sock))) {
        return 0;
    }
    window_ns = (uint64_t)sock->rtt_minimum_us * TCP_NS_PER_US / 4 * sock->reorder_steps;
    if (window_ns > sock->srtt_us * TCP_NS_PER_US) {
        window_ns = sock->srtt_us * TCP_NS_PER_US;
    }
    return window_ns;
}

/* RFC 8985 §6.2 step 5. */
uint64_t tcp_rack_detect(struct tcp_socket *sock)
{
    uint64_t now_ns = tcp_stack(sock)->now_ns;
    uint64_t patience_ns = sock->rack_rtt_us * TCP_NS_PER_US + reorder_window_ns(sock);
    uint64_t wait_ns = 0;

    if (sock->rack_sent_ns == 0) {
        return 0;
    }
    for (struct tcp_record *record = sock->record_first; record != NULL; record = record->next) {
        if ((record->flags & (TCP_RECORD_SACKED_BIT | TCP_RECORD_LOST_BIT)) != 0 ||
            !sent_after(sock->rack_sent_ns, sock->rack_end, record->sent_ns, record->end)) {
            continue;
        }
        if (record->sent_ns + patience_ns <= now_ns) {
            tcp_record_mark_lost(sock, record);
        } else if (record->sent_ns + patience_ns - now_ns > wait_ns) {
            wait_ns = record->sent_ns + patience_ns - now_ns;
        }
    }
    return wait_ns;
}

/* Without SACK (RFC 6582): the first segment not acknowledged is the lost one. */
static void mark_first_lost(struct tcp_socket *sock)
{
    struct tcp_record *record = sock->record_first;
    uint32_t payload = tcp_payload_mss(sock);

    if (record == NULL) {
        return;
    }
    if (record->end - record->start > payload) {
        tcp_record_split(sock, record, record->start + payload);
    }
    tcp_record_mark_lost(sock, record);
}

static void remember_for_undo(struct tcp_socket *sock)
{
    sock->undo_cwnd = sock->cwnd;
    sock->undo_ssthresh = sock->ssthresh;
    sock->undo_timestamp = tcp_timestamp(tcp_stack(sock), sock->timestamp_offset);
}

void tcp_recovery_enter(struct tcp_socket *sock)
{
    remember_for_undo(sock);
    sock->prr_flight = sock->send_next - sock->send_una;
    sock->prr_delivered = 0;
    sock->prr_out = 0;
    sock->recover = sock->send_next;
    sock->recovery = TCP_RECOVERY_FAST;
    sock->probe_outstanding = false;
    tcp_congestion_reduce(sock);
}

static void leave(struct tcp_socket *sock)
{
    if (sock->recovery == TCP_RECOVERY_FAST) {
        sock->cwnd = sock->ssthresh;
    }
    sock->recovery = TCP_RECOVERY_NONE;
    sock->undo_cwnd = 0;
    sock->duplicate_acks = 0;
    sock->duplicate_bytes = 0;
    if (sock->reorder_persist > 0) {
        sock->reorder_persist--;
        if (sock->reorder_persist == 0) {
            sock->reorder_steps = 1;
        }
    }
}

/*
 * RFC 3522: the acknowledgement echoes a segment sent before the first retransmission, so
 * nothing had been lost.
 */
static void undo_if_spurious(struct tcp_socket *sock, const struct tcp_segment *segment)
{
    if (sock->undo_cwnd == 0 || !sock->options.timestamps || !segment->has_timestamp ||
        !seq_before(segment->timestamp_echo, sock->undo_timestamp)) {
        return;
    }
    for (struct tcp_record *record = sock->record_first; record != NULL; record = record->next) {
        record->flags &= (uint8_t)~TCP_RECORD_LOST_BIT;
    }
    sock->lost_bytes = 0;
    if (sock->cwnd < sock->undo_cwnd) {
        sock->cwnd = sock->undo_cwnd;
    }
    sock->ssthresh = sock->undo_ssthresh;
    sock->recovery = TCP_RECOVERY_NONE;
    sock->undo_cwnd = 0;
    tcp_stack(sock)->tcp->statistics.undone++;
}

/* RFC 9937 §6, proportional rate reduction. */
static void reduce_proportionally(struct tcp_socket *sock, const struct tcp_ack_result *result,
                                  bool new_loss)
{
    uint32_t mss = tcp_payload_mss(sock);
    uint32_t flight = tcp_in_flight(sock);
    uint32_t allowed = 0;

    sock->prr_delivered += result->delivered_bytes;
    if (flight > sock->ssthresh) {
        uint64_t share = (uint64_t)sock->prr_delivered * sock->ssthresh;
        uint64_t target = (share + sock->prr_flight - 1) / sock->prr_flight;
        allowed = target > sock->prr_out ? (uint32_t)target - sock->prr_out : 0;
    } else {
        uint32_t room = sock->ssthresh - flight;
        uint32_t owed =
            sock->prr_delivered > sock->prr_out ? sock->prr_delivered - sock->prr_out : 0;
        allowed = owed > result->delivered_bytes ? owed : result->delivered_bytes;
        if (result->acked_bytes > 0 && !new_loss) {
            allowed += mss;
        }
        allowed = allowed < room ? allowed : room;
    }
    if (sock->prr_out == 0 && allowed < mss) {
        allowed = mss; /* the fast retransmission itself */
    }
    sock->cwnd = flight + allowed;
}

/* RFC 8985 §7.4.2. */
static void probe_input(struct tcp_socket *sock, const struct tcp_segment *segment,
                        const struct tcp_ack_result *result)
{
    uint32_t ack = segment->acknowledgement;

    if (!sock->probe_outstanding || seq_before(ack, sock->probe_end)) {
        return;
    }
    if (!sock->probe_retransmitted || result->duplicate_reported) {
        sock->probe_outstanding = false;
    } else if (seq_after(ack, sock->probe_end)) {
        /* The probe repaired a loss that nothing else told of. */
        sock->probe_outstanding = false;
        if (sock->recovery == TCP_RECOVERY_NONE) {
            tcp_congestion_reduce(sock);
            sock->cwnd = sock->ssthresh;
        }
    } else if (result->duplicate && segment->sack_count == 0) {
        sock->probe_outstanding = false;
    }
}

static void count_duplicates(struct tcp_socket *sock, const struct tcp_ack_result *result)
{
    uint32_t mss = tcp_payload_mss(sock);

    if (result->duplicate) {
        sock->duplicate_acks++;
        sock->duplicate_bytes += mss;
        if (sock->duplicate_acks == DUPLICATE_ACKS && sock->recovery == TCP_RECOVERY_NONE &&
            !seq_before(sock->send_una, sock->recover)) {
            mark_first_lost(sock);
        }
    } else if (result->acked_bytes > 0) {
        uint32_t gone = result->acked_bytes > mss ? result->acked_bytes - mss : 0;
        sock->duplicate_bytes -= gone < sock->duplicate_bytes ? gone : sock->duplicate_bytes;
        sock->duplicate_acks = 0;
        if (sock->recovery == TCP_RECOVERY_FAST) {
            mark_first_lost(sock); /* RFC 6582 §3.2 step 3, a partial acknowledgement */
        } else {
            sock->duplicate_bytes = 0;
        }
    }
}

static void widen_reorder_window(struct tcp_socket *sock)
{
    if (sock->reorder_steps < REORDER_STEPS_MAX) {
        sock->reorder_steps++;
    }
    sock->reorder_persist = REORDER_PERSIST;
}

static void detect(struct tcp_socket *sock, const struct tcp_ack_result *result)
{
    if (!sock->options.sack) {
        count_duplicates(sock, result);
    } else if (sock->record_first != NULL &&
               (sock->sacked_bytes > 0 || sock->recovery != TCP_RECOVERY_NONE)) {
        uint64_t wait_ns = tcp_rack_detect(sock);
        if (wait_ns > 0) {
            sock->send_timer = TCP_SEND_REORDER;
            tcp_timer_set(sock, TCP_TIMER_SEND, tcp_stack(sock)->now_ns + wait_ns);
        }
    }
    if (sock->lost_bytes > 0 && sock->recovery == TCP_RECOVERY_NONE) {
        tcp_recovery_enter(sock);
    }
}

void tcp_recovery_input(struct tcp_socket *sock, const struct tcp_segment *segment,
                        struct tcp_ack_result *result)
{
    uint32_t lost_before = sock->lost_bytes;
    bool limited = tcp_window_is_used(sock);

    if (result->acked_bytes > 0) {
        undo_if_spurious(sock, segment);
    }
    if (result->duplicate_reported) {
        widen_reorder_window(sock);
    }
    if (sock->recovery != TCP_RECOVERY_NONE && !seq_before(sock->send_una, sock->recover)) {
        leave(sock);
    }
    probe_input(sock, segment, result);
    detect(sock, result);
    if (sock->recovery == TCP_RECOVERY_FAST) {
        if (!sock->options.sack && result->duplicate) {
            result->delivered_bytes += tcp_payload_mss(sock);
        }
        reduce_proportionally(sock, result, sock->lost_bytes > lost_before);
    } else if (result->acked_bytes > 0 && limited) {
        tcp_congestion_acked(sock, result->acked_bytes, result->rtt_ns);
    }
}

void tcp_recovery_reorder_timer(struct tcp_socket *sock)
{
    uint64_t wait_ns = tcp_rack_detect(sock);

    if (sock->lost_bytes > 0 && sock->recovery == TCP_RECOVERY_NONE) {
        struct tcp_ack_result nothing = {0};
        tcp_recovery_enter(sock);
        reduce_proportionally(sock, &nothing, true);
    }
    if (wait_ns > 0) {
        sock->send_timer = TCP_SEND_REORDER;
        tcp_timer_set(sock, TCP_TIMER_SEND, tcp_stack(sock)->now_ns + wait_ns);
    } else {
        tcp_arm_send_timer(sock);
    }
    tcp_output(sock);
}

/*
 * RFC 4821 §7.7, RFC 2923 §2.1: large segments vanish and no ICMP says why. From now on they are
 * of a size that nearly every path takes; larger ones are tried again later (tcp_timer.c).
 */
static void suspect_black_hole(struct tcp_socket *sock)
{
    uint16_t limit = TCP_MSS_DEFAULT_IPV6;

    if (sock->route.is_ipv4) {
        limit = sock->mss > BLACK_HOLE_MSS ? BLACK_HOLE_MSS : TCP_MSS_DEFAULT;
    }
    if (sock->record_first != NULL && sock->record_first->segment_bytes > limit) {
        sock->mss_limit = limit;
        tcp_update_mss(sock);
    }
}

/* Larger segments are on trial: tcp_timer.c has just raised the size. */
static bool is_probing_path(const struct tcp_socket *sock)
{
    return sock->mss_raised_ns != 0 &&
           tcp_stack(sock)->now_ns - sock->mss_raised_ns < PATH_TRIAL_NS;
}

/* RFC 6298 §5.4 to §5.6, RFC 5681 §3.1, RFC 8985 §6.3. */
void tcp_recovery_timeout(struct tcp_socket *sock)
{
    bool reneged =
        sock->record_first != NULL && (sock->record_first->flags & TCP_RECORD_SACKED_BIT) != 0;

    if (sock->retries % BLACK_HOLE_RETRIES == 0 || is_probing_path(sock)) {
        suspect_black_hole(sock);
    }
    tcp_stack(sock)->tcp->statistics.timeouts++;
    if (sock->recovery != TCP_RECOVERY_TIMEOUT) {
        if (sock->undo_cwnd == 0) {
            remember_for_undo(sock);
        }
        tcp_congestion_reduce(sock);
    }
    for (struct tcp_record *record = sock->record_first; record != NULL; record = record->next) {
        if (reneged && (record->flags & TCP_RECORD_SACKED_BIT)) {
            /* RFC 2018 §8: the receiver dropped what it had reported. */
            record->flags &= (uint8_t)~TCP_RECORD_SACKED_BIT;
            sock->sacked_bytes -= record->end - record->start;
        }
        tcp_record_mark_lost(sock, record);
    }
    sock->recovery = TCP_RECOVERY_TIMEOUT;
    sock->recover = sock->send_next;
    sock->cwnd = tcp_payload_mss(sock);
    sock->duplicate_acks = 0;
    sock->duplicate_bytes = 0;
    sock->probe_outstanding = false;
    sock->reorder_steps = 1;
    tcp_output(sock);
    tcp_arm_send_timer(sock);
}

uint64_t tcp_loss_probe_ns(const struct tcp_socket *sock)
{
    uint64_t probe_ns;

    if (sock->srtt_us == 0) {
        return TCP_RTO_INITIAL_US * TCP_NS_PER_US;
    }
    probe_ns = 2 * sock->srtt_us * TCP_NS_PER_US;
    if (sock->send_next - sock->send_una <= tcp_payload_mss(sock)) {
        probe_ns += TCP_ACK_DELAY_MAX_US * TCP_NS_PER_US;
    } else {
        probe_ns += 2 * TCP_NS_PER_MS;
    }
    return probe_ns;
}

void tcp_loss_probe(struct tcp_socket *sock)
{
    struct tcp_record *last = sock->record_last;

    if (last == NULL) {
        tcp_arm_send_timer(sock);
        return;
    }
    tcp_stack(sock)->tcp->statistics.loss_probes++;
    sock->probe_retransmitted = false;
    if (!tcp_send_new_segment(sock)) {
        uint32_t payload = tcp_payload_mss(sock);
        if (last->end - last->start > payload &&
            tcp_record_split(sock, last, last->end - payload)) {
            last = sock->record_last;
        }
        tcp_retransmit(sock, last, payload);
        sock->probe_retransmitted = true;
    }
    sock->probe_outstanding = true;
    sock->probe_end = sock->send_next;
    tcp_arm_send_timer(sock);
}
