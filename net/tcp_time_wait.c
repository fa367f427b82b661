/*
 * TIME-WAIT (RFC 9293 §3.6.1, RFC 6191): small entries, all with the same life time, so that
 * the list by age is the timer queue. When there are too many, the oldest goes.
 */
#include "net/tcp.h"

static void unlink_entry(struct tcp_state *tcp, struct tcp_time_wait *entry)
{
    if (entry->previous != NULL) {
        entry->previous->next = entry->next;
    } else {
        tcp->time_wait_first = entry->next;
    }
    if (entry->next != NULL) {
        entry->next->previous = entry->previous;
    } else {
        tcp->time_wait_last = entry->previous;
    }
}

static void link_entry(struct net_stack *stack, struct tcp_time_wait *entry)
{
    struct tcp_state *tcp = stack->tcp;

    entry->expires_ns = stack->now_ns + TCP_TIME_WAIT_NS;
    entry->next = NULL;
    entry->previous = tcp->time_wait_last;
    if (entry->previous != NULL) {
        entry->previous->next = entry;
    } else {
        tcp->time_wait_first = entry;
    }
    tcp->time_wait_last = entry;
    if (!net_timer_is_set(&tcp->time_wait_timer)) {
        net_timer_set(&stack->timers, &tcp->time_wait_timer, entry->expires_ns);
    }
}

static void destroy(struct net_stack *stack, struct tcp_time_wait *entry)
{
    unlink_entry(stack->tcp, entry);
    stack->tcp->time_wait_count--;
    tcp_entry_remove(stack, &entry->entry);
    net_release(stack, entry, sizeof(*entry));
}

void tcp_time_wait_fire(struct net_stack *stack, struct net_timer *timer)
{
    struct tcp_state *tcp = stack->tcp;

    while (tcp->time_wait_first != NULL && tcp->time_wait_first->expires_ns <= stack->now_ns) {
        destroy(stack, tcp->time_wait_first);
    }
    if (tcp->time_wait_first != NULL) {
        net_timer_set(&stack->timers, timer, tcp->time_wait_first->expires_ns);
    }
}

void tcp_time_wait_destroy_all(struct net_stack *stack)
{
    while (stack->tcp->time_wait_first != NULL) {
        destroy(stack, stack->tcp->time_wait_first);
    }
    net_timer_cancel(&stack->timers, &stack->tcp->time_wait_timer);
}

/* The socket has left the table already. */
void tcp_time_wait_add(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);
    struct tcp_time_wait *entry;

    if (stack->tcp->time_wait_count >= stack->tcp->time_wait_limit) {
        destroy(stack, stack->tcp->time_wait_first);
    }
    entry = net_allocate(stack, sizeof(*entry));
    if (entry == NULL) {
        return; /* what comes late is answered with RST, then */
    }
    entry->entry = sock->entry;
    entry->entry.kind = TCP_ENTRY_TIME_WAIT;
    entry->send_next = sock->send_next;
    entry->receive_next = sock->receive_next;
    entry->timestamps = sock->options.timestamps;
    entry->peer_timestamp = sock->peer_timestamp;
    entry->timestamp_offset = sock->timestamp_offset;
    tcp_entry_insert(stack, &entry->entry);
    stack->tcp->time_wait_count++;
    link_entry(stack, entry);
}

/* RFC 6191 §2: a SYN that cannot be old begins a new connection. */
static bool is_new_connection(const struct tcp_time_wait *entry, const struct tcp_segment *segment)
{
    if ((segment->flags & (TCP_SYN_BIT | TCP_ACK_BIT | TCP_RST_BIT)) != TCP_SYN_BIT) {
        return false;
    }
    if (entry->timestamps && segment->has_timestamp &&
        segment->timestamp_value != entry->peer_timestamp) {
        return seq_after(segment->timestamp_value, entry->peer_timestamp);
    }
    return seq_after(segment->sequence, entry->receive_next);
}

bool tcp_time_wait_input(struct net_stack *stack, struct tcp_time_wait *entry,
                         struct tcp_segment *segment)
{
    if (is_new_connection(entry, segment)) {
        /* Beyond anything the old connection may have sent. */
        segment->reuse_sequence = entry->send_next + 65535 + 2;
        if (segment->reuse_sequence == 0) {
            segment->reuse_sequence = 1;
        }
        destroy(stack, entry);
        return true;
    }
    if (segment->flags & TCP_RST_BIT) {
        return false; /* RFC 1337: no assassination */
    }
    if (segment->flags & TCP_FIN_BIT) { /* our last ACK was lost: start over */
        unlink_entry(stack->tcp, entry);
        link_entry(stack, entry);
    }
    if (tcp_segment_span(segment) > 0 || segment->sequence != entry->receive_next) {
        tcp_send_stray_ack(stack, entry);
    }
    return false;
}
