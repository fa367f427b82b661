#include "net/tcp.h"

/* Bounds the scoreboard that a peer with a tiny MSS can make us walk for each of its SACKs. */
#define WINDOW_SEGMENTS_MAX 8192u
/* RFC 9438 §4.6: the window keeps 0.7 of its size. */
#define BETA_NUMERATOR   7u
#define BETA_DENOMINATOR 10u
/* RFC 9406 §4.3. */
#define RTT_SAMPLES             8u
#define RTT_STEP_MINIMUM_US     4000u
#define RTT_STEP_MAXIMUM_US     16000u
#define CONSERVATIVE_DIVISOR    4u
#define CONSERVATIVE_ROUNDS_MAX 5u
/* |t - K| beyond this adds nothing that matters and would overflow. */
#define CUBIC_MS_MAX 100000

uint32_t tcp_initial_window(uint32_t mss)
{
    /* RFC 6928 §2. */
    uint32_t ceiling = mss * 2 > 14600 ? mss * 2 : 14600;

    return mss * 10 < ceiling ? mss * 10 : ceiling;
}

void tcp_congestion_init(struct tcp_socket *sock)
{
    sock->cwnd = tcp_initial_window(tcp_payload_mss(sock));
    sock->ssthresh = UINT32_MAX;
    sock->cubic = (struct tcp_cubic){0};
    sock->hystart = (struct tcp_hystart){.round_end = sock->send_next};
}

static void hystart_next_round(struct tcp_socket *sock)
{
    struct tcp_hystart *hystart = &sock->hystart;

    hystart->round_end = sock->send_next;
    hystart->last_minimum_us = hystart->minimum_us;
    hystart->minimum_us = UINT32_MAX;
    hystart->sample_count = 0;
    if (hystart->conservative_rounds > 0 &&
        hystart->conservative_rounds++ >= CONSERVATIVE_ROUNDS_MAX) {
        sock->ssthresh = sock->cwnd; /* the queue did grow: slow start is over */
    }
}

/* RFC 9406 §4.2, on each acknowledgement of the first slow start. */
static void hystart_acked(struct tcp_socket *sock, uint64_t rtt_ns)
{
    struct tcp_hystart *hystart = &sock->hystart;
    uint32_t rtt_us =
        rtt_ns / TCP_NS_PER_US < UINT32_MAX ? (uint32_t)(rtt_ns / TCP_NS_PER_US) : UINT32_MAX;
    uint32_t step;

    if (!seq_before(sock->send_una, hystart->round_end)) {
        hystart_next_round(sock);
    }
    if (rtt_us < hystart->minimum_us) {
        hystart->minimum_us = rtt_us;
    }
    if (hystart->sample_count < RTT_SAMPLES) {
        hystart->sample_count++;
        return;
    }
    if (hystart->conservative_rounds > 0) {
        if (hystart->minimum_us < hystart->baseline_us) {
            hystart->conservative_rounds = 0; /* it was but jitter */
        }
        return;
    }
    if (hystart->last_minimum_us == 0 || hystart->last_minimum_us == UINT32_MAX) {
        return;
    }
    step = hystart->last_minimum_us / 8;
    step = step < RTT_STEP_MINIMUM_US ? RTT_STEP_MINIMUM_US : step;
    step = step > RTT_STEP_MAXIMUM_US ? RTT_STEP_MAXIMUM_US : step;
    if (hystart->minimum_us - hystart->last_minimum_us >= step &&
        hystart->minimum_us > hystart->last_minimum_us) {
        hystart->conservative_rounds = 1;
        hystart->baseline_us = hystart->minimum_us;
    }
}

static uint32_t cube_root(uint64_t value)
{
    uint64_t root = 0;

    for (int shift = 63; shift >= 0; shift -= 3) {
        uint64_t step = 3 * (2 * root) * (2 * root + 1) + 1;
        root *= 2;
        if ((value >> shift) >= step) {
            value -= step << shift;
            root++;
        }
    }
    return (uint32_t)root;
}

static void cubic_begin(struct tcp_socket *sock, uint32_t mss)
{
    struct tcp_cubic *cubic = &sock->cubic;

    cubic->epoch_ns = tcp_stack(sock)->now_ns;
    cubic->window_reno = sock->cwnd;
    cubic->credit = 0;
    cubic->reno_credit = 0;
    if (sock->cwnd < cubic->window_maximum) {
        /* K = cbrt((W_max - cwnd) / C) seconds, C = 0.4 segments/s^3: 2.5e9 for ms. */
        uint64_t below = cubic->window_maximum - sock->cwnd;
        cubic->k_ms = cube_root(below * 2500000000ull / mss);
    } else {
        cubic->window_maximum = sock->cwnd;
        cubic->k_ms = 0;
    }
}

