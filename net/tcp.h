/*
 * The functions that the files of TCP offer each other; net/tcp_types.h has the picture and
 * the data. Context as net.h says: normal kernel context, never re-entered.
 */
#pragma once

#include "kernel/base/inline.h"
#include "net/tcp_types.h"

/* ---- tcp_segment.c ----------------------------------------------------------------------------
 */

/* False: malformed or a bad checksum; the caller drops the chain. */
bool tcp_segment_parse(struct net_buffer *chain, const struct ip_received *ip,
                       struct tcp_segment *out);
bool tcp_checksum_is_right(const struct net_buffer *chain, const struct ip_received *ip);

static inline struct tcp_socket *tcp_socket_of(struct net_socket *socket)
{
    return (struct tcp_socket *)socket;
}

static inline struct net_stack *tcp_stack(const struct tcp_socket *sock)
{
    return sock->base.stack;
}

static inline uint32_t tcp_in_flight(const struct tcp_socket *sock)
{
    uint32_t out = sock->send_next - sock->send_una - sock->sacked_bytes - sock->lost_bytes;

    return out > sock->duplicate_bytes ? out - sock->duplicate_bytes : 0;
}

/* Whether the peer has acknowledged our FIN (and all before it). */
static inline bool tcp_fin_acknowledged(const struct tcp_socket *sock)
{
    return sock->fin_queued && sock->send_una == sock->send_end + 1;
}

/* The end of what may be sent: data, then FIN. */
static inline uint32_t tcp_send_limit(const struct tcp_socket *sock)
{
    return sock->send_end + sock->fin_queued;
}

static inline bool tcp_is_synchronized(const struct tcp_socket *sock)
{
    return sock->status >= TCP_ESTABLISHED;
}

/* The clock of the timestamp option: milliseconds (RFC 7323 §5.4). */
static inline uint32_t tcp_timestamp(const struct net_stack *stack, uint32_t offset)
{
    return (uint32_t)(stack->now_ns / TCP_NS_PER_MS) + offset;
}

/* ---- tcp_table.c: finding things ----------------------------------------------------------------
 */

struct tcp_entry *tcp_find(const struct net_stack *stack, const struct ip_address *local,
                           uint16_t local_port, const struct ip_address *remote,
                           uint16_t remote_port);
/* The same, inline, for the way of every segment. */
ALWAYS_INLINE uint32_t tcp_tuple_hash(const struct tcp_state *tcp, const struct ip_address *local,
                                      uint16_t local_port, const struct ip_address *remote,
                                      uint16_t remote_port)
{
    return hash_tuple(tcp->tuple_key, local->word, remote->word,
                      (uint32_t)local_port << 16 | remote_port);
}
ALWAYS_INLINE struct tcp_entry *tcp_find_here(const struct net_stack *stack,
                                              const struct ip_address *local, uint16_t local_port,
                                              const struct ip_address *remote, uint16_t remote_port)
{
    const struct tcp_state *tcp = stack->tcp;
    uint32_t hash = tcp_tuple_hash(tcp, local, local_port, remote, remote_port);
    struct net_hash_node *node = net_hash_match(*net_hash_bucket(&tcp->table, hash), hash);

    for (; node != NULL; node = net_hash_match(node->next, hash)) {
        struct tcp_entry *entry = (struct tcp_entry *)node;
        if (entry->local_port == local_port && entry->remote_port == remote_port &&
            ip_address_is_equal(&entry->remote, remote) &&
            ip_address_is_equal(&entry->local, local)) {
            return entry;
        }
    }
    return NULL;
}
void tcp_entry_insert(struct net_stack *stack, struct tcp_entry *entry);
void tcp_entry_remove(struct net_stack *stack, struct tcp_entry *entry);
struct tcp_socket *tcp_find_listener(const struct net_stack *stack, const struct ip_address *local,
                                     uint16_t port);
/* ERR_ADDRINUSE when another bound socket stands in the way. Port 0 is replaced by a free one. */
enum err tcp_bind(struct tcp_socket *sock, const struct net_endpoint *local) WARN_UNUSED;
void tcp_unbind(struct tcp_socket *sock);
/* A local port that makes the four-tuple unique (RFC 6056 §3.3.3), or 0. */
uint16_t tcp_choose_port(struct net_stack *stack, const struct ip_address *local,
                         const struct ip_address *remote, uint16_t remote_port);
