/*
 * The inside of TCP (RFC 9293), for the tcp_*.c files and their tests.
 *
 * Four kinds of objects stand for connections, and all but the listener are in one hash table by
 * their four-tuple (struct tcp_entry):
 *   request    a SYN was answered; small, so that floods stay cheap (tcp_request.c)
 *   socket     everything from SYN_SENT or ESTABLISHED on (struct tcp_socket)
 *   time wait  what is left of a closed connection for 60 s (tcp_time_wait.c)
 *   listener   a struct tcp_socket in LISTEN, found by its port
 *
 * Sent data lives in reference-counted blocks: the socket's queue holds one reference, each
 * packet that the device has not finished another. What has been sent and not acknowledged is
 * described by records, one a packet, in sequence order: the scoreboard of SACK and RACK.
 * Received data stays in the buffers it came in.
 *
 * The stack owns all of it, allocated with net_allocate. Context as net.h says.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/hash.h"
#include "net/ip.h"
#include "net/socket_protocol.h"
#include "net/stack.h"
#include "net/tcp_sequence.h"
#include "net/timer.h"

#define TCP_NS_PER_US 1000ull
#define TCP_NS_PER_MS 1000000ull
#define TCP_NS_PER_S  1000000000ull

#define TCP_MSS_DEFAULT      536u /* RFC 9293 §3.7.1 */
#define TCP_MSS_DEFAULT_IPV6 1220u
#define TCP_MSS_MINIMUM                                                                            \
    88u /* smaller offers only serve attacks: RFC 9293 §3.7.1 leaves us free                      \
         */
#define TCP_HEADER_BYTES_MAX 60u
#define TCP_WINDOW_SHIFT_MAX 14u      /* RFC 7323 §2.3 */
#define TCP_RTO_INITIAL_US   1000000u /* RFC 6298 §2 */
#define TCP_RTO_MINIMUM_US   200000u  /* below RFC 6298's second, as all others do */
#define TCP_RTO_MAXIMUM_US   120000000u
#define TCP_PATH_NS          (601 * TCP_NS_PER_S) /* RFC 1191 §6.3, after the route forgot */
#define TCP_STARVED_NS       (100 * TCP_NS_PER_MS)
#define TCP_DELAYED_ACK_NS   (40 * TCP_NS_PER_MS) /* RFC 9293 §3.8.6.3 allows 500 ms */
#define TCP_ACK_DELAY_MAX_US 200000u              /* RFC 8985 §7.2: WCDelAckT */
#define TCP_TIME_WAIT_NS     (60 * TCP_NS_PER_S)  /* 2 MSL with an MSL of 30 s */
#define TCP_FIN_WAIT_2_NS    (60 * TCP_NS_PER_S)  /* without an owner to wait for the peer */
#define TCP_SYN_RETRIES      6u                   /* about two minutes */
#define TCP_SYN_ACK_RETRIES  5u
#define TCP_RETRIES          15u /* more than 100 s: RFC 9293 §3.8.3 R2 */
#define TCP_RETRIES_ORPHAN   8u
#define TCP_ORPHAN_NS        (100 * TCP_NS_PER_S) /* R2; 8 retries of a long RTO take longer */
#define TCP_GSO_BYTES_MAX    65280u
#define TCP_SACK_BLOCKS_MAX  4u
#define TCP_RANGES_MAX       64u /* holes remembered of one receive sequence */
#define TCP_BUFFER_INITIAL   65536u
#define TCP_BUFFER_MAXIMUM   (4u << 20)
#define TCP_BUFFER_MINIMUM   2048u
#define TCP_REQUEST_TALLIES  64u
#define TCP_BUFFER_FLOOR     32768u /* what a peer over its share keeps a connection */
#define TCP_PEER_PAGE_BYTES  4096u

enum tcp_flag {
    TCP_FIN_BIT = 0x01,
    TCP_SYN_BIT = 0x02,
    TCP_RST_BIT = 0x04,
    TCP_PSH_BIT = 0x08,
    TCP_ACK_BIT = 0x10,
    TCP_URG_BIT = 0x20,
    TCP_ECE_BIT = 0x40,
    TCP_CWR_BIT = 0x80,
};

