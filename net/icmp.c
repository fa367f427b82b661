#include "net/icmp.h"

#include "kernel/base/string.h"
#include "net/checksum.h"
#include "net/ipv4.h"

/* RFC 1812 §4.3.2.3: as much of the original as fits a datagram of 576 bytes. */
#define ICMP_QUOTE_BYTES_MAX (576u - sizeof(struct ipv4_header) - sizeof(struct icmp_header))
/* RFC 4443 §2.4(c): as much as fits the minimum MTU. */
#define ICMPV6_QUOTE_BYTES_MAX                                                                     \
    (IPV6_MTU_MINIMUM_BYTES - sizeof(struct ipv6_header) - sizeof(struct icmp_header))

void icmp_report(struct net_stack *stack, uint8_t protocol, const struct ip_error *error)
{
    if (protocol == IP_TCP) {
        tcp_error(stack, error);
    } else if (protocol == IP_UDP) {
        udp_error(stack, error);
    } else if (error->report == IP_REPORT_TOO_BIG) {
        ip_path_mtu_update(stack, &error->destination, error->mtu_bytes);
    }
}

/* Fills in the checksum and sends a message whose payload, if any, is the only fragment. */
static void icmp_transmit(struct net_stack *stack, struct ip_route *route,
                          struct net_packet *packet)
{
    struct icmp_header *header = (struct icmp_header *)(packet->header + packet->header_start);
    const struct net_fragment *payload = &packet->fragments[0];
    uint32_t length = packet->fragment_count > 0 ? payload->length_bytes : 0;
    uint32_t sum = 0;

    packet->header_length_bytes = sizeof(*header);
    header->checksum = be16_make(0);
    if (!route->is_ipv4) {
        sum = ip_pseudo_sum(&route->source, &route->destination, IP_ICMPV6,
                            (uint32_t)sizeof(*header) + length);
    }
    sum = checksum_add(sum, header, sizeof(*header));
    if (length > 0) {
        sum = checksum_add(sum, payload->data, length);
    }
    header->checksum = be16_from_sum(checksum_finish(sum));
    ip_transmit(stack, route, packet, route->is_ipv4 ? IP_ICMP : IP_ICMPV6, IP_ECN_NOT);
}

void icmp_echo_reply(struct net_stack *stack, struct net_buffer *chain,
                     const struct ip_received *ip, uint8_t reply_type)
{
    static const struct ip_address any;
    const struct ip_address *source = ip->is_multicast ? &any : &ip->destination;
    struct ip_route route;
    struct net_packet *packet = NULL;

    if (ip_route(stack, source, &ip->source, &route) == ERR_OK) {
        packet = ip_packet_copy_chain(stack, chain,
                                      ip->payload_offset + (uint32_t)sizeof(struct icmp_header),
                                      ip->payload_bytes - (uint32_t)sizeof(struct icmp_header));
    }
    if (packet == NULL) {
        IP_COUNT(stack, dropped_icmp);
        net_buffer_free(stack, chain);
        return;
    }
    struct icmp_header *header = (struct icmp_header *)(packet->header + packet->header_start);
    memcpy(header, chain->data + ip->payload_offset, sizeof(*header));
    header->type = reply_type;
    net_buffer_free(stack, chain);
    stack->ip->statistics.echo_replies++;
    icmp_transmit(stack, &route, packet);
}

static bool icmp_error_is_allowed(const struct net_buffer *chain, const struct ip_received *ip)
{
    /* RFC 1122 §3.2.2: never about broadcasts, nor to an address that is no single host's. */
    if (ip->is_multicast || ip_address_is_any(&ip->source) || ip_address_is_group(&ip->source)) {
        return false;
    }
    if (ip->protocol != IP_ICMP && ip->protocol != IP_ICMPV6) {
        return true;
    }
    /* Nor about an error message. */
    if (!ip_chain_has(chain, ip->payload_offset, 1) || ip->payload_bytes == 0) {
        return false;
    }
    uint8_t type = chain->data[ip->payload_offset];
    if (ip->is_ipv4) {
        return type == ICMP_ECHO_REQUEST || type == ICMP_ECHO_REPLY;
    }
    return type >= ICMPV6_ECHO_REQUEST;
}

void icmp_send_error(struct net_stack *stack, struct net_buffer *chain,
                     const struct ip_received *ip, uint8_t type, uint8_t code, uint32_t rest)
{
    struct ip_route route;
    struct net_packet *packet = NULL;
    uint32_t quote = ip->payload_offset - ip->header_offset + ip->payload_bytes;
    uint32_t quote_max = ip->is_ipv4 ? ICMP_QUOTE_BYTES_MAX : ICMPV6_QUOTE_BYTES_MAX;

    if (icmp_error_is_allowed(chain, ip) &&
        ip_rate_allow(&stack->ip->icmp_limit, stack->now_ns, ICMP_ERRORS_PER_SECOND,
                      ICMP_ERRORS_BURST) &&
        ip_route(stack, &ip->destination, &ip->source, &route) == ERR_OK) {
        packet = ip_packet_copy_chain(stack, chain, ip->header_offset,
                                      quote < quote_max ? quote : quote_max);
    }
    net_buffer_free(stack, chain);
    if (packet == NULL) {
        IP_COUNT(stack, dropped_icmp);
        return;
    }
    struct icmp_header *header = (struct icmp_header *)(packet->header + packet->header_start);
    *header = (struct icmp_header){.type = type, .code = code, .rest = be32_make(rest)};
    icmp_transmit(stack, &route, packet);
}