/* W_cubic(t) of RFC 9438 §4.2 in bytes, for t one round trip ahead. */
static uint64_t cubic_target(const struct tcp_socket *sock, uint32_t mss)
{
    const struct tcp_cubic *cubic = &sock->cubic;
    uint64_t since_ns = tcp_stack(sock)->now_ns - cubic->epoch_ns;
    int64_t t_ms = (int64_t)(since_ns / TCP_NS_PER_MS + sock->srtt_us / 1000) - cubic->k_ms;
    bool below = t_ms < 0;
    uint64_t distance = (uint64_t)(below ? -t_ms : t_ms);
    uint64_t change;

    if (distance > CUBIC_MS_MAX) {
        distance = CUBIC_MS_MAX;
    }
    change = distance * distance * distance / 1000 * mss * 4 / 10000000;
    if (below) {
        return cubic->window_maximum > change ? cubic->window_maximum - change : 0;
    }
    return cubic->window_maximum + change;
}

/* W_est of RFC 9438 §4.3: what Reno would have. */
static void reno_grow(struct tcp_socket *sock, uint32_t acked_bytes, uint32_t mss)
{
    struct tcp_cubic *cubic = &sock->cubic;
    uint64_t growth = (uint64_t)mss * acked_bytes;

    if (cubic->window_reno < cubic->window_prior) {
        growth = growth * 9 / 17; /* alpha = 3 (1 - beta) / (1 + beta) */
    }
    cubic->reno_credit += growth;
    cubic->window_reno += (uint32_t)(cubic->reno_credit / sock->cwnd);
    cubic->reno_credit %= sock->cwnd;
}

static void cubic_grow(struct tcp_socket *sock, uint32_t acked_bytes, uint32_t mss)
{
    struct tcp_cubic *cubic = &sock->cubic;
    uint64_t target;

    if (cubic->epoch_ns == 0) {
        cubic_begin(sock, mss);
    }
    reno_grow(sock, acked_bytes, mss);
    target = cubic_target(sock, mss);
    if (target < cubic->window_reno) {
        sock->cwnd = sock->cwnd > cubic->window_reno ? sock->cwnd : cubic->window_reno;
        return;
    }
    if (target > sock->cwnd + sock->cwnd / 2) {
        target = sock->cwnd + sock->cwnd / 2;
    }
    if (target > sock->cwnd) {
        cubic->credit += (target - sock->cwnd) * acked_bytes;
        uint64_t add = cubic->credit / sock->cwnd;
        cubic->credit %= sock->cwnd;
        sock->cwnd += (uint32_t)add;
    }
}

void tcp_congestion_acked(struct tcp_socket *sock, uint32_t acked_bytes, uint64_t rtt_ns)
{
    uint32_t mss = tcp_payload_mss(sock);

    if (sock->cwnd < sock->ssthresh) {
        /* RFC 9293 §3.8.2, RFC 3465 with L unbounded: receivers acknowledge whole batches. */
        uint32_t grow = sock->ssthresh - sock->cwnd;
        if (sock->ssthresh == UINT32_MAX && rtt_ns != 0) {
            hystart_acked(sock, rtt_ns);
        }
        if (sock->hystart.conservative_rounds > 0) {
            acked_bytes /= CONSERVATIVE_DIVISOR;
        }
        grow = acked_bytes < grow ? acked_bytes : grow;
        sock->cwnd += grow;
        acked_bytes -= grow;
    }
    if (acked_bytes > 0) {
        cubic_grow(sock, acked_bytes, mss);
    }
    if (sock->cwnd > 2 * TCP_BUFFER_MAXIMUM) {
        sock->cwnd = 2 * TCP_BUFFER_MAXIMUM; /* more than can ever be in flight */
    }
    if (sock->cwnd / WINDOW_SEGMENTS_MAX >= mss) {
        sock->cwnd = mss * WINDOW_SEGMENTS_MAX;
    }
}

void tcp_congestion_reduce(struct tcp_socket *sock)
{
    struct tcp_cubic *cubic = &sock->cubic;
    uint32_t floor = 2 * tcp_payload_mss(sock);
    uint32_t reduced = (uint32_t)((uint64_t)sock->cwnd * BETA_NUMERATOR / BETA_DENOMINATOR);

    /* RFC 9438 §4.7, fast convergence: make room for others when the maximum shrinks. */
    cubic->window_prior = sock->cwnd;
    if (sock->cwnd < cubic->window_maximum) {
        cubic->window_maximum = (uint32_t)((uint64_t)sock->cwnd * 17 / 20);
    } else {
        cubic->window_maximum = sock->cwnd;
    }
    cubic->epoch_ns = 0;
    sock->hystart.conservative_rounds = 0;
    sock->ecn_reduced = true; /* RFC 3168 §6.1.2: whatever the reason was */
    sock->ssthresh = reduced > floor ? reduced : floor;
}

void tcp_congestion_idle(struct tcp_socket *sock)
{
    uint64_t now_ns = tcp_stack(sock)->now_ns;
    uint32_t restart = tcp_initial_window(tcp_payload_mss(sock));

    if (sock->sent_ns != 0 && now_ns - sock->sent_ns > tcp_rto_ns(sock)) {
        if (sock->cwnd > restart) {
            sock->cwnd = restart;
        }
        sock->cubic.epoch_ns = 0;
    }
}