/* RFC 6528 §3 and RFC 7323 §7.1: unpredictable, yet increasing for the same four-tuple. */
uint32_t tcp_initial_sequence(const struct net_stack *stack, const struct tcp_entry *entry);
uint32_t tcp_timestamp_offset(const struct net_stack *stack, const struct tcp_entry *entry);

/* ---- tcp_connection.c: life of a socket ----------------------------------------------------- */

struct tcp_socket *tcp_socket_create(struct net_stack *stack);
/* Frees everything; the pointer is dead. Neither owner nor accept queue may know it still. */
void tcp_socket_destroy(struct tcp_socket *sock);
/*
 * The connection is over: out of the table, timers off, unsent data dropped, `error` left for the
 * owner. Frees the socket when it has no owner: do not touch it after this.
 */
void tcp_finish(struct tcp_socket *sock, enum err error);
/* Sends RST, then as tcp_finish. */
void tcp_abort(struct tcp_socket *sock, enum err error);
/* After the last FIN was answered: leaves a struct tcp_time_wait behind, then as tcp_finish. */
void tcp_enter_time_wait(struct tcp_socket *sock);
/* Takes on what the SYNs settled; sets windows, MSS and congestion window. */
void tcp_establish(struct tcp_socket *sock, const struct tcp_options *options);
void tcp_update_mss(struct tcp_socket *sock);
/* The segment size to offer in our SYN on this route. */
uint16_t tcp_offered_mss(const struct net_stack *stack, const struct ip_route *route);
uint8_t tcp_offered_shift(const struct net_stack *stack);
uint32_t tcp_buffer_maximum(const struct net_stack *stack);
/* Has the next tcp_poll call tcp_output for this socket. */
void tcp_mark_pending(struct tcp_socket *sock);
void tcp_unmark_pending(struct tcp_socket *sock);
void tcp_wake(struct tcp_socket *sock);

/* ---- tcp_peer.c: fair shares of memory ------------------------------------------------------ */

/* NULL: none of its sockets is connected. */
struct tcp_peer *tcp_peer_find(const struct net_stack *stack, const struct ip_address *remote);
/* Counts the socket to the peer with this address; false: no memory. */
bool tcp_peer_join(struct tcp_socket *sock, const struct ip_address *remote) WARN_UNUSED;
void tcp_peer_leave(struct tcp_socket *sock);
/* Brings the peer's account up to date with what the socket queues. */
void tcp_peer_charge(struct tcp_socket *sock);
enum tcp_share tcp_peer_share(const struct net_stack *stack, const struct tcp_peer *peer);
/* Whether a new connection is the peer's due; NULL: it has none yet. */
bool tcp_peer_may_connect(const struct net_stack *stack, const struct tcp_peer *peer);
/* Costs a comparison while memory is not scarce. */
static inline enum tcp_share tcp_share(const struct tcp_socket *sock)
{
    const struct net_stack *stack = tcp_stack(sock);

    return __builtin_expect(net_pressure(stack) == NET_PRESSURE_RELAXED, 1)
               ? TCP_SHARE_FREE
               : tcp_peer_share(stack, sock->peer);
}
/* Whether `own` of `total` things, of which there may be `limit`, leaves too few for others. */
static inline bool tcp_peer_is_greedy(uint32_t own, uint32_t total, uint32_t limit)
{
    return limit >= 16 && own >= 8 * (uint64_t)(limit - total);
}

/* ---- tcp_timer.c ---------------------------------------------------------------------------- */

