#include "net/tcp.h"

#include "kernel/base/inline.h"
#include "kernel/base/string.h"

/* Segments smaller than this part of the buffer that they came in are copied together. */
#define SPARSE_DIVISOR   4u
#define COALESCE_BYTES   2048u
#define TUNE_INTERVAL_NS (10 * TCP_NS_PER_MS)

/* Memory of our own was counted when it was allocated. */
static void hold_part(struct net_stack *stack, const struct net_buffer *part)
{
    if (part->owner != stack) {
        net_charge(stack, part->capacity_bytes);
        stack->lent_bytes += part->capacity_bytes;
    }
}

static void release_part(struct net_stack *stack, struct net_buffer *part)
{
    if (part->owner != stack) {
        net_uncharge(stack, part->capacity_bytes);
        stack->lent_bytes -= part->capacity_bytes;
    }
    net_buffer_free(stack, part);
}

/* Cuts `length` bytes at `offset` out of a chain: single parts linked by next_packet. */
static struct net_buffer *take_parts(struct net_stack *stack, struct net_buffer *chain,
                                     uint32_t offset, uint32_t length, struct net_buffer **last)
{
    struct net_buffer *first = NULL;

    *last = NULL;
    while (chain != NULL) {
        struct net_buffer *part = chain;

        chain = part->next_part;
        part->next_part = NULL;
        part->next_packet = NULL;
        if (length == 0 || offset >= part->length_bytes) {
            offset -= offset < part->length_bytes ? offset : part->length_bytes;
            net_buffer_free(stack, part);
            continue;
        }
        part->data += offset;
        part->length_bytes -= offset;
        offset = 0;
        if (part->length_bytes > length) {
            part->length_bytes = length;
        }
        length -= part->length_bytes;
        hold_part(stack, part);
        if (first == NULL) {
            first = part;
        } else {
            (*last)->next_packet = part;
        }
        *last = part;
    }
    return first;
}

/* Whether a part is better copied than kept. */
static bool is_sparse(const struct net_stack *stack, const struct net_buffer *part)
{
    return part->length_bytes < part->capacity_bytes / SPARSE_DIVISOR ||
           (part->owner != stack && net_device_is_short(stack));
}

/* A copy in memory of the right size, or the part itself when there is none. */
static struct net_buffer *compact(struct net_stack *stack, struct net_buffer *part,
                                  uint32_t capacity_bytes)
{
    struct net_buffer *copy = net_buffer_allocate(stack, capacity_bytes);

    if (copy == NULL) {
        return part;
    }
    memcpy(copy->data, part->data, part->length_bytes);
    copy->length_bytes = part->length_bytes;
    copy->next_packet = part->next_packet;
    release_part(stack, part);
    return copy;
}

/* What waits behind a hole may wait long: parts not worth their buffers are copied. */
static void compact_parts(struct net_stack *stack, struct net_buffer **first,
                          struct net_buffer **last)
{
    struct net_buffer **link = first;

    while (*link != NULL) {
        if (is_sparse(stack, *link)) {
            *link = compact(stack, *link, (*link)->length_bytes);
        }
        *last = *link;
        link = &(*link)->next_packet;
    }
}

/*
 * Puts one part behind the queue. A stream of tiny segments must not pin a whole device
 * buffer each: all but the first are copied together.
 */
static void append_part(struct tcp_socket *sock, struct net_buffer *part)
{
    struct net_stack *stack = tcp_stack(sock);
    struct net_buffer *tail = sock->receive_last;
    uint32_t room = 0;

    sock->receive_queued_bytes += part->length_bytes;
    if (is_sparse(stack, part)) {
        if (tail != NULL && sock->receive_tail_room >= part->length_bytes) {
            memcpy(tail->data + tail->length_bytes, part->data, part->length_bytes);
            tail->length_bytes += part->length_bytes;
            sock->receive_tail_room -= part->length_bytes;
            release_part(stack, part);
            return;
        }
        if (tail != NULL || net_pressure(stack) != NET_PRESSURE_RELAXED ||
            net_device_is_short(stack)) {
            uint32_t length = part->length_bytes;
            uint32_t capacity = tail != NULL && length < COALESCE_BYTES ? COALESCE_BYTES : length;
            struct net_buffer *copy = compact(stack, part, capacity);
            room = copy == part ? 0 : capacity - length;
            part = copy;
        }
    }
    part->next_packet = NULL;
    if (tail == NULL) {
        sock->receive_first = part;
    } else {
        tail->next_packet = part;
    }
    sock->receive_last = part;
    sock->receive_tail_room = room;
}

static void append_parts(struct tcp_socket *sock, struct net_buffer *part)
{
    while (part != NULL) {
        struct net_buffer *next = part->next_packet;
        append_part(sock, part);
        part = next;
    }
}

