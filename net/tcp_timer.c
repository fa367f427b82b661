#include "net/tcp.h"

static RARE_CALL void wheel_set(struct tcp_socket *sock, uint64_t deadline_ns)
{
    net_timer_set(&tcp_stack(sock)->timers, &sock->timer, deadline_ns);
}

void tcp_timer_set(struct tcp_socket *sock, enum tcp_timer_use use, uint64_t deadline_ns)
{
    sock->deadline_ns[use] = deadline_ns;
    /* Later deadlines wait until the wheel comes by: most are moved on before that. */
    if (!net_timer_is_set(&sock->timer) || deadline_ns < sock->timer.deadline_ns) {
        wheel_set(sock, deadline_ns);
    }
}

void tcp_timer_clear(struct tcp_socket *sock, enum tcp_timer_use use)
{
    sock->deadline_ns[use] = TIMER_NONE;
}

static void set_send_timer(struct tcp_socket *sock, enum tcp_send_timer kind, uint64_t delay_ns)
{
    sock->send_timer = (uint8_t)kind;
    tcp_timer_set(sock, TCP_TIMER_SEND, tcp_stack(sock)->now_ns + delay_ns);
}

void tcp_arm_send_timer(struct tcp_socket *sock)
{
    bool in_flight = sock->send_una != sock->send_next;

    if (!in_flight && (sock->send_una == tcp_send_limit(sock) || !tcp_is_synchronized(sock))) {
        sock->send_timer = TCP_SEND_NONE;
        tcp_timer_clear(sock, TCP_TIMER_SEND);
    } else if (!in_flight) {
        /* Data waits and nothing in flight will bring news: the peer's window is shut. */
        set_send_timer(sock, TCP_SEND_PERSIST, tcp_rto_ns(sock));
    } else if (sock->send_timer == TCP_SEND_REORDER) {
        return; /* set by the last acknowledgement, and sooner than the others */
    } else if (sock->options.sack && sock->recovery == TCP_RECOVERY_NONE &&
               !sock->probe_outstanding && sock->sacked_bytes == 0 && sock->retries == 0 &&
               tcp_is_synchronized(sock)) {
        uint64_t probe_ns = tcp_loss_probe_ns(sock);
        uint64_t rto_ns = tcp_rto_ns(sock);
        /* RFC 8985 §7.2: where the RTO is earlier, the probe takes its place. */
        set_send_timer(sock, TCP_SEND_PROBE_LOSS, probe_ns < rto_ns ? probe_ns : rto_ns);
    } else {
        set_send_timer(sock, TCP_SEND_RETRANSMIT, tcp_rto_ns(sock));
    }
}

void tcp_arm_keep_alive(struct tcp_socket *sock)
{
    uint64_t idle_ns = (uint64_t)sock->keep_idle_s * TCP_NS_PER_S;

    if (sock->base.orphaned) {
        return; /* the timer limits FIN_WAIT_2 then */
    }
    if (sock->keep_alive && tcp_is_synchronized(sock)) {
        tcp_timer_set(sock, TCP_TIMER_KEEP, tcp_stack(sock)->now_ns + idle_ns);
    } else {
        tcp_timer_clear(sock, TCP_TIMER_KEEP);
    }
}

/* RFC 9293 §3.8.3, RFC 5482: whether the peer has been silent for too long. */
static bool gave_up(const struct tcp_socket *sock)
{
    uint32_t most = sock->base.orphaned ? TCP_RETRIES_ORPHAN : TCP_RETRIES;
    uint64_t now_ns = tcp_stack(sock)->now_ns;

    if (sock->status == TCP_SYN_SENT || sock->status == TCP_SYN_RECEIVED) {
        most = TCP_SYN_RETRIES;
    }
    if (sock->user_timeout_ms != 0 && sock->unanswered_ns != 0) {
        return now_ns - sock->unanswered_ns >= sock->user_timeout_ms * TCP_NS_PER_MS;
    }
    if (sock->base.orphaned && sock->unanswered_ns != 0 &&
        now_ns - sock->unanswered_ns >= TCP_ORPHAN_NS) {
        return true;
    }
    return sock->retries >= most;
}

static void count_retry(struct tcp_socket *sock)
{
    sock->retries++;
    if (sock->backoff < 12) {
        sock->backoff++;
    }
}

/* All handlers: false when the socket is gone or its connection over. */
static bool fire_syn(struct tcp_socket *sock)
{
    count_retry(sock);
    sock->options.ecn &=
        sock->status == TCP_SYN_RECEIVED; /* RFC 3168 §6.1.1.1: may be the reason */
    tcp_send_syn(sock, sock->status == TCP_SYN_RECEIVED);
    set_send_timer(sock, TCP_SEND_RETRANSMIT, tcp_rto_ns(sock));
    return true;
}

/*
 * Data waits but the window is shut (or too small to be worth while): send what fits, or
 * ask. An answer, even one that keeps the window shut, resets retries (RFC 9293 §3.8.6.1).
 */