enum tcp_status { /* the states of RFC 9293 §3.3.2 that a struct tcp_socket can be in */
                  TCP_CLOSED,
                  TCP_LISTEN,
                  TCP_SYN_SENT,
                  TCP_SYN_RECEIVED, /* after a simultaneous open only: others are requests */
                  TCP_ESTABLISHED,
                  TCP_FIN_WAIT_1,
                  TCP_FIN_WAIT_2,
                  TCP_CLOSE_WAIT,
                  TCP_CLOSING,
                  TCP_LAST_ACK,
};

/* ---- Segments as they come in --------------------------------------------------
 */

struct tcp_sack_block {
    uint32_t start;
    uint32_t end;
};

struct tcp_segment {
    const struct ip_received *ip;
    struct net_buffer *chain; /* NULL once its payload was taken */
    uint32_t payload_offset;  /* from the first byte of the chain */
    uint32_t length;          /* of the payload, without SYN and FIN */
    uint32_t sequence;
    uint32_t acknowledgement;
    uint32_t window; /* as sent; not scaled */
    uint32_t timestamp_value;
    uint32_t timestamp_echo;
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t mss; /* SYN: 0 when not offered */
    uint8_t flags;
    uint8_t window_shift;
    bool has_timestamp;
    bool has_window_shift;
    bool sack_permitted;
    uint8_t sack_count;
    struct tcp_sack_block sack[TCP_SACK_BLOCKS_MAX];
    uint32_t reuse_sequence; /* SYN into TIME_WAIT: where our numbers must begin; 0: free */
};

/* Sequence numbers the segment takes. */
static inline uint32_t tcp_segment_span(const struct tcp_segment *segment)
{
    return segment->length + ((segment->flags & TCP_SYN_BIT) != 0) +
           ((segment->flags & TCP_FIN_BIT) != 0);
}

/* ---- Objects in the table ----------------------------------------------------------------------
 */

enum tcp_entry_kind { TCP_ENTRY_SOCKET, TCP_ENTRY_REQUEST, TCP_ENTRY_TIME_WAIT };

struct tcp_entry {
    struct net_hash_node node; /* first: the table leads back here */
    struct ip_address local;
    struct ip_address remote;
    uint16_t local_port;
    uint16_t remote_port;
    uint8_t kind; /* enum tcp_entry_kind */
};

/* What both sides said in their SYNs; carried from request to socket. */
struct tcp_options {
    uint16_t peer_mss;
    uint8_t send_shift;    /* of the windows the peer advertises */
    uint8_t receive_shift; /* of those we do */
    bool timestamps;
    bool sack;
    bool window_scaling;
    bool ecn;
};

/*
 * Everyone at one address, or in one /64 of IPv6: what their connections hold counts together.
 * There while a socket belongs to it.
 */
struct tcp_peer {
    struct net_hash_node node; /* first: the table leads back here */
    struct ip_address address;
    size_t charged_bytes; /* a fixed sum a connection and the whole pages that it queues */
    uint32_t connection_count;
    uint32_t accept_count; /* waiting in accept queues */
    uint32_t orphan_count;
};

/*
 * What a peer may take while memory is scarce (docs/decisions/0029). RELAXED memory gives everyone
 * FREE.
 */
enum tcp_share {
    TCP_SHARE_FREE,  /* buffers may grow */
    TCP_SHARE_FLOOR, /* TCP_BUFFER_FLOOR each way and connection, and what the window promised */
    TCP_SHARE_CRAWL, /* a block or a segment, where none is queued */
    TCP_SHARE_NONE,
};

struct tcp_request {
    struct tcp_entry entry;
    struct net_timer timer;
    struct tcp_socket *listener;
    struct tcp_request *next; /* of the same listener */
    struct tcp_request **link;
    uint64_t sent_ns; /* of the first SYN-ACK */
    uint32_t initial_send;
    uint32_t initial_receive;
    uint32_t peer_timestamp;
    uint32_t timestamp_offset;
    uint32_t receive_window; /* what our SYN-ACK offers */
    struct tcp_options options;
    uint8_t retries;
};

