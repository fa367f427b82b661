#include "net/tcp.h"

#define KEEP_IDLE_S       7200u /* RFC 9293 §3.8.4: at least two hours by default */
#define KEEP_INTERVAL_S   75u
#define KEEP_COUNT        9u
#define IPV4_HEADER_BYTES 20u
#define IPV6_HEADER_BYTES 40u
#define TCP_HEADER_BYTES  20u

/* ---- Waiting to send ---------------------------------------------------------------------------
 */

void tcp_mark_pending(struct tcp_socket *sock)
{
    struct tcp_state *tcp = tcp_stack(sock)->tcp;

    if (sock->pending) {
        return;
    }
    sock->pending = true;
    sock->pending_next = NULL;
    sock->pending_previous = tcp->pending_last;
    if (tcp->pending_last != NULL) {
        tcp->pending_last->pending_next = sock;
    } else {
        tcp->pending_first = sock;
    }
    tcp->pending_last = sock;
}

void tcp_unmark_pending(struct tcp_socket *sock)
{
    struct tcp_state *tcp = tcp_stack(sock)->tcp;

    if (!sock->pending) {
        return;
    }
    sock->pending = false;
    if (sock->pending_previous != NULL) {
        sock->pending_previous->pending_next = sock->pending_next;
    } else {
        tcp->pending_first = sock->pending_next;
    }
    if (sock->pending_next != NULL) {
        sock->pending_next->pending_previous = sock->pending_previous;
    } else {
        tcp->pending_last = sock->pending_previous;
    }
}

bool tcp_poll(struct net_stack *stack)
{
    struct tcp_state *tcp = stack->tcp;
    struct tcp_socket *last = tcp->pending_last;
    bool any = false;

    /* Up to what was last at the start: who marks itself again waits for the next poll. */
    while (tcp->pending_first != NULL && last != NULL && !stack->transmit_blocked) {
        struct tcp_socket *sock = tcp->pending_first;

        last = sock == last ? NULL : last;
        if (!tcp_output_predicted(sock)) {
            tcp_output(sock);
        }
        any = true;
    }
    return any;
}

void tcp_wake(struct tcp_socket *sock)
{
    if (!sock->accept_queued) {
        net_socket_wake(&sock->base);
    }
}

/* ---- Birth and death --------------------------------------------------------------------------
 */

uint32_t tcp_buffer_maximum(const struct net_stack *stack)
{
    size_t share = stack->config.memory_limit_bytes / 16;

    if (share > TCP_BUFFER_MAXIMUM) {
        return TCP_BUFFER_MAXIMUM;
    }
    return share < TCP_BUFFER_INITIAL ? TCP_BUFFER_INITIAL : (uint32_t)share;
}

struct tcp_socket *tcp_socket_create(struct net_stack *stack)
{
    struct tcp_socket *sock;

    sock = net_allocate(stack, sizeof(*sock));
    if (sock == NULL) {
        return NULL;
    }
    sock->base.protocol = &tcp_socket_protocol;
    sock->base.stack = stack;
    sock->base.type = NET_SOCKET_STREAM;
    sock->base.family = NET_FAMILY_IPV4;
    sock->entry.kind = TCP_ENTRY_SOCKET;
    sock->timer.fire = tcp_timer_fire;
    for (unsigned use = 0; use < TCP_TIMER_COUNT; use++) {
        sock->deadline_ns[use] = TIMER_NONE;
    }
    sock->status = TCP_CLOSED;
    sock->send_auto = true;
    sock->receive_auto = true;
    sock->send_limit_bytes = TCP_BUFFER_INITIAL;
    sock->receive_limit_bytes = TCP_BUFFER_INITIAL;
    sock->receive_low_bytes = 1;
    sock->receive_mss = TCP_MSS_DEFAULT;
    sock->rto_us = TCP_RTO_INITIAL_US;
    sock->keep_idle_s = KEEP_IDLE_S;
    sock->keep_interval_s = KEEP_INTERVAL_S;
    sock->keep_count = KEEP_COUNT;
    sock->linger_s = -1;
    sock->reorder_steps = 1;
    sock->all_next = stack->tcp->all;
    sock->all_link = &stack->tcp->all;
    if (sock->all_next != NULL) {
        sock->all_next->all_link = &sock->all_next;
    }
    stack->tcp->all = sock;
    stack->tcp->socket_count++;
    return sock;
}

