/*
 * The passive side of the handshake: from SYN to the accept queue (RFC 9293 §3.10.7.2,
 * §3.10.7.4 for SYN-RECEIVED).
 */
#include "net/tcp.h"

#define REQUESTS_A_LISTENER 1024u
#define REQUESTS_A_PEER     512u

static struct tcp_request *request_of_timer(struct net_timer *timer)
{
    return (struct tcp_request *)((char *)timer - offsetof(struct tcp_request, timer));
}

/*
 * Half-open connections are counted by a hash of the peer: a number of its own costs no memory,
 * and who shares one with a greedy peer loses nothing but an answer without a cookie.
 */
static uint16_t *tally_of(const struct net_stack *stack, const struct ip_address *remote)
{
    struct tcp_state *tcp = stack->tcp;
    uint64_t low = ip_address_is_ipv4(remote) ? remote->word[1] : 0;
    uint64_t hash = hash_mix(remote->word[0] ^ tcp->tuple_key[0], low ^ tcp->tuple_key[1]);

    return &tcp->request_tally[hash % TCP_REQUEST_TALLIES];
}

void tcp_request_destroy(struct net_stack *stack, struct tcp_request *request)
{
    net_timer_cancel(&stack->timers, &request->timer);
    tcp_entry_remove(stack, &request->entry);
    *request->link = request->next;
    if (request->next != NULL) {
        request->next->link = request->link;
    }
    request->listener->listener->request_count--;
    stack->tcp->request_count--;
    (*tally_of(stack, &request->entry.remote))--;
    net_release(stack, request, sizeof(*request));
}

static void answer_syn(struct net_stack *stack, struct tcp_request *request)
{
    tcp_send_syn_ack(stack, request, tcp_timestamp(stack, request->timestamp_offset));
}

static void request_timer(struct net_stack *stack, struct net_timer *timer)
{
    struct tcp_request *request = request_of_timer(timer);
    uint64_t wait_ns;

    if (request->retries >= TCP_SYN_ACK_RETRIES) {
        tcp_request_destroy(stack, request);
        return;
    }
    request->retries++;
    wait_ns = (TCP_RTO_INITIAL_US * TCP_NS_PER_US) << request->retries;
    net_timer_set(&stack->timers, timer, stack->now_ns + wait_ns);
    answer_syn(stack, request);
}

static uint32_t offered_window(const struct tcp_socket *listening)
{
    return listening->receive_limit_bytes < 65535 ? listening->receive_limit_bytes : 65535;
}

/* What the SYN offers and we agree to. */
static void request_from_syn(struct tcp_socket *listening, const struct tcp_segment *segment,
                             struct tcp_request *request)
{
    struct net_stack *stack = tcp_stack(listening);
    const uint8_t ecn_setup = TCP_ECE_BIT | TCP_CWR_BIT;

    request->entry.local = segment->ip->destination;
    request->entry.remote = segment->ip->source;
    request->entry.local_port = segment->destination_port;
    request->entry.remote_port = segment->source_port;
    request->entry.kind = TCP_ENTRY_REQUEST;
    request->initial_receive = segment->sequence;
    request->receive_window = offered_window(listening);
    request->peer_timestamp = segment->timestamp_value;
    request->options = (struct tcp_options){
        .peer_mss = segment->mss,
        .timestamps = segment->has_timestamp,
        .sack = segment->sack_permitted,
        .window_scaling = segment->has_window_shift,
        .send_shift = segment->has_window_shift ? segment->window_shift : 0,
        .receive_shift = segment->has_window_shift ? tcp_offered_shift(stack) : 0,
        .ecn = (segment->flags & ecn_setup) == ecn_setup,
    };
    request->timestamp_offset = tcp_timestamp_offset(stack, &request->entry);
}

/* RFC 4987 §3.6: nothing is remembered, the number sent says it all. */
static void answer_with_cookie(struct tcp_socket *listening, const struct tcp_segment *segment)
{
    struct net_stack *stack = tcp_stack(listening);
    struct tcp_request request = {0};
    uint32_t timestamp;

    request_from_syn(listening, segment, &request);
    request.options.ecn = false;
    tcp_cookie_make(stack, &request, &timestamp);
    stack->tcp->cookie_ns = stack->now_ns;
    stack->tcp->statistics.cookies_sent++;
    tcp_send_syn_ack(stack, &request, timestamp);
}

