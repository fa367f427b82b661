#include "net/tcp.h"

/* RFC 6298 §2, on a microsecond clock. */
void tcp_rtt_sample(struct tcp_socket *sock, uint64_t rtt_ns)
{
    uint64_t us = rtt_ns / TCP_NS_PER_US;
    uint32_t rtt_us = us > TCP_RTO_MAXIMUM_US ? TCP_RTO_MAXIMUM_US : (uint32_t)us;
    uint32_t variance4;
    uint64_t rto_us;

    rtt_us = rtt_us == 0 ? 1 : rtt_us;
    if (sock->rtt_minimum_us == 0 || rtt_us < sock->rtt_minimum_us) {
        sock->rtt_minimum_us = rtt_us;
    }
    if (sock->srtt_us == 0) {
        sock->srtt_us = rtt_us;
        sock->rttvar_us = rtt_us / 2;
    } else {
        uint32_t error = rtt_us > sock->srtt_us ? rtt_us - sock->srtt_us : sock->srtt_us - rtt_us;
        sock->rttvar_us = (uint32_t)((3 * (uint64_t)sock->rttvar_us + error) / 4);
        sock->srtt_us = (uint32_t)((7 * (uint64_t)sock->srtt_us + rtt_us + 4) / 8);
        sock->srtt_us = sock->srtt_us == 0 ? 1 : sock->srtt_us;
    }
    /* The variance term has the floor, so that the RTO never comes close to a steady RTT. */
    variance4 = 4 * sock->rttvar_us;
    rto_us =
        (uint64_t)sock->srtt_us + (variance4 > TCP_RTO_MINIMUM_US ? variance4 : TCP_RTO_MINIMUM_US);
    sock->rto_us = rto_us > TCP_RTO_MAXIMUM_US ? TCP_RTO_MAXIMUM_US : (uint32_t)rto_us;
}
