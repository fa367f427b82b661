/*
 * TCP_INFO for packetdrill: the state of our connection in Linux's terms, as tcp(7) and its
 * headers have them. Linux counts segments where we count bytes.
 */
#include <string.h>

#include "net/tcp.h"
#include "tests/net/packetdrill_wire.h"

enum { CA_OPEN, CA_DISORDER, CA_CWR, CA_RECOVERY, CA_LOSS };
enum { OPTION_TIMESTAMPS = 1, OPTION_SACK = 2, OPTION_SCALING = 4, OPTION_ECN = 8 };
#define NO_THRESHOLD 0x7fffffffu

/* The beginning of struct tcp_info; packetdrill knows more fields, which stay 0. */
struct info {
    uint8_t state;
    uint8_t ca_state;
    uint8_t retransmits;
    uint8_t probes;
    uint8_t backoff;
    uint8_t options;
    uint8_t shifts; /* the peer's, then ours in the upper half */
    uint8_t flags;
    uint32_t rto, ato, snd_mss, rcv_mss;
    uint32_t unacked, sacked, lost, retrans, fackets;
    uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
    uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
};

static uint8_t state_of(const struct tcp_socket *sock)
{
    static const uint8_t states[] = {
        [TCP_CLOSED] = 7,      [TCP_LISTEN] = 10,    [TCP_SYN_SENT] = 2,   [TCP_SYN_RECEIVED] = 3,
        [TCP_ESTABLISHED] = 1, [TCP_FIN_WAIT_1] = 4, [TCP_FIN_WAIT_2] = 5, [TCP_CLOSE_WAIT] = 8,
        [TCP_CLOSING] = 11,    [TCP_LAST_ACK] = 9,
    };
    return states[sock->status];
}

static uint8_t congestion_state(const struct tcp_socket *sock)
{
    if (sock->recovery == TCP_RECOVERY_FAST) {
        return CA_RECOVERY;
    }
    if (sock->recovery == TCP_RECOVERY_TIMEOUT) {
        return CA_LOSS;
    }
    if (sock->options.ecn && seq_before(sock->send_una, sock->ecn_recover)) {
        return CA_CWR;
    }
    return sock->sacked_bytes > 0 || sock->duplicate_acks > 0 ? CA_DISORDER : CA_OPEN;
}

void wire_tcp_info(const struct net_socket *socket, void *out, size_t size)
{
    const struct tcp_socket *sock = (const struct tcp_socket *)socket;
    uint32_t mss = sock->mss != 0 ? tcp_payload_mss(sock) : TCP_MSS_DEFAULT;
    struct info info = {
        .state = state_of(sock),
        .ca_state = congestion_state(sock),
        .retransmits = sock->retries,
        .probes = sock->send_timer == TCP_SEND_PERSIST ? sock->retries : sock->keep_probes,
        .backoff = sock->backoff,
        .options = (uint8_t)((sock->options.timestamps ? OPTION_TIMESTAMPS : 0) |
                             (sock->options.sack ? OPTION_SACK : 0) |
                             (sock->options.window_scaling ? OPTION_SCALING : 0) |
                             (sock->options.ecn ? OPTION_ECN : 0)),
        .shifts = (uint8_t)(sock->options.send_shift | sock->options.receive_shift << 4),
        .rto = sock->rto_us,
        .snd_mss = mss,
        .rcv_mss = sock->receive_mss,
        .advmss = tcp_offered_mss(sock->base.stack, &sock->route),
        .last_data_recv = (uint32_t)((sock->base.stack->now_ns - sock->heard_ns) / TCP_NS_PER_MS),
        .pmtu = sock->route.mtu_bytes,
        .rtt = sock->srtt_us,
        .rttvar = sock->rttvar_us,
        .snd_cwnd = sock->cwnd / mss,
        .snd_ssthresh =
            sock->ssthresh == UINT32_MAX ? NO_THRESHOLD : (sock->ssthresh + mss / 2) / mss,
        .reordering = 3,
    };

    for (const struct tcp_record *record = sock->record_first; record; record = record->next) {
        uint32_t segments = (record->end - record->start + mss - 1) / mss;
        bool is_sacked = (record->flags & TCP_RECORD_SACKED_BIT) != 0;
        bool is_lost = (record->flags & TCP_RECORD_LOST_BIT) != 0;
        bool again = (record->flags & TCP_RECORD_RETRANSMITTED_BIT) != 0;

        info.unacked += segments;
        info.sacked += is_sacked ? segments : 0;
        info.lost += is_lost || (again && !is_sacked) ? segments : 0;
        info.retrans += again && !is_lost && !is_sacked ? segments : 0;
    }
    memset(out, 0, size);
    memcpy(out, &info, size < sizeof(info) ? size : sizeof(info));
}