static bool accept_queue_full(struct tcp_socket *listening, const struct tcp_peer *peer)
{
    const struct tcp_listener *listener = listening->listener;

    if (listener->accept_count < listener->backlog &&
        (peer == NULL ||
         !tcp_peer_is_greedy(peer->accept_count, listener->accept_count, listener->backlog))) {
        return false;
    }
    tcp_stack(listening)->tcp->statistics.accept_overflows++;
    return true;
}

/* Whether a new connection of this remote address may begin. */
static bool admits(struct tcp_socket *listening, const struct ip_address *remote)
{
    struct net_stack *stack = tcp_stack(listening);
    const struct tcp_peer *peer = tcp_peer_find(stack, remote);

    if (accept_queue_full(listening, peer)) {
        return false;
    }
    if (!tcp_peer_may_connect(stack, peer)) {
        stack->tcp->statistics.accept_overflows++;
        return false;
    }
    return true;
}

static void syn_input(struct tcp_socket *sock, struct tcp_segment *segment)
{
    struct net_stack *stack = tcp_stack(sock);
    struct tcp_listener *listener = sock->listener;
    struct tcp_request *request;
    uint16_t *tally;

    if (!admits(sock, &segment->ip->source)) {
        return; /* the client tries again */
    }
    tally = tally_of(stack, &segment->ip->source);
    if (listener->request_count >= REQUESTS_A_LISTENER ||
        stack->tcp->request_count >= stack->tcp->request_limit || *tally >= REQUESTS_A_PEER) {
        answer_with_cookie(sock, segment);
        return;
    }
    request = net_allocate(stack, sizeof(*request));
    if (request == NULL) {
        return;
    }
    request_from_syn(sock, segment, request);
    request->initial_send = segment->reuse_sequence != 0
                                ? segment->reuse_sequence
                                : tcp_initial_sequence(stack, &request->entry);
    request->listener = sock;
    request->sent_ns = stack->now_ns;
    request->timer.fire = request_timer;
    tcp_entry_insert(stack, &request->entry);
    request->next = listener->requests;
    request->link = &listener->requests;
    if (request->next != NULL) {
        request->next->link = &request->next;
    }
    listener->requests = request;
    listener->request_count++;
    stack->tcp->request_count++;
    (*tally)++;
    net_timer_set(&stack->timers, &request->timer,
                  stack->now_ns + TCP_RTO_INITIAL_US * TCP_NS_PER_US);
    answer_syn(stack, request);
}

/* Makes the connection that `request` describes and queues it for accept. */
static struct tcp_socket *promote(struct tcp_socket *listening, const struct tcp_request *request,
                                  const struct tcp_segment *segment)
{
    struct net_stack *stack = tcp_stack(listening);
    struct tcp_listener *listener = listening->listener;
    struct ip_route route;
    struct tcp_socket *sock;

    if (ip_route(stack, &request->entry.local, &request->entry.remote, &route) != ERR_OK) {
        return NULL;
    }
    sock = tcp_socket_create(stack);
    if (sock == NULL) {
        return NULL;
    }
    if (!tcp_peer_join(sock, &request->entry.remote)) {
        tcp_socket_destroy(sock);
        return NULL;
    }
    sock->peer->accept_count++;
    sock->route = route;
    sock->route.hop_limit = listening->base.hop_limit;
    sock->base.family = listening->base.family;
    sock->base.hop_limit = listening->base.hop_limit;
    sock->base.local = (struct net_endpoint){request->entry.local, request->entry.local_port};
    sock->no_delay = listening->no_delay;
    sock->keep_alive = listening->keep_alive;
    sock->keep_idle_s = listening->keep_idle_s;
    sock->keep_interval_s = listening->keep_interval_s;
    sock->keep_count = listening->keep_count;
    sock->user_timeout_ms = listening->user_timeout_ms;
    sock->linger_s = listening->linger_s;
    sock->receive_low_bytes = listening->receive_low_bytes;
    sock->send_auto = listening->send_auto;
    sock->receive_auto = listening->receive_auto;
    sock->send_limit_bytes = listening->send_limit_bytes;
    sock->receive_limit_bytes = listening->receive_limit_bytes;
    sock->entry = request->entry;
    sock->entry.kind = TCP_ENTRY_SOCKET;
    sock->timestamp_offset = request->timestamp_offset;
    sock->peer_timestamp = request->peer_timestamp;
    sock->peer_timestamp_ns = stack->now_ns;
    sock->initial_send = request->initial_send;
    sock->send_una = request->initial_send + 1;
    sock->send_next = sock->send_una;
    sock->send_end = sock->send_una;
    sock->initial_receive = request->initial_receive;
    sock->receive_next = request->initial_receive + 1;
    sock->receive_acked = sock->receive_next;
    sock->receive_edge = sock->receive_next + request->receive_window;
    sock->send_wl1 = segment->sequence;
    sock->send_wl2 = segment->acknowledgement;
    sock->send_window = segment->window << request->options.send_shift;
    sock->send_window_maximum = sock->send_window;
    sock->pseudo_sum = ip_pseudo_sum(&request->entry.local, &request->entry.remote, IP_TCP, 0);
    sock->status = TCP_ESTABLISHED;
    if (request->retries == 0 && request->sent_ns != 0) {
        tcp_rtt_sample(sock, stack->now_ns - request->sent_ns);
    }
    tcp_establish(sock, &request->options);
    sock->accept_queued = true;
    sock->listener = listener;
    if (listener->accept_last != NULL) {
        listener->accept_last->accept_next = sock;
    } else {
        listener->accept_first = sock;
    }
    listener->accept_last = sock;
    listener->accept_count++;
    return sock;
}