static bool fire_persist(struct tcp_socket *sock)
{
    bool sent = tcp_send_new_segment(sock);

    count_retry(sock);
    if (!sent) {
        tcp_send_probe(sock);
        if (sock->unanswered_ns == 0) {
            sock->unanswered_ns = tcp_stack(sock)->now_ns;
        }
    }
    tcp_arm_send_timer(sock);
    return true;
}

static bool fire_send(struct tcp_socket *sock)
{
    enum tcp_send_timer kind = (enum tcp_send_timer)sock->send_timer;

    sock->send_timer = TCP_SEND_NONE;
    if (kind == TCP_SEND_RETRANSMIT || kind == TCP_SEND_PERSIST) {
        if (gave_up(sock)) {
            tcp_finish(sock, ERR_TIMEDOUT);
            return false;
        }
        if (!tcp_is_synchronized(sock)) {
            return fire_syn(sock);
        }
    }
    switch (kind) {
    case TCP_SEND_RETRANSMIT:
        count_retry(sock);
        tcp_recovery_timeout(sock);
        break;
    case TCP_SEND_PERSIST:
        return fire_persist(sock);
    case TCP_SEND_PROBE_LOSS:
        tcp_loss_probe(sock);
        break;
    case TCP_SEND_REORDER:
        tcp_recovery_reorder_timer(sock);
        break;
    case TCP_SEND_NONE:
        break;
    }
    return true;
}

static bool fire_keep(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);
    uint64_t idle_ns = (uint64_t)sock->keep_idle_s * TCP_NS_PER_S;

    if (sock->base.orphaned) {
        tcp_finish(sock, ERR_OK);
        return false;
    }
    if (!sock->keep_alive || !tcp_is_synchronized(sock)) {
        return true;
    }
    if (stack->now_ns - sock->heard_ns < idle_ns || sock->send_una != sock->send_next) {
        /* Heard of, or about to be timed out by the retransmission timer. */
        uint64_t from_ns = sock->send_una != sock->send_next ? stack->now_ns : sock->heard_ns;
        sock->keep_probes = 0;
        tcp_timer_set(sock, TCP_TIMER_KEEP, from_ns + idle_ns);
        return true;
    }
    if (sock->keep_probes >= sock->keep_count) {
        tcp_abort(sock, ERR_TIMEDOUT);
        return false;
    }
    sock->keep_probes++;
    tcp_send_probe(sock);
    tcp_timer_set(sock, TCP_TIMER_KEEP,
                  stack->now_ns + (uint64_t)sock->keep_interval_s * TCP_NS_PER_S);
    return true;
}

/*
 * RFC 1191 §6.3, RFC 8201 §4: once in ten minutes the path may have grown. Full segments are the
 * probes: a router that cannot pass them says so, and where none does the first time-out is
 * enough to go back (tcp_recovery.c).
 */
static void fire_path(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);
    uint16_t mss_before = sock->mss;

    sock->mss_limit = 0;
    if (!tcp_is_synchronized(sock) || ip_route_refresh(stack, &sock->route) != ERR_OK) {
        return;
    }
    tcp_update_mss(sock);
    if (sock->mss > mss_before) {
        sock->mss_raised_ns = stack->now_ns;
    }
}

/* The application waits for memory to send with. */
static void fire_starved(struct tcp_socket *sock)
{
    if (!sock->starved) {
        return;
    }
    if (tcp_send_may_queue(sock)) {
        sock->starved = false;
        tcp_wake(sock);
    } else {
        tcp_timer_set(sock, TCP_TIMER_STARVED, tcp_stack(sock)->now_ns + TCP_STARVED_NS);
    }
}

void tcp_timer_fire(struct net_stack *stack, struct net_timer *timer)
{
    struct tcp_socket *sock =
        (struct tcp_socket *)((char *)timer - offsetof(struct tcp_socket, timer));
    uint64_t earliest_ns = TIMER_NONE;

    for (unsigned use = 0; use < TCP_TIMER_COUNT; use++) {
        if (sock->deadline_ns[use] > stack->now_ns) {
            continue;
        }
        sock->deadline_ns[use] = TIMER_NONE;
        if (use == TCP_TIMER_ACK) {
            tcp_send_ack(sock);
        } else if (use == TCP_TIMER_STARVED) {
            fire_starved(sock);
        } else if (use == TCP_TIMER_PATH) {
            fire_path(sock);
        } else if (!(use == TCP_TIMER_SEND ? fire_send(sock) : fire_keep(sock))) {
            return;
        }
    }
    for (unsigned use = 0; use < TCP_TIMER_COUNT; use++) {
        if (sock->deadline_ns[use] < earliest_ns) {
            earliest_ns = sock->deadline_ns[use];
        }
    }
    if (earliest_ns != TIMER_NONE &&
        (!net_timer_is_set(&sock->timer) || earliest_ns < sock->timer.deadline_ns)) {
        net_timer_set(&stack->timers, &sock->timer, earliest_ns);
    }
}