struct tcp_time_wait {
    struct tcp_entry entry;
    struct tcp_time_wait *next; /* by age */
    struct tcp_time_wait *previous;
    uint64_t expires_ns;
    uint32_t send_next;
    uint32_t receive_next;
    uint32_t peer_timestamp;
    uint32_t timestamp_offset;
    bool timestamps;
    uint64_t challenge_ns;
};

struct tcp_block {
    struct tcp_block *next;
    struct net_stack *stack;
    uint32_t references;
    uint32_t capacity_bytes; /* of data[] */
    uint32_t used_bytes;
    uint32_t sequence; /* of data[0] */
    uint8_t data[];
};

enum tcp_record_flag {
    TCP_RECORD_SACKED_BIT = 1u << 0,
    TCP_RECORD_LOST_BIT = 1u << 1,          /* and not sent again since */
    TCP_RECORD_RETRANSMITTED_BIT = 1u << 2, /* at least once */
};

struct tcp_record {
    struct tcp_record *next;
    struct tcp_record *previous;
    uint64_t sent_ns; /* last transmission */
    uint32_t start;
    uint32_t end; /* FIN included */
    uint16_t segment_bytes;
    uint8_t flags;
};

/* Received beyond a hole: one contiguous piece of the sequence space. */
struct tcp_range {
    struct tcp_range *next;
    uint32_t start;
    uint32_t end;
    struct net_buffer *first; /* parts, linked by next_packet */
    struct net_buffer *last;
};

enum tcp_timer_use {
    TCP_TIMER_SEND,
    TCP_TIMER_ACK,
    TCP_TIMER_KEEP,
    TCP_TIMER_STARVED, /* whether there is memory to send with again */
    TCP_TIMER_PATH,    /* whether the path takes larger packets again */
    TCP_TIMER_COUNT
};
enum tcp_send_timer { /* what TCP_TIMER_SEND is for at the moment */
                      TCP_SEND_NONE,
                      TCP_SEND_RETRANSMIT, /* RFC 6298 */
                      TCP_SEND_PROBE_LOSS, /* RFC 8985 §7 */
                      TCP_SEND_REORDER,    /* RFC 8985 §6 */
                      TCP_SEND_PERSIST,    /* RFC 9293 §3.8.6.1 */
};
enum tcp_recovery { TCP_RECOVERY_NONE, TCP_RECOVERY_FAST, TCP_RECOVERY_TIMEOUT };

/* RFC 9438, in bytes and milliseconds. */
struct tcp_cubic {
    uint64_t epoch_ns; /* 0: no epoch */
    uint32_t window_maximum;
    uint32_t window_reno;  /* W_est */
    uint32_t window_prior; /* cwnd before the last reduction */
    uint32_t k_ms;
    uint64_t credit; /* fractions of a byte of growth, times cwnd */
    uint64_t reno_credit;
};

/* RFC 9406: leaving the first slow start when the round-trip time begins to grow. */
struct tcp_hystart {
    uint32_t round_end;
    uint32_t last_minimum_us; /* of the round before; 0: none */
    uint32_t minimum_us;      /* of this round */
    uint32_t baseline_us;     /* conservative slow start began with it */
    uint8_t sample_count;
    uint8_t conservative_rounds; /* 0: ordinary slow start */
};

struct tcp_listener {
    struct tcp_socket *accept_first;
    struct tcp_socket *accept_last;
    struct tcp_request *requests;
    uint32_t accept_count;
    uint32_t request_count;
    uint32_t backlog;
};

struct tcp_socket {
    struct net_socket base;     /* first: what socket.h hands around */
    struct tcp_entry entry;     /* linked while connected or connecting */
    struct net_hash_node bound; /* linked while bound explicitly or listening */
    struct net_timer timer;     /* armed at or before the earliest of deadline_ns */
    uint64_t deadline_ns[TCP_TIMER_COUNT];
    struct tcp_socket *pending_next; /* tcp_state.pending_first: has something to send */
    struct tcp_socket *pending_previous;
    bool pending;
    struct tcp_listener *listener; /* LISTEN: own; accept queue: where it waits */
    struct tcp_socket *accept_next;
    struct tcp_socket *all_next; /* every socket of the stack, for destruction */
    struct tcp_socket **all_link;
    struct tcp_peer *peer;  /* from connecting on */
    uint32_t charged_pages; /* of queued data, to the peer */
    struct ip_route route;
    uint32_t pseudo_sum;