static void enter_table(struct tcp_socket *sock)
{
    tcp_entry_insert(tcp_stack(sock), &sock->entry);
    sock->in_table = true;
}

void tcp_listen_input(struct tcp_socket *listening, struct tcp_segment *segment)
{
    struct net_stack *stack = tcp_stack(listening);
    struct tcp_request request = {0};
    struct tcp_socket *sock;

    if (segment->flags & TCP_RST_BIT) {
        return;
    }
    if (segment->flags & TCP_ACK_BIT) {
        if ((segment->flags & TCP_SYN_BIT) || !tcp_cookie_check(stack, segment, &request)) {
            tcp_refuse(stack, segment);
            return;
        }
        if (!admits(listening, &request.entry.remote)) {
            return;
        }
        request.receive_window = offered_window(listening);
        sock = promote(listening, &request, segment);
        if (sock != NULL) {
            enter_table(sock);
            tcp_wake(listening);
            tcp_socket_input(sock, segment);
        }
        return;
    }
    if ((segment->flags & (TCP_SYN_BIT | TCP_FIN_BIT)) == TCP_SYN_BIT) {
        syn_input(listening, segment);
    }
}

void tcp_request_input(struct tcp_request *request, struct tcp_segment *segment)
{
    struct tcp_socket *listening = request->listener;
    struct net_stack *stack = tcp_stack(listening);
    uint32_t expected = request->initial_receive + 1;
    struct tcp_socket *sock;

    if (segment->flags & TCP_RST_BIT) {
        if (segment->sequence == expected) {
            tcp_request_destroy(stack, request);
        }
        return;
    }
    if (segment->flags & TCP_SYN_BIT) {
        answer_syn(stack, request); /* it, or our answer, was lost */
        return;
    }
    if (!(segment->flags & TCP_ACK_BIT)) {
        return;
    }
    if (segment->acknowledgement != request->initial_send + 1) {
        tcp_refuse(stack, segment);
        return;
    }
    if (seq_before(segment->sequence + tcp_segment_span(segment), expected) ||
        seq_after(segment->sequence, expected + 65535) ||
        (request->options.timestamps && segment->has_timestamp &&
         seq_before(segment->timestamp_value, request->peer_timestamp))) {
        answer_syn(stack, request);
        return;
    }
    if (accept_queue_full(listening, tcp_peer_find(stack, &request->entry.remote))) {
        return;
    }
    sock = promote(listening, request, segment);
    if (sock == NULL) {
        return;
    }
    tcp_request_destroy(stack, request);
    enter_table(sock);
    tcp_wake(listening);
    tcp_socket_input(sock, segment);
}