/* Everything that belongs to the connection rather than to the socket. */
static void drop_connection(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);

    net_timer_cancel(&stack->timers, &sock->timer);
    for (unsigned use = 0; use < TCP_TIMER_COUNT; use++) {
        sock->deadline_ns[use] = TIMER_NONE;
    }
    tcp_unmark_pending(sock);
    if (sock->in_table) {
        tcp_entry_remove(stack, &sock->entry);
        sock->in_table = false;
    }
    tcp_records_clear(sock);
    tcp_send_clear(sock);
    tcp_receive_clear_ranges(sock);
    tcp_peer_charge(sock);
    sock->send_timer = TCP_SEND_NONE;
    sock->status = TCP_CLOSED;
}

void tcp_socket_destroy(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);

    drop_connection(sock);
    tcp_receive_clear(sock);
    tcp_unbind(sock);
    if (sock->base.orphaned) {
        stack->tcp->orphan_count--;
        sock->peer->orphan_count--;
    }
    tcp_peer_leave(sock);
    *sock->all_link = sock->all_next;
    if (sock->all_next != NULL) {
        sock->all_next->all_link = sock->all_link;
    }
    stack->tcp->socket_count--;
    net_release(stack, sock, sizeof(*sock));
}

void tcp_finish(struct tcp_socket *sock, enum err error)
{
    drop_connection(sock);
    if (sock->base.orphaned) {
        tcp_socket_destroy(sock);
        return;
    }
    if (error != ERR_OK) {
        sock->base.error = (uint8_t)error;
    }
    tcp_wake(sock);
}

void tcp_abort(struct tcp_socket *sock, enum err error)
{
    tcp_send_reset(sock);
    tcp_finish(sock, error);
}

void tcp_enter_time_wait(struct tcp_socket *sock)
{
    tcp_entry_remove(tcp_stack(sock), &sock->entry);
    sock->in_table = false;
    tcp_time_wait_add(sock);
    tcp_finish(sock, ERR_OK);
}

void tcp_listener_destroy(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);
    struct tcp_listener *listener = sock->listener;

    while (listener->requests != NULL) {
        tcp_request_destroy(stack, listener->requests);
    }
    while (listener->accept_first != NULL) {
        struct tcp_socket *waiting = listener->accept_first;
        listener->accept_first = waiting->accept_next;
        waiting->peer->accept_count--;
        if (waiting->status != TCP_CLOSED) {
            tcp_send_reset(waiting);
        }
        tcp_socket_destroy(waiting);
    }
    net_release(stack, listener, sizeof(*listener));
    sock->listener = NULL;
    sock->status = TCP_CLOSED;
}

/* ---- Parameters --------------------------------------------------------------------------------
 */

uint16_t tcp_offered_mss(const struct net_stack *stack, const struct ip_route *route)
{
    uint32_t headers = TCP_HEADER_BYTES + (route->is_ipv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES);

    (void)stack;
    return route->mtu_bytes > headers + TCP_MSS_MINIMUM ? (uint16_t)(route->mtu_bytes - headers)
                                                        : (uint16_t)TCP_MSS_MINIMUM;
}

uint8_t tcp_offered_shift(const struct net_stack *stack)
{
    uint32_t maximum = tcp_buffer_maximum(stack);
    uint8_t shift = 0;

    while (shift < TCP_WINDOW_SHIFT_MAX && 0xffffu << shift < maximum) {
        shift++;
    }
    return shift;
}

