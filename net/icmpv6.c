#include "net/icmp.h"

#include "kernel/base/string.h"
#include "net/mld.h"
#include "net/ndp.h"

static bool icmpv6_classify(const struct icmp_header *icmp, struct ip_error *error)
{
    switch (icmp->type) {
    case ICMPV6_UNREACHABLE:
        error->report = icmp->code == ICMPV6_CODE_PORT ? IP_REPORT_REFUSED : IP_REPORT_UNREACHABLE;
        return true;
    case ICMPV6_TOO_BIG: {
        uint32_t mtu = be32_get(icmp->rest);
        error->report = IP_REPORT_TOO_BIG;
        error->mtu_bytes = mtu > 0xffffu ? 0xffffu : (uint16_t)mtu;
        return true;
    }
    case ICMPV6_TIME_EXCEEDED:
        error->report = IP_REPORT_UNREACHABLE;
        return true;
    case ICMPV6_PARAMETER_PROBLEM:
        /* Code 1: the peer does not know the protocol. */
        error->report = icmp->code == 1 ? IP_REPORT_REFUSED : IP_REPORT_UNREACHABLE;
        return true;
    default:
        return false;
    }
}

/* RFC 4443 §3: the quotation of a packet of ours, which never has extension headers but one. */
static bool icmpv6_input_error(struct net_stack *stack, const struct net_buffer *chain,
                               const struct ip_received *ip)
{
    uint32_t offset = ip->payload_offset + (uint32_t)sizeof(struct icmp_header);
    uint32_t length = ip->payload_bytes - (uint32_t)sizeof(struct icmp_header);
    uint32_t needed = (uint32_t)sizeof(struct ipv6_header) + 8;
    struct ip_error error = {0};

    if (length < needed || !ip_chain_has(chain, offset, needed)) {
        return false;
    }
    const struct ipv6_header *quoted = (const struct ipv6_header *)(chain->data + offset);
    if (quoted->version_class_flow.byte[0] >> 4 != 6) {
        return false;
    }
    uint8_t protocol = quoted->next_header;
    const uint8_t *transport = chain->data + offset + sizeof(*quoted);
    error.source = ip_address_from_ipv6(quoted->source);
    error.destination = ip_address_from_ipv6(quoted->destination);
    if (protocol == IPV6_NEXT_FRAGMENT) {
        /* We fragment large datagrams; only the first piece has the ports. */
        const struct ipv6_fragment *fragment = (const struct ipv6_fragment *)transport;
        if ((be16_get(fragment->offset_more) & 0xfff8u) != 0 || length < needed + 8 ||
            !ip_chain_has(chain, offset, needed + 8)) {
            return false;
        }
        protocol = fragment->next_header;
        transport += sizeof(*fragment);
    }
    if (ip_address_is_ipv4(&error.source) || ip_address_is_ipv4(&error.destination) ||
        !ip_address_is_local(stack, &error.source) ||
        !icmpv6_classify((const struct icmp_header *)(chain->data + ip->payload_offset), &error)) {
        return false;
    }
    error.source_port = be16_get(((const struct udp_header *)transport)->source_port);
    error.destination_port = be16_get(((const struct udp_header *)transport)->destination_port);
    struct be32 sequence;
    memcpy(&sequence, transport + offsetof(struct tcp_header, sequence), sizeof(sequence));
    error.sequence = be32_get(sequence);
    icmp_report(stack, protocol, &error);
    return true;
}

static bool icmpv6_checksum_is_right(const struct net_buffer *chain, const struct ip_received *ip)
{
    uint32_t sum = ip_pseudo_sum(&ip->source, &ip->destination, IP_ICMPV6, ip->payload_bytes);
    return ip_checksum_chain(chain, ip->payload_offset, ip->payload_bytes, sum) == 0xffff;
}

void icmpv6_input(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip)
{
    bool used = false;

    if (ip->payload_bytes < sizeof(struct icmp_header) ||
        !ip_chain_has(chain, ip->payload_offset, sizeof(struct icmp_header)) ||
        !icmpv6_checksum_is_right(chain, ip)) {
        IP_COUNT(stack, dropped_icmp);
        net_buffer_free(stack, chain);
        return;
    }
    const struct icmp_header *icmp = (const struct icmp_header *)(chain->data + ip->payload_offset);
    switch (icmp->type) {
    case ICMPV6_ECHO_REQUEST:
        if (icmp->code != 0 || ip_address_is_any(&ip->source)) {
            break;
        }
        icmp_echo_reply(stack, chain, ip, ICMPV6_ECHO_REPLY);
        return;
    case ICMPV6_UNREACHABLE:
    case ICMPV6_TOO_BIG:
    case ICMPV6_TIME_EXCEEDED:
    case ICMPV6_PARAMETER_PROBLEM:
        used = icmpv6_input_error(stack, chain, ip);
        break;
    case ICMPV6_LISTENER_QUERY:
        used = true;
        mld_query_input(stack, chain, ip);
        break;
    case ICMPV6_ROUTER_ADVERT:
    case ICMPV6_NEIGHBOUR_SOLICIT:
    case ICMPV6_NEIGHBOUR_ADVERT:
        /* RFC 4861 §6.1, §7.1: a hop limit of 255 proves that no router passed it on. */
        used = ip->hop_limit == 255 && icmp->code == 0 &&
               ip_chain_has(chain, ip->payload_offset, ip->payload_bytes);
        if (used) {
            ndp_input(stack, chain, ip);
        }
        break;
    default:
        break;
    }
    if (!used) {
        IP_COUNT(stack, dropped_icmp);
    }
    net_buffer_free(stack, chain);
}
