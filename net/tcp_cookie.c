/*
 * SYN cookies (RFC 4987 §3.6): the initial sequence number authenticates the SYN that it answers
 * and carries the peer's MSS; where the peer sends timestamps, the low bits of ours carry
 * the other options.
 *
 *   sequence number   31..8  MAC of four-tuple, peer's number and bits 7..0
 *                      7..3  minute, modulo 32
 *                      2..0  index into mss_table
 *   timestamp          5      SACK
 *                      4      window scaling
 *                      3..0   the peer's shift
 */
#include "net/tcp.h"

#define MINUTE_NS      (60 * TCP_NS_PER_S)
#define MINUTES_VALID  2u
#define TIMESTAMP_BITS 0x3fu

static const uint16_t mss_table[8] = {216, 536, 1024, 1220, 1360, 1400, 1440, 1460};

static uint32_t cookie(const struct net_stack *stack, const struct tcp_entry *entry,
                       uint32_t peer_sequence, uint32_t low_bits)
{
    uint64_t words[6] = {entry->local.word[0],
                         entry->local.word[1],
                         entry->remote.word[0],
                         entry->remote.word[1],
                         (uint64_t)entry->local_port << 16 | entry->remote_port,
                         (uint64_t)peer_sequence << 8 | low_bits};

    return (uint32_t)(hash_sip(stack->tcp->cookie_key, words, 6) << 8) | low_bits;
}

static uint32_t minute_now(const struct net_stack *stack)
{
    return (uint32_t)(stack->now_ns / MINUTE_NS) & 31;
}

void tcp_cookie_make(struct net_stack *stack, struct tcp_request *request, uint32_t *timestamp)
{
    struct tcp_options *options = &request->options;
    uint32_t now = tcp_timestamp(stack, request->timestamp_offset);
    uint32_t carried = (uint32_t)options->sack << 5 | (uint32_t)options->window_scaling << 4 |
                       (options->send_shift & 15u);
    uint32_t index = 7;

    while (index > 0 && mss_table[index] > options->peer_mss) {
        index--;
    }
    if (!options->timestamps) { /* nowhere to put them */
        options->sack = false;
        options->window_scaling = false;
        options->send_shift = 0;
        options->receive_shift = 0;
    }
    *timestamp = (now & ~TIMESTAMP_BITS) | carried;
    if (seq_after(*timestamp, now)) {
        *timestamp -= TIMESTAMP_BITS + 1;
    }
    request->initial_send =
        cookie(stack, &request->entry, request->initial_receive, minute_now(stack) << 3 | index);
}

bool tcp_cookie_check(struct net_stack *stack, const struct tcp_segment *segment,
                      struct tcp_request *out)
{
    struct tcp_state *tcp = stack->tcp;
    uint32_t sent = segment->acknowledgement - 1;
    uint32_t peer_sequence = segment->sequence - 1;
    uint32_t age = (minute_now(stack) - (sent >> 3 & 31)) & 31;

    if (tcp->cookie_ns == 0 || stack->now_ns - tcp->cookie_ns > (MINUTES_VALID + 1) * MINUTE_NS) {
        return false; /* none is under way: do not let anyone guess */
    }
    out->entry = (struct tcp_entry){.local = segment->ip->destination,
                                    .remote = segment->ip->source,
                                    .local_port = segment->destination_port,
                                    .remote_port = segment->source_port,
                                    .kind = TCP_ENTRY_REQUEST};
    if (age > MINUTES_VALID || cookie(stack, &out->entry, peer_sequence, sent & 0xff) != sent) {
        tcp->statistics.cookies_rejected++;
        return false;
    }
    out->initial_send = sent;
    out->initial_receive = peer_sequence;
    out->timestamp_offset = tcp_timestamp_offset(stack, &out->entry);
    out->options.peer_mss = mss_table[sent & 7];
    if (segment->has_timestamp) {
        uint32_t carried = segment->timestamp_echo & TIMESTAMP_BITS;
        out->peer_timestamp = segment->timestamp_value;
        out->options.timestamps = true;
        out->options.sack = (carried & 32) != 0;
        out->options.window_scaling = (carried & 16) != 0;
        if (out->options.window_scaling) {
            uint8_t shift = carried & 15;
            out->options.send_shift = shift > TCP_WINDOW_SHIFT_MAX ? TCP_WINDOW_SHIFT_MAX : shift;
            out->options.receive_shift = tcp_offered_shift(stack);
        }
    }
    tcp->statistics.cookies_accepted++;
    return true;
}