void ip_refuse(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip)
{
    bool port = ip->protocol == IP_UDP || ip->protocol == IP_TCP;
    if (ip->is_ipv4) {
        icmp_send_error(stack, chain, ip, ICMP_UNREACHABLE,
                        port ? ICMP_CODE_PORT : ICMP_CODE_PROTOCOL, 0);
    } else if (port) {
        icmp_send_error(stack, chain, ip, ICMPV6_UNREACHABLE, ICMPV6_CODE_PORT, 0);
    } else {
        /*
         * RFC 8200 §4: "unrecognized next header", pointing at the field. Only the fixed
         * header's own field has a position known here.
         */
        icmp_send_error(stack, chain, ip, ICMPV6_PARAMETER_PROBLEM, 1,
                        offsetof(struct ipv6_header, next_header));
    }
}

/* RFC 1191 §7.1: the plateau below a packet that a router without our extension refused. */
static uint16_t icmp_plateau_below(uint16_t length)
{
    static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006};
    for (unsigned i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]); i++) {
        if (plateaus[i] < length) {
            return plateaus[i];
        }
    }
    return IPV4_MTU_MINIMUM_BYTES;
}

/* What an error message means for a transport; false: nothing (RFC 1122 §4.2.3.9). */
static bool icmp_classify(const struct icmp_header *icmp, const struct ipv4_header *quoted,
                          struct ip_error *error)
{
    if (icmp->type == ICMP_TIME_EXCEEDED) {
        error->report = IP_REPORT_UNREACHABLE;
        return true;
    }
    if (icmp->type != ICMP_UNREACHABLE) {
        return false;
    }
    switch (icmp->code) {
    case ICMP_CODE_PROTOCOL:
    case ICMP_CODE_PORT:
        error->report = IP_REPORT_REFUSED;
        return true;
    case ICMP_CODE_FRAGMENT:
        error->report = IP_REPORT_TOO_BIG;
        error->mtu_bytes = (uint16_t)be32_get(icmp->rest);
        if (error->mtu_bytes == 0) {
            error->mtu_bytes = icmp_plateau_below(be16_get(quoted->total_length));
        }
        return true;
    default:
        error->report = IP_REPORT_UNREACHABLE;
        return true;
    }
}

/* A message about a datagram of ours: RFC 792, with the quotation checked like any input. */
static bool icmp_input_error(struct net_stack *stack, const struct net_buffer *chain,
                             const struct ip_received *ip)
{
    uint32_t offset = ip->payload_offset + (uint32_t)sizeof(struct icmp_header);
    uint32_t length = ip->payload_bytes - (uint32_t)sizeof(struct icmp_header);
    const struct icmp_header *icmp = (const struct icmp_header *)(chain->data + ip->payload_offset);
    const struct ipv4_header *quoted = (const struct ipv4_header *)(chain->data + offset);
    struct ip_error error = {0};

    if (length < sizeof(*quoted) || !ip_chain_has(chain, offset, sizeof(*quoted))) {
        return false;
    }
    uint32_t header_bytes = (quoted->version_length & 0xfu) * 4u;
    if (quoted->version_length >> 4 != 4 || header_bytes < sizeof(*quoted) ||
        length < header_bytes + 8 || !ip_chain_has(chain, offset, header_bytes + 8) ||
        (be16_get(quoted->fragment) & IPV4_FRAGMENT_OFFSET_MASK) != 0) {
        return false;
    }
    error.source = ip_address_from_ipv4(quoted->source);
    error.destination = ip_address_from_ipv4(quoted->destination);
    if (!ip_address_is_local(stack, &error.source) || !icmp_classify(icmp, quoted, &error)) {
        return false;
    }

    const uint8_t *transport = chain->data + offset + header_bytes;
    error.source_port = be16_get(((const struct udp_header *)transport)->source_port);
    error.destination_port = be16_get(((const struct udp_header *)transport)->destination_port);
    struct be32 sequence;
    memcpy(&sequence, transport + offsetof(struct tcp_header, sequence), sizeof(sequence));
    error.sequence = be32_get(sequence);
    icmp_report(stack, quoted->protocol, &error);
    return true;
}

void icmp_input(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip)
{
    bool used = false;

    if (ip->payload_bytes < sizeof(struct icmp_header) ||
        !ip_chain_has(chain, ip->payload_offset, sizeof(struct icmp_header)) ||
        ip_checksum_chain(chain, ip->payload_offset, ip->payload_bytes, 0) != 0xffff) {
        IP_COUNT(stack, dropped_icmp);
        net_buffer_free(stack, chain);
        return;
    }
    const struct icmp_header *icmp = (const struct icmp_header *)(chain->data + ip->payload_offset);
    switch (icmp->type) {
    case ICMP_ECHO_REQUEST:
        /* RFC 1122 §3.2.2.6 lets a host ignore broadcast pings; amplifiers are made of them. */
        if (ip->is_multicast || icmp->code != 0 || ip_address_is_any(&ip->source)) {
            break;
        }
        icmp_echo_reply(stack, chain, ip, ICMP_ECHO_REPLY);
        return;
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
        used = icmp_input_error(stack, chain, ip);
        break;
    default:
        break;
    }
    if (!used) {
        IP_COUNT(stack, dropped_icmp);
    }
    net_buffer_free(stack, chain);
}