void tcp_update_mss(struct tcp_socket *sock)
{
    uint32_t ours = tcp_offered_mss(tcp_stack(sock), &sock->route);
    uint32_t theirs = sock->options.peer_mss;

    if (theirs == 0) {
        theirs = sock->route.is_ipv4 ? TCP_MSS_DEFAULT : TCP_MSS_DEFAULT_IPV6;
    }
    if (theirs < TCP_MSS_MINIMUM) {
        theirs = TCP_MSS_MINIMUM;
    }
    sock->mss = (uint16_t)(ours < theirs ? ours : theirs);
    if (sock->mss_limit != 0 && sock->mss > sock->mss_limit) {
        sock->mss = sock->mss_limit;
    }
    if (sock->mss_limit != 0 || ip_route_is_narrow(tcp_stack(sock), &sock->route)) {
        tcp_timer_set(sock, TCP_TIMER_PATH, tcp_stack(sock)->now_ns + TCP_PATH_NS);
    }
}

void tcp_establish(struct tcp_socket *sock, const struct tcp_options *options)
{
    uint64_t now_ns = tcp_stack(sock)->now_ns;

    sock->options = *options;
    sock->established = true;
    sock->base.remote = (struct net_endpoint){sock->entry.remote, sock->entry.remote_port};
    tcp_update_mss(sock);
    tcp_congestion_init(sock);
    sock->small_end = sock->send_una;
    sock->recover = sock->send_una;
    sock->forward_ack = sock->send_una;
    sock->ecn_recover = sock->send_una;
    sock->use_end = sock->send_una;
    sock->heard_ns = now_ns;
    sock->tune_ns = now_ns;
    sock->retries = 0;
    sock->backoff = 0;
    sock->unanswered_ns = 0;
    sock->send_timer = TCP_SEND_NONE;
    tcp_timer_clear(sock, TCP_TIMER_SEND);
    tcp_arm_keep_alive(sock);
}

/* ---- Open and close ------------------------------------------------------------------------- */

enum err tcp_connect(struct tcp_socket *sock, const struct net_endpoint *remote)
{
    struct net_stack *stack = tcp_stack(sock);
    uint16_t port = sock->base.local.port;
    enum err err = ip_route(stack, &sock->base.local.address, &remote->address, &sock->route);

    if (err != ERR_OK) {
        return err;
    }
    if (port == 0) {
        port = tcp_choose_port(stack, &sock->route.source, &remote->address, remote->port);
    } else if (tcp_find(stack, &sock->route.source, port, &remote->address, remote->port) != NULL) {
        port = 0;
    }
    if (port == 0) {
        return ERR_ADDRNOTAVAIL;
    }
    tcp_peer_leave(sock); /* of an attempt before */
    if (!tcp_peer_join(sock, &remote->address)) {
        return ERR_NOBUFS;
    }
    if (sock->base.bound_explicitly) {
        tcp_unbind(sock); /* the table finds it by the whole tuple from now on */
    }
    sock->route.hop_limit = sock->base.hop_limit;
    sock->base.local = (struct net_endpoint){sock->route.source, port};
    sock->entry.local = sock->route.source;
    sock->entry.local_port = port;
    sock->entry.remote = remote->address;
    sock->entry.remote_port = remote->port;
    tcp_entry_insert(stack, &sock->entry);
    sock->in_table = true;
    sock->pseudo_sum = ip_pseudo_sum(&sock->entry.local, &sock->entry.remote, IP_TCP, 0);
    sock->timestamp_offset = tcp_timestamp_offset(stack, &sock->entry);
    sock->options = (struct tcp_options){.timestamps = true,
                                         .sack = true,
                                         .window_scaling = true,
                                         .receive_shift = tcp_offered_shift(stack),
                                         .ecn = true};
    tcp_update_mss(sock);
    sock->initial_send = tcp_initial_sequence(stack, &sock->entry);
    sock->send_una = sock->initial_send;
    sock->send_next = sock->initial_send + 1;
    sock->send_end = sock->send_next;
    sock->retries = 0;
    sock->backoff = 0;
    sock->rto_us = TCP_RTO_INITIAL_US;
    sock->status = TCP_SYN_SENT;
    sock->sent_ns = stack->now_ns;
    sock->unanswered_ns = stack->now_ns;
    sock->base.error = ERR_OK;
    tcp_send_syn(sock, false);
    tcp_arm_send_timer(sock);
    return ERR_INPROGRESS;
}