void tcp_timer_set(struct tcp_socket *sock, enum tcp_timer_use use, uint64_t deadline_ns);
void tcp_timer_clear(struct tcp_socket *sock, enum tcp_timer_use use);
void tcp_timer_fire(struct net_stack *stack, struct net_timer *timer);
/* Chooses and sets what TCP_TIMER_SEND waits for after anything was sent or acknowledged. */
void tcp_arm_send_timer(struct tcp_socket *sock);
void tcp_arm_keep_alive(struct tcp_socket *sock);
/* Ends a listener: requests are forgotten, connections nobody accepted are reset. */
void tcp_listener_destroy(struct tcp_socket *sock);
/* The active open (RFC 9293 §3.10.1). ERR_INPROGRESS when the SYN is on its way. */
enum err tcp_connect(struct tcp_socket *sock, const struct net_endpoint *remote) WARN_UNUSED;
/* The owner is done with it (§3.10.4): FIN or RST, then the socket looks after itself. */
void tcp_close(struct tcp_socket *sock);
void tcp_shutdown_write(struct tcp_socket *sock);

/* ---- tcp_request.c, tcp_cookie.c, tcp_time_wait.c ------------------------------------------- */

void tcp_listen_input(struct tcp_socket *listener, struct tcp_segment *segment);
void tcp_request_input(struct tcp_request *request, struct tcp_segment *segment);
void tcp_request_destroy(struct net_stack *stack, struct tcp_request *request);
/* Fills *out (in no table) from a valid cookie in the segment's acknowledgement number. */
bool tcp_cookie_check(struct net_stack *stack, const struct tcp_segment *segment,
                      struct tcp_request *out);
/* Chooses request->initial_send and the timestamp so that they carry the options. */
void tcp_cookie_make(struct net_stack *stack, struct tcp_request *request, uint32_t *timestamp);
/* True: the segment was a SYN for a new connection; the entry is gone, look for a listener. */
bool tcp_time_wait_input(struct net_stack *stack, struct tcp_time_wait *entry,
                         struct tcp_segment *segment);
void tcp_time_wait_add(struct tcp_socket *sock);
void tcp_time_wait_destroy_all(struct net_stack *stack);
void tcp_time_wait_fire(struct net_stack *stack, struct net_timer *timer);

/* ---- tcp_input.c, tcp_ack.c ----------------------------------------------------------------- */

/* A segment for a socket past LISTEN. May free the socket. */
void tcp_socket_input(struct tcp_socket *sock, struct tcp_segment *segment);
/* False: the socket is gone or the segment must not be processed further. */
bool tcp_acknowledge(struct tcp_socket *sock, const struct tcp_segment *segment);
void tcp_send_buffer_grow(struct tcp_socket *sock);
/* Tells the neighbour cache that the peer answers: once a second when it believes us already. */
static inline void tcp_confirm_route(struct tcp_socket *sock)
{
    uint32_t second = (uint32_t)(tcp_stack(sock)->now_ns >> 30);

    if (!sock->route.link_valid || sock->route.confirmed_s != second) {
        sock->route.confirmed_s = second;
        ip_route_confirm(tcp_stack(sock), &sock->route);
    }
}

/* ---- tcp_predict.c: the usual segment ------------------------------------------------------- */

/* False: not a usual one, nothing was done. True: it was taken, chain and all. */
bool tcp_input_predicted(struct net_stack *stack, struct net_buffer *chain,
                         const struct ip_received *ip);
/*
 * For the first of those that have something to send. False: it is something else, or nothing.
 * True: all that waited was sent, and the socket waits no more.
 */
bool tcp_output_predicted(struct tcp_socket *sock);

/* ---- tcp_receive.c -------------------------------------------------------------------------- */

/* Takes the payload that is in the window; sets what is to be acknowledged. */
void tcp_receive_data(struct tcp_socket *sock, struct tcp_segment *segment);
/*
 * The same for one buffer, all of whose `length` bytes at `offset` are next and in the window,
 * while memory is not scarce.
 */
void tcp_receive_part(struct tcp_socket *sock, struct net_buffer *part, uint32_t offset,
                      uint32_t length);
void tcp_receive_clear(struct tcp_socket *sock);
void tcp_receive_clear_ranges(struct tcp_socket *sock);
void tcp_receive_discard(struct tcp_socket *sock, uint32_t length_bytes);
/* All of a queue that is one part. */
void tcp_receive_take(struct tcp_socket *sock);
/* The window to advertise now, unscaled; moves receive_edge. */
uint32_t tcp_receive_window(struct tcp_socket *sock);
/* Whether the application read enough that the peer should hear of it. */
bool tcp_window_update_due(const struct tcp_socket *sock);