/* ---- Beyond holes ------------------------------------------------------------------------------
 */

static void free_parts(struct net_stack *stack, struct net_buffer *part)
{
    while (part != NULL) {
        struct net_buffer *next = part->next_packet;
        release_part(stack, part);
        part = next;
    }
}

static void remove_range(struct tcp_socket *sock, struct tcp_range **link)
{
    struct tcp_range *range = *link;

    *link = range->next;
    sock->range_count--;
    net_release(tcp_stack(sock), range, sizeof(*range));
}

void tcp_receive_clear_ranges(struct tcp_socket *sock)
{
    while (sock->ranges != NULL) {
        free_parts(tcp_stack(sock), sock->ranges->first);
        remove_range(sock, &sock->ranges);
    }
}

static void join_following(struct tcp_socket *sock, struct tcp_range *range)
{
    struct tcp_range *next = range->next;

    if (next != NULL && next->start == range->end) {
        range->last->next_packet = next->first;
        range->last = next->last;
        range->end = next->end;
        remove_range(sock, &range->next);
    }
}

/* [start, end) that touches or overlaps `range`; only one side can be new after the cut. */
static void extend_range(struct tcp_socket *sock, struct tcp_range *range,
                         struct tcp_segment *segment, uint32_t start, uint32_t end)
{
    struct net_stack *stack = tcp_stack(sock);
    struct net_buffer *first;
    struct net_buffer *last;
    bool in_front = seq_before(start, range->start);

    if (in_front) {
        end = range->start; /* what lies behind is there, or will be sent again */
    } else {
        start = range->end;
        if (range->next != NULL) {
            end = seq_earlier(end, range->next->start);
        }
    }
    first = take_parts(stack, segment->chain, segment->payload_offset + (start - segment->sequence),
                       end - start, &last);
    segment->chain = NULL;
    if (first == NULL) {
        return;
    }
    compact_parts(stack, &first, &last);
    if (in_front) {
        last->next_packet = range->first;
        range->first = first;
        range->start = start;
    } else {
        range->last->next_packet = first;
        range->last = last;
        range->end = end;
        join_following(sock, range);
    }
}

static void add_range(struct tcp_socket *sock, struct tcp_range **link, struct tcp_segment *segment,
                      uint32_t start, uint32_t end)
{
    struct net_stack *stack = tcp_stack(sock);
    struct tcp_range *range;

    if (sock->range_count >= TCP_RANGES_MAX) {
        return;
    }
    range = net_allocate(stack, sizeof(*range));
    if (range == NULL) {
        return;
    }
    range->first =
        take_parts(stack, segment->chain, segment->payload_offset + (start - segment->sequence),
                   end - start, &range->last);
    segment->chain = NULL;
    if (range->first == NULL) {
        net_release(stack, range, sizeof(*range));
        return;
    }
    compact_parts(stack, &range->first, &range->last);
    range->start = start;
    range->end = end;
    range->next = *link;
    *link = range;
    sock->range_count++;
}

static void receive_beyond_hole(struct tcp_socket *sock, struct tcp_segment *segment,
                                uint32_t start, uint32_t end)
{
    struct tcp_range **link = &sock->ranges;

    /* The promise of the window holds for data in order only. */
    if (tcp_share(sock) >= TCP_SHARE_CRAWL) {
        return;
    }
    while (*link != NULL && seq_before((*link)->end, start)) {
        link = &(*link)->next;
    }
    if (*link == NULL || seq_before(end, (*link)->start)) {
        add_range(sock, link, segment, start, end);
        sock->range_recent = start;
        return;
    }
    if (!seq_before(start, (*link)->start) && !seq_after(end, (*link)->end)) {
        sock->duplicate = (struct tcp_sack_block){start, end};
        tcp_stack(sock)->tcp->statistics.duplicates_received++;
    } else {
        extend_range(sock, *link, segment, start, end);
    }
    sock->range_recent = (*link)->start;
}

/* Moves what the new data made contiguous into the queue. */
static void fill_from_ranges(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);

    while (sock->ranges != NULL && !seq_after(sock->ranges->start, sock->receive_next)) {
        struct tcp_range *range = sock->ranges;
        struct net_buffer *part = range->first;
        uint32_t skip = sock->receive_next - range->start;

        while (part != NULL && skip >= part->length_bytes) {
            struct net_buffer *next = part->next_packet;
            skip -= part->length_bytes;
            release_part(stack, part);
            part = next;
        }
        if (part != NULL) {
            part->data += skip;
            part->length_bytes -= skip;
            append_parts(sock, part);
            sock->receive_next = range->end;
        }
        remove_range(sock, &sock->ranges);
    }
}

/* ---- In order -----------------------------------------------------------------------------------
 */