    uint8_t status;     /* enum tcp_status */
    uint8_t send_timer; /* enum tcp_send_timer */
    uint8_t recovery;   /* enum tcp_recovery */
    struct tcp_options options;
    bool no_delay;
    bool keep_alive;
    bool fin_queued; /* by close or shutdown: takes the number send_end */
    bool fin_received;
    bool fin_known;    /* a FIN came, perhaps early: it stands at fin_sequence */
    bool receive_shut; /* shutdown(READ): data is dropped */
    bool ack_now;
    bool ecn_echo;    /* RFC 3168 §6.1.3: until CWR */
    bool ecn_reduced; /* CWR goes out with the next data */
    bool send_auto;   /* buffer sizes follow the connection */
    bool receive_auto;
    bool starved;     /* the application was told ERR_AGAIN for want of memory */
    bool established; /* has been, once */
    bool in_table;
    bool cwnd_limited; /* cwnd was used up within that round trip */
    bool accept_queued;
    uint8_t ack_pending; /* full segments since the last acknowledgement */
    uint8_t retries;
    uint8_t backoff;
    uint8_t keep_probes;
    uint8_t keep_count;
    uint16_t mss;           /* payload and options of a segment that fits the path */
    uint16_t mss_limit;     /* larger ones have vanished; 0: none has */
    uint64_t mss_raised_ns; /* when larger ones were tried again; 0: never */

    /* Sending: send_una <= send_next <= send_end (RFC 9293 §3.3.1). */
    uint32_t initial_send;
    uint32_t send_una;
    uint32_t send_next;
    uint32_t send_end; /* after the last byte queued */
    uint32_t send_window;
    uint32_t send_window_maximum;
    uint32_t send_wl1;
    uint32_t send_wl2;
    uint32_t small_end; /* end of the last segment below the MSS (Minshall) */
    uint32_t send_limit_bytes;
    struct tcp_block *block_first;
    struct tcp_block *block_last;
    struct tcp_block *block_next; /* holds send_next, when not NULL */
    struct tcp_record *record_first;
    struct tcp_record *record_last;
    uint32_t sacked_bytes;
    uint32_t lost_bytes;
    uint32_t duplicate_acks;
    uint32_t duplicate_bytes; /* without SACK: what the duplicates stand for */

    /* Receiving. */
    uint32_t initial_receive;
    uint32_t receive_next;
    uint32_t fin_sequence;
    uint32_t receive_edge;  /* right edge advertised; never moves left */
    uint32_t receive_acked; /* receive_next of the last acknowledgement sent */
    uint32_t receive_limit_bytes;
    uint32_t receive_queued_bytes;
    uint32_t receive_low_bytes;
    uint32_t receive_tail_room; /* unused bytes behind the last part, if it is our own copy */
    uint32_t receive_mss;       /* estimate of the peer's segments */
    uint32_t tune_bytes;        /* consumed since tune_ns */
    uint64_t tune_ns;
    struct net_buffer *receive_first;
    struct net_buffer *receive_last;
    struct tcp_range *ranges;
    uint32_t range_count;
    uint32_t range_recent;           /* start of the range that grew last: first SACK block */
    struct tcp_sack_block duplicate; /* to report by D-SACK (RFC 2883); empty: none */

    /* Timestamps (RFC 7323). */
    uint32_t timestamp_offset;
    uint32_t peer_timestamp;
    uint64_t peer_timestamp_ns;

    /* Round-trip time, µs (RFC 6298). */
    uint32_t srtt_us; /* 0: no sample yet */
    uint32_t rttvar_us;
    uint32_t rto_us;
    uint32_t rtt_minimum_us;
    uint64_t sent_ns;       /* last data */
    uint64_t heard_ns;      /* last segment of the peer */
    uint64_t unanswered_ns; /* first transmission without progress since; 0: none */