/* ---- tcp_send_queue.c ----------------------------------------------------------------------- */

enum err tcp_send_reserve(struct tcp_socket *sock, size_t want_bytes,
                          struct net_span *out) WARN_UNUSED;
void tcp_send_commit(struct tcp_socket *sock, uint32_t length_bytes);
/* Whether memory for more data to send would be the peer's fair share. */
bool tcp_send_may_queue(const struct tcp_socket *sock);
/* Drops acknowledged bytes. */
void tcp_send_release(struct tcp_socket *sock, uint32_t acknowledged);
void tcp_send_clear(struct tcp_socket *sock);
/*
 * Attaches stream bytes [start, start+length) to the packet as fragments, each holding its
 * block; returns how many bytes found room.
 */
uint32_t tcp_send_attach(struct tcp_socket *sock, struct net_packet *packet, uint32_t start,
                         uint32_t length);
void tcp_block_unref(struct tcp_block *block);
/* True: it waits among the spare ones from now on; the caller held the last reference. */
bool tcp_block_keep_spare(struct net_stack *stack, struct tcp_block *block);
/* A small block that was used before, if there is one and it is large enough. */
struct tcp_block *tcp_block_take_spare(struct net_stack *stack, size_t want_bytes);
void tcp_send_destroy_spares(struct net_stack *stack);
uint32_t tcp_send_room(const struct tcp_socket *sock);
static inline uint32_t tcp_send_queued(const struct tcp_socket *sock)
{
    uint32_t una = sock->send_una;
    return seq_before(una, sock->send_end) ? sock->send_end - una : 0;
}

/* In order, both ways. */
static inline uint32_t tcp_queued_bytes(const struct tcp_socket *sock)
{
    return sock->receive_queued_bytes + tcp_send_queued(sock);
}

/* Room worth a wake-up: a third of the buffer. */
static inline bool tcp_is_writable(const struct tcp_socket *sock)
{
    return !sock->starved && tcp_send_room(sock) > sock->send_limit_bytes / 3;
}

/* ---- tcp_output.c, tcp_control.c ------------------------------------------------------------ */

/* Sends what may be sent: lost data, new data, FIN, else an acknowledgement that is due. */
void tcp_output(struct tcp_socket *sock);
void tcp_send_ack(struct tcp_socket *sock);
/* `done` of a packet with data, whose owner is the first of its blocks. */
void tcp_packet_done(struct net_packet *packet);
/* Stores a header at the packet's start; options_bytes of options follow, written by the caller. */
uint8_t *tcp_header_write(struct net_packet *packet, const struct tcp_entry *entry,
                          uint32_t sequence, uint32_t acknowledgement, uint8_t flags,
                          uint32_t window, uint32_t options_bytes);
uint8_t *tcp_option_timestamps(uint8_t *at, uint32_t value, uint32_t echo);
/* Completes length, checksum fields; hands the packet to IP. */
void tcp_packet_send(struct net_stack *stack, struct ip_route *route, struct net_packet *packet,
                     uint32_t pseudo_sum, uint32_t payload_bytes, enum ip_ecn ecn);
/* An acknowledgement within the rate of RFC 5961 §7. */
void tcp_send_challenge(struct tcp_socket *sock);
bool tcp_challenge_allowed(struct net_stack *stack);
void tcp_send_syn(struct tcp_socket *sock, bool with_ack);
void tcp_send_syn_ack(struct net_stack *stack, struct tcp_request *request, uint32_t timestamp);
void tcp_send_reset(struct tcp_socket *sock);
/* The answer of RFC 9293 §3.10.7.1 to a segment that belongs to nothing. */
void tcp_refuse(struct net_stack *stack, const struct tcp_segment *segment);
/* Out of window by one byte: draws an acknowledgement (keep-alive, zero-window probe). */
void tcp_send_probe(struct tcp_socket *sock);
/* An ACK for a connection without a socket. */
void tcp_send_stray_ack(struct net_stack *stack, const struct tcp_time_wait *entry);
/* Sends [record->start, ...) again, at most limit_bytes of it (the record is split). */
bool tcp_retransmit(struct tcp_socket *sock, struct tcp_record *record, uint32_t limit_bytes);
/* Sends one segment of new data, if the peer's window allows, whatever the congestion window. */
bool tcp_send_new_segment(struct tcp_socket *sock);
uint32_t tcp_sack_option_bytes(const struct tcp_socket *sock);
/* Bytes of options that data segments carry now; they count against sock->mss. */
static inline uint32_t tcp_option_bytes(const struct tcp_socket *sock)
{
    uint32_t bytes = sock->options.timestamps ? 12 : 0;

    if (sock->range_count != 0 || sock->duplicate.start != sock->duplicate.end) {
        bytes += tcp_sack_option_bytes(sock);
    }
    return bytes;
}
/* Data bytes of a full segment. */
static inline uint32_t tcp_payload_mss(const struct tcp_socket *sock)
{
    return sock->mss - tcp_option_bytes(sock);
}