static void estimate_mss(struct tcp_socket *sock, const struct net_buffer *chain, uint32_t length)
{
    if (chain != NULL && chain->gso != NET_GSO_NONE && chain->gso_size_bytes < length) {
        length = chain->gso_size_bytes;
    }
    if (length > sock->receive_mss && length <= UINT16_MAX) {
        sock->receive_mss = length;
    }
}

/*
 * The window is a promise, but only an acknowledgement may never be taken back: when memory has
 * nearly run out, a peer that holds most of it must send again later.
 */
static bool receive_allowed(const struct tcp_socket *sock)
{
    enum tcp_share share = tcp_share(sock);

    return share < TCP_SHARE_CRAWL ||
           (share == TCP_SHARE_CRAWL && sock->receive_queued_bytes == 0) || sock->receive_shut;
}

/* Every second full segment is acknowledged at once (RFC 9293 §3.8.6.3). */
static void schedule_ack(struct tcp_socket *sock)
{
    if (sock->ack_now || sock->receive_next - sock->receive_acked > sock->receive_mss) {
        sock->ack_now = true;
        tcp_mark_pending(sock);
    } else if (sock->deadline_ns[TCP_TIMER_ACK] == TIMER_NONE) {
        tcp_timer_set(sock, TCP_TIMER_ACK, tcp_stack(sock)->now_ns + TCP_DELAYED_ACK_NS);
    }
}

void tcp_receive_data(struct tcp_socket *sock, struct tcp_segment *segment)
{
    struct net_stack *stack = tcp_stack(sock);
    uint32_t start = segment->sequence;
    uint32_t end = start + segment->length;
    bool had_holes = sock->ranges != NULL;
    struct net_buffer *last;

    estimate_mss(sock, segment->chain, segment->length);
    end = seq_earlier(end, sock->receive_edge);
    if (seq_before(start, sock->receive_next)) {
        uint32_t old_end = seq_earlier(segment->sequence + segment->length, sock->receive_next);
        sock->duplicate = (struct tcp_sack_block){start, old_end};
        stack->tcp->statistics.duplicates_received++;
        sock->ack_now = true;
        start = sock->receive_next;
    }
    if (!seq_before(start, end)) {
        sock->ack_now = true; /* nothing new, or no window */
        tcp_mark_pending(sock);
        return;
    }
    if (!receive_allowed(sock)) {
        stack->tcp->statistics.data_refused++;
        sock->ack_now = true;
        tcp_mark_pending(sock);
        return;
    }
    if (start != sock->receive_next) {
        receive_beyond_hole(sock, segment, start, end);
        sock->ack_now = true;
        if (!sock->options.sack) {
            tcp_send_ack(sock); /* the peer counts duplicates (RFC 5681 §4.2) */
        }
        tcp_mark_pending(sock);
        return;
    }
    if (sock->receive_shut) {
        sock->receive_next = end; /* nobody will read it */
        sock->receive_edge = seq_later(sock->receive_edge, end);
    } else {
        append_parts(sock, take_parts(stack, segment->chain,
                                      segment->payload_offset + (start - segment->sequence),
                                      end - start, &last));
        segment->chain = NULL;
        sock->receive_next = end;
    }
    if (had_holes) {
        fill_from_ranges(sock);
        if (sock->receive_shut) {
            tcp_receive_clear(sock);
        }
        sock->ack_now = true; /* RFC 5681 §4.2: a hole was filled */
    }
    schedule_ack(sock);
}

void tcp_receive_part(struct tcp_socket *sock, struct net_buffer *part, uint32_t offset,
                      uint32_t length)
{
    struct net_stack *stack = tcp_stack(sock);

    estimate_mss(sock, part, length);
    part->data += offset;
    part->length_bytes = length;
    part->next_packet = NULL;
    hold_part(stack, part);
    if (sock->receive_first == NULL && !net_device_is_short(stack)) {
        /* What append_part would do: the first of a queue is kept as it came. */
        sock->receive_first = part;
        sock->receive_last = part;
        sock->receive_tail_room = 0;
        sock->receive_queued_bytes = length;
    } else {
        append_part(sock, part);
    }
    sock->receive_next += length;
    schedule_ack(sock);
}

void tcp_receive_clear(struct tcp_socket *sock)
{
    free_parts(tcp_stack(sock), sock->receive_first);
    sock->receive_first = NULL;
    sock->receive_last = NULL;
    sock->receive_queued_bytes = 0;
    sock->receive_tail_room = 0;
    tcp_peer_charge(sock);
}

/*
 * The application keeps up, and half the buffer passed within about two round trips: a
 * larger one lets the peer send more. Looked at once each half buffer.
 */