    /* Congestion control (RFC 5681, 9438), bytes. */
    uint32_t cwnd;
    uint32_t ssthresh;
    uint32_t flight_maximum; /* most in flight since use_end was set, a round trip ago */
    uint32_t use_end;        /* send_next then */
    struct tcp_cubic cubic;
    struct tcp_hystart hystart;

    /* Recovery (RFC 6675, 8985, 9937). */
    uint32_t recover; /* send_next when recovery began */
    uint32_t prr_delivered;
    uint32_t prr_out;
    uint32_t prr_flight;
    uint32_t rack_rtt_us;
    uint64_t rack_sent_ns;
    uint32_t rack_end;
    uint32_t forward_ack;    /* highest sequence number known to have arrived */
    uint8_t reorder_steps;   /* RACK.reo_wnd_mult */
    uint8_t reorder_persist; /* recoveries until it falls back to 1 */
    bool reorder_seen;
    bool probe_outstanding; /* RFC 8985 §7: TLP.end_seq is probe_end */
    bool probe_retransmitted;
    uint32_t probe_end;
    uint32_t undo_cwnd; /* 0: nothing to undo */
    uint32_t undo_ssthresh;
    uint32_t undo_timestamp; /* of the first retransmission (RFC 3522) */
    uint32_t ecn_recover;
    uint32_t user_timeout_ms;
    uint32_t keep_idle_s;
    uint32_t keep_interval_s;
    int32_t linger_s;
};

struct tcp_statistics {
    uint64_t segments_received;
    uint64_t segments_sent;
    uint64_t segments_malformed;
    uint64_t retransmissions;
    uint64_t timeouts;
    uint64_t loss_probes;
    uint64_t resets_sent;
    uint64_t resets_received;
    uint64_t challenges_sent;
    uint64_t cookies_sent;
    uint64_t cookies_accepted;
    uint64_t cookies_rejected;
    uint64_t accept_overflows;
    uint64_t duplicates_received;
    uint64_t undone;
    uint64_t packets_dropped; /* no memory for a packet or record */
    uint64_t data_refused;    /* received in the window, but over the peer's share of memory */
};

/* Blocks that were used before, linked by next. */
struct tcp_spare_blocks {
    struct tcp_block *first;
    uint32_t count;
};

struct tcp_state {
    struct net_hash table; /* struct tcp_entry by four-tuple */
    struct net_hash ports; /* struct tcp_socket.bound by local port */
    struct net_hash peers; /* struct tcp_peer by address */
    uint64_t tuple_key[3];
    uint64_t secret_key[2]; /* sequence numbers, timestamps */
    uint64_t cookie_key[2];
    struct tcp_socket *pending_first;
    struct tcp_socket *pending_last;
    struct tcp_socket *all;
    struct tcp_time_wait *time_wait_first;
    struct tcp_time_wait *time_wait_last;
    struct net_timer time_wait_timer;
    uint32_t time_wait_count;
    uint32_t time_wait_limit;
    uint32_t request_count;
    uint32_t request_limit;
    uint16_t request_tally[TCP_REQUEST_TALLIES]; /* by a hash of the peer's address */
    uint32_t orphan_count;
    uint32_t socket_count;
    uint64_t cookie_ns; /* when a cookie was sent last; 0: never */
    uint64_t challenge_second_ns;
    uint32_t challenge_left;
    struct tcp_record *record_spares;
    uint32_t record_spare_count;
    struct tcp_spare_blocks small_blocks;
    struct tcp_spare_blocks large_blocks;
    struct tcp_statistics statistics;
};

/* What one acknowledgement brought. */
struct tcp_ack_result {
    uint32_t acked_bytes;     /* cumulatively */
    uint32_t delivered_bytes; /* acked or newly sacked */
    uint64_t rtt_ns;          /* 0: no unambiguous sample */
    bool duplicate;           /* RFC 5681 §2 */
    bool duplicate_reported;  /* D-SACK */
};
