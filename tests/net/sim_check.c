#include "tests/net/sim_check.h"

#include "net/tcp.h"

static void check_scoreboard(struct sim *sim, const struct tcp_socket *sock)
{
    uint32_t at = sock->send_una;
    uint32_t sacked = 0;
    uint32_t lost = 0;

    for (const struct tcp_record *r = sock->record_first; r != NULL; r = r->next) {
        if (r->start != at || !seq_before(r->start, r->end)) {
            sim_fail(sim, "records do not follow each other");
            return;
        }
        at = r->end;
        sacked += (r->flags & TCP_RECORD_SACKED_BIT) ? r->end - r->start : 0;
        lost += (r->flags & TCP_RECORD_LOST_BIT) ? r->end - r->start : 0;
        if ((r->flags & TCP_RECORD_SACKED_BIT) && (r->flags & TCP_RECORD_LOST_BIT)) {
            sim_fail(sim, "a record both sacked and lost");
        }
    }
    if (at != sock->send_next) {
        sim_fail(sim, "records do not cover what is in flight");
    }
    if (sacked != sock->sacked_bytes || lost != sock->lost_bytes) {
        sim_fail(sim, "counters and records disagree");
    }
}

static void check_ranges(struct sim *sim, const struct tcp_socket *sock)
{
    uint32_t at = sock->receive_next;
    uint32_t count = 0;

    for (const struct tcp_range *r = sock->ranges; r != NULL; r = r->next) {
        uint32_t bytes = 0;
        if (!seq_after(r->start, at) || !seq_before(r->start, r->end)) {
            sim_fail(sim, "ranges out of order");
        }
        for (const struct net_buffer *b = r->first; b != NULL; b = b->next_packet) {
            bytes += b->length_bytes;
        }
        if (bytes != r->end - r->start) {
            sim_fail(sim, "a range of the wrong length");
        }
        at = r->end;
        count++;
    }
    if (count != sock->range_count || count > TCP_RANGES_MAX) {
        sim_fail(sim, "miscounted ranges");
    }
}

static void check_queue(struct sim *sim, const struct tcp_socket *sock)
{
    uint32_t bytes = 0;

    for (const struct net_buffer *b = sock->receive_first; b != NULL; b = b->next_packet) {
        bytes += b->length_bytes;
    }
    if (bytes != sock->receive_queued_bytes) {
        sim_fail(sim, "miscounted receive queue");
    }
    if (seq_after(sock->receive_next, sock->receive_edge + 1)) {
        sim_fail(sim, "took more than the window");
    }
}

static void check_socket(struct sim *sim, const struct tcp_socket *sock)
{
    check_queue(sim, sock);
    if (!tcp_is_synchronized(sock)) {
        return;
    }
    if (seq_after(sock->send_una, sock->send_next) ||
        seq_after(sock->send_next, tcp_send_limit(sock))) {
        sim_fail(sim, "send sequence out of order");
    }
    check_scoreboard(sim, sock);
    check_ranges(sim, sock);
    if (sock->send_una != tcp_send_limit(sock) && !sock->pending &&
        (sock->deadline_ns[TCP_TIMER_SEND] == TIMER_NONE || !net_timer_is_set(&sock->timer) ||
         sock->send_timer == TCP_SEND_NONE)) {
        sim_fail(sim, "something to send and no timer");
    }
    if (net_timer_is_set(&sock->timer)) {
        for (unsigned i = 0; i < TCP_TIMER_COUNT; i++) {
            if (sock->deadline_ns[i] < sock->timer.deadline_ns) {
                sim_fail(sim, "the wheel would come too late");
            }
        }
    }
}

/* Connections are few in most simulations; where they are many, the walk would take too long. */
static void check_accounts(struct sim *sim, const struct tcp_state *tcp)
{
    if (tcp->socket_count > 64) {
        return;
    }
    for (const struct tcp_socket *sock = tcp->all; sock != NULL; sock = sock->all_next) {
        size_t charged = 0;
        uint32_t count = 0;
        for (const struct tcp_socket *other = tcp->all; other != NULL; other = other->all_next) {
            if (other->peer == sock->peer) {
                charged +=
                    sizeof(*other) + (1 + (size_t)other->charged_pages) * TCP_PEER_PAGE_BYTES;
                count++;
            }
        }
        if (sock->peer != NULL &&
            (sock->peer->charged_bytes != charged || sock->peer->connection_count != count)) {
            sim_fail(sim, "a peer's account is wrong");
        }
    }
}

void sim_check_tcp(struct sim *sim)
{
    for (unsigned i = 0; i < 2 && !sim->broken; i++) {
        for (const struct tcp_socket *sock = sim->host[i].stack->tcp->all; sock != NULL;
             sock = sock->all_next) {
            check_socket(sim, sock);
        }
        check_accounts(sim, sim->host[i].stack->tcp);
    }
}