/* ---- tcp_record.c: the scoreboard ----------------------------------------------------------- */

struct tcp_record *tcp_record_append(struct tcp_socket *sock, uint32_t start, uint32_t end);
/* Cuts at `at`, strictly inside; false: no memory. */
bool tcp_record_split(struct tcp_socket *sock, struct tcp_record *record, uint32_t at);
void tcp_record_remove(struct tcp_socket *sock, struct tcp_record *record);
/* Of one that is in no list any more. */
void tcp_record_release(struct net_stack *stack, struct tcp_record *record);
void tcp_records_clear(struct tcp_socket *sock);
void tcp_records_destroy_spares(struct net_stack *stack);
void tcp_record_mark_lost(struct tcp_socket *sock, struct tcp_record *record);

/* ---- tcp_recovery.c: RFC 2018, 6675, 8985, 9937 --------------------------------------------- */

void tcp_rack_delivered(struct tcp_socket *sock, const struct tcp_record *record,
                        const struct tcp_segment *segment);
void tcp_sack_input(struct tcp_socket *sock, const struct tcp_segment *segment,
                    struct tcp_ack_result *result);
/* Detects losses, enters and leaves recovery, sets cwnd. */
void tcp_recovery_input(struct tcp_socket *sock, const struct tcp_segment *segment,
                        struct tcp_ack_result *result);
/* Marks what RACK holds to be lost; returns the ns until the next could be, 0: none. */
uint64_t tcp_rack_detect(struct tcp_socket *sock);
void tcp_recovery_reorder_timer(struct tcp_socket *sock);
void tcp_recovery_timeout(struct tcp_socket *sock);
void tcp_recovery_enter(struct tcp_socket *sock);
void tcp_loss_probe(struct tcp_socket *sock);
/* The probe time-out of RFC 8985 §7.2, in ns. */
uint64_t tcp_loss_probe_ns(const struct tcp_socket *sock);

/* ---- tcp_congestion.c: RFC 5681, 6928, 9438 ------------------------------------------------- */

uint32_t tcp_initial_window(uint32_t mss);
void tcp_congestion_init(struct tcp_socket *sock);
/* rtt_ns: a sample that came with the acknowledgement, or 0. */
void tcp_congestion_acked(struct tcp_socket *sock, uint32_t acked_bytes, uint64_t rtt_ns);
/* A loss or ECN event: sets ssthresh; the caller sets cwnd. */
void tcp_congestion_reduce(struct tcp_socket *sock);
/* Before sending after a pause longer than the RTO (RFC 5681 §4.1). */
void tcp_congestion_idle(struct tcp_socket *sock);
/* RFC 9293 §3.8.2, RFC 7661: a window that is not used does not grow. */
static inline bool tcp_window_is_used(const struct tcp_socket *sock)
{
    return sock->cwnd < sock->ssthresh ? sock->cwnd < 2 * sock->flight_maximum : sock->cwnd_limited;
}

/* ---- tcp_rtt.c ------------------------------------------------------------------------------ */

void tcp_rtt_sample(struct tcp_socket *sock, uint64_t rtt_ns);
static inline uint64_t tcp_rto_ns(const struct tcp_socket *sock)
{
    uint64_t rto_us = (uint64_t)sock->rto_us << sock->backoff;
    return (rto_us < TCP_RTO_MAXIMUM_US ? rto_us : TCP_RTO_MAXIMUM_US) * TCP_NS_PER_US;
}