static RARE_CALL void tune_buffer_now(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);
    uint64_t interval_ns = 2 * sock->srtt_us * TCP_NS_PER_US;
    uint32_t maximum;
    uint32_t doubled;

    interval_ns = interval_ns < TUNE_INTERVAL_NS ? TUNE_INTERVAL_NS : interval_ns;
    maximum = tcp_buffer_maximum(stack);
    if (sock->receive_auto && stack->now_ns - sock->tune_ns <= interval_ns &&
        sock->receive_limit_bytes < maximum && tcp_share(sock) == TCP_SHARE_FREE) {
        doubled = 2 * sock->receive_limit_bytes;
        sock->receive_limit_bytes = doubled < maximum ? doubled : maximum;
    }
    sock->tune_bytes = 0;
    sock->tune_ns = stack->now_ns;
}

static void tune_buffer(struct tcp_socket *sock, uint32_t length_bytes)
{
    sock->tune_bytes += length_bytes;
    if (sock->tune_bytes >= sock->receive_limit_bytes / 2) {
        tune_buffer_now(sock);
    }
}

void tcp_receive_discard(struct tcp_socket *sock, uint32_t length_bytes)
{
    struct net_stack *stack = tcp_stack(sock);

    if (length_bytes > sock->receive_queued_bytes) {
        length_bytes = sock->receive_queued_bytes;
    }
    tune_buffer(sock, length_bytes);
    sock->receive_queued_bytes -= length_bytes;
    if (sock->charged_pages != 0) {
        tcp_peer_charge(sock);
    }
    struct net_buffer *part;
    while (length_bytes > 0 && (part = sock->receive_first) != NULL) {
        uint32_t take = part->length_bytes < length_bytes ? part->length_bytes : length_bytes;

        part->data += take;
        part->length_bytes -= take;
        length_bytes -= take;
        if (part->length_bytes > 0) {
            break;
        }
        sock->receive_first = part->next_packet;
        if (sock->receive_first == NULL) {
            sock->receive_last = NULL;
            sock->receive_tail_room = 0;
        }
        release_part(stack, part);
    }
}

void tcp_receive_take(struct tcp_socket *sock)
{
    struct net_buffer *part = sock->receive_first;

    tune_buffer(sock, part->length_bytes);
    sock->receive_queued_bytes = 0;
    if (sock->charged_pages != 0) {
        tcp_peer_charge(sock);
    }
    sock->receive_first = NULL;
    sock->receive_last = NULL;
    sock->receive_tail_room = 0;
    release_part(tcp_stack(sock), part);
}

/* The right edge that the free memory would allow. */
static uint32_t wanted_edge(const struct tcp_socket *sock)
{
    uint32_t most = 0xffffu << sock->options.receive_shift;
    uint32_t queued = sock->receive_queued_bytes;
    uint32_t limit = sock->receive_limit_bytes;
    enum tcp_share share = tcp_share(sock);
    uint32_t free_bytes;

    if (__builtin_expect(share != TCP_SHARE_FREE, 0)) {
        uint32_t scarce = share == TCP_SHARE_FLOOR                 ? TCP_BUFFER_FLOOR
                          : queued == 0 && share != TCP_SHARE_NONE ? sock->receive_mss
                                                                   : 0;
        limit = limit < scarce ? limit : scarce;
    }
    free_bytes = queued < limit ? limit - queued : 0;
    return sock->receive_next + (free_bytes < most ? free_bytes : most);
}

/* RFC 9293 §3.8.6.2.2: the edge moves in steps worth a segment, or not at all. */
static uint32_t least_step(const struct tcp_socket *sock)
{
    uint32_t half = sock->receive_limit_bytes / 2;

    return sock->receive_mss < half ? sock->receive_mss : half;
}

uint32_t tcp_receive_window(struct tcp_socket *sock)
{
    uint32_t edge = wanted_edge(sock);
    uint32_t left;

    if ((int32_t)(edge - sock->receive_edge) >= (int32_t)least_step(sock)) {
        sock->receive_edge = edge;
    }
    left = sock->receive_edge - sock->receive_next;
    return (int32_t)left > 0 ? left : 0;
}

bool tcp_window_update_due(const struct tcp_socket *sock)
{
    uint32_t left = sock->receive_edge - sock->receive_next;
    uint32_t quarter = sock->receive_limit_bytes / 4;
    uint32_t step;
    int32_t gain;

    if (left >= 3 * quarter && left >= 2 * sock->receive_mss) {
        return false; /* what there is to gain is too little, as nearly always */
    }
    gain = (int32_t)(wanted_edge(sock) - sock->receive_edge);
    if (sock->fin_received || gain <= 0) {
        return false;
    }
    step = least_step(sock);
    return (uint32_t)gain >= quarter || (left < 2 * sock->receive_mss && (uint32_t)gain >= step);
}