void tcp_shutdown_write(struct tcp_socket *sock)
{
    if (sock->status == TCP_ESTABLISHED) {
        sock->status = TCP_FIN_WAIT_1;
    } else if (sock->status == TCP_CLOSE_WAIT) {
        sock->status = TCP_LAST_ACK;
    } else {
        return;
    }
    sock->fin_queued = true;
    tcp_mark_pending(sock);
}

void tcp_close(struct tcp_socket *sock)
{
    struct net_stack *stack = tcp_stack(sock);
    /* A quarter of the memory may hold what no application cares for any more. */
    uint32_t orphan_limit =
        (uint32_t)(stack->config.memory_limit_bytes / 4 / (sizeof(*sock) + 2048)) + 16;

    if (sock->status == TCP_LISTEN) {
        tcp_listener_destroy(sock);
    }
    if (sock->status == TCP_CLOSED || sock->status == TCP_SYN_SENT) {
        tcp_socket_destroy(sock);
        return;
    }
    /* RFC 2525 §2.17: the peer learns that data it sent was not read. */
    if (sock->status == TCP_SYN_RECEIVED || sock->linger_s == 0 || sock->receive_first != NULL ||
        stack->tcp->orphan_count >= orphan_limit ||
        tcp_peer_is_greedy(sock->peer->orphan_count, stack->tcp->orphan_count, orphan_limit)) {
        tcp_send_reset(sock);
        tcp_socket_destroy(sock);
        return;
    }
    tcp_unbind(sock);
    tcp_timer_clear(sock, TCP_TIMER_KEEP);
    sock->base.orphaned = true;
    stack->tcp->orphan_count++;
    sock->peer->orphan_count++;
    tcp_shutdown_write(sock);
    if (sock->status == TCP_FIN_WAIT_2) {
        tcp_timer_set(sock, TCP_TIMER_KEEP, stack->now_ns + TCP_FIN_WAIT_2_NS);
    }
}

/* ---- The module ----------------------------------------------------------------------------- */

enum err tcp_init(struct net_stack *stack)
{
    struct tcp_state *tcp = net_allocate(stack, sizeof(*tcp));
    size_t limit = stack->config.memory_limit_bytes;
    enum err err;

    if (tcp == NULL) {
        return ERR_NOMEM;
    }
    stack->tcp = tcp;
    stack->hooks.random(stack->hooks.context, tcp->tuple_key, sizeof(tcp->tuple_key));
    stack->hooks.random(stack->hooks.context, tcp->secret_key, sizeof(tcp->secret_key));
    stack->hooks.random(stack->hooks.context, tcp->cookie_key, sizeof(tcp->cookie_key));
    tcp->time_wait_timer.fire = tcp_time_wait_fire;
    tcp->time_wait_limit = (uint32_t)(limit / 32 / sizeof(struct tcp_time_wait)) + 1;
    tcp->request_limit = (uint32_t)(limit / 32 / sizeof(struct tcp_request)) + 1;
    err = net_hash_init(stack, &tcp->table, 64);
    if (err == ERR_OK) {
        err = net_hash_init(stack, &tcp->ports, 16);
    }
    return err != ERR_OK ? err : net_hash_init(stack, &tcp->peers, 16);
}

void tcp_destroy(struct net_stack *stack)
{
    struct tcp_state *tcp = stack->tcp;

    if (tcp == NULL) {
        return;
    }
    /* Listeners first: they know of sockets in their accept queues. */
    for (struct tcp_socket *sock = tcp->all; sock != NULL;) {
        struct tcp_socket *next = sock->all_next;
        if (sock->status == TCP_LISTEN) {
            tcp_listener_destroy(sock);
            next = tcp->all; /* the walk's neighbours may be gone */
        }
        sock = next;
    }
    while (tcp->all != NULL) {
        tcp_socket_destroy(tcp->all);
    }
    tcp_time_wait_destroy_all(stack);
    tcp_records_destroy_spares(stack);
    tcp_send_destroy_spares(stack);
    net_hash_destroy(stack, &tcp->table);
    net_hash_destroy(stack, &tcp->ports);
    net_hash_destroy(stack, &tcp->peers);
    net_release(stack, tcp, sizeof(*tcp));
    stack->tcp = NULL;
}
