#include "net/ipv6.h"

#include "kernel/base/string.h"
#include "net/icmp.h"

#define IPV6_VERSION_TRAFFIC(ecn) (6u << 28 | (uint32_t)(ecn) << 20)
/* More than any sender has use for; a bound on the work a packet can cause. */
#define IPV6_EXTENSIONS_MAX 8u
#define IPV6_OPTION_PAD1    0u
/* The two high bits of an option type: what to do when it is unknown (RFC 8200 §4.2). */
#define IPV6_OPTION_ACTION_MASK 0xc0u
#define IPV6_OPTION_SKIP        0x00u
#define IPV6_OPTION_DISCARD     0x40u
#define IPV6_OPTION_REPORT_ALL  0x80u
#define IPV6_PROBLEM_FIELD      0u
#define IPV6_PROBLEM_NEXT       1u
#define IPV6_PROBLEM_OPTION     2u

static bool ipv6_source_is_possible(const struct net_stack *stack, const struct ip_address *source,
                                    enum ip_arrival arrival)
{
    if (arrival == IP_ARRIVAL_LOOPBACK) {
        return true;
    }
    /* A mapped address on the wire would pass for IPv4 inside (RFC 4942 §2.2). */
    return !ip_address_is_group(source) && !ip_address_is_loopback(source) &&
           !ip_address_is_ipv4(source) && !netif_has_ipv6(&stack->ip->netif, source);
}

static bool ipv6_destination_is_ours(const struct net_stack *stack,
                                     const struct ip_address *destination, enum ip_arrival arrival)
{
    const struct netif *netif = &stack->ip->netif;
    if (arrival == IP_ARRIVAL_LOOPBACK) {
        return true;
    }
    if (ip_address_is_ipv4(destination)) {
        return false;
    }
    if (ip_address_is_group(destination)) {
        return netif_in_group_ipv6(netif, destination);
    }
    return arrival == IP_ARRIVAL_UNICAST && netif_has_ipv6(netif, destination);
}

enum verdict { VERDICT_CONTINUE, VERDICT_DROPPED };

static enum verdict ipv6_problem(struct net_stack *stack, struct net_buffer *chain,
                                 const struct ip_received *ip, uint8_t code, uint32_t pointer)
{
    IP_COUNT(stack, dropped_header);
    icmp_send_error(stack, chain, ip, ICMPV6_PARAMETER_PROBLEM, code, pointer);
    return VERDICT_DROPPED;
}

static enum verdict ipv6_drop(struct net_stack *stack, struct net_buffer *chain)
{
    IP_COUNT(stack, dropped_header);
    net_buffer_free(stack, chain);
    return VERDICT_DROPPED;
}

/* The options of a hop-by-hop or destination header of `length` bytes: none are known here. */
static enum verdict ipv6_options(struct net_stack *stack, struct net_buffer *chain,
                                 const struct ip_received *ip, uint32_t length)
{
    const uint8_t *header = chain->data + ip->payload_offset;
    uint32_t at = sizeof(struct ipv6_extension);

    while (at < length) {
        uint8_t type = header[at];
        if (type == IPV6_OPTION_PAD1) {
            at++;
            continue;
        }
        if (length - at < 2 || header[at + 1] > length - at - 2) {
            return ipv6_drop(stack, chain);
        }
        switch (type & IPV6_OPTION_ACTION_MASK) {
        case IPV6_OPTION_SKIP:
            break;
        case IPV6_OPTION_DISCARD:
            return ipv6_drop(stack, chain);
        default:
            if (ip->is_multicast && (type & IPV6_OPTION_ACTION_MASK) != IPV6_OPTION_REPORT_ALL) {
                return ipv6_drop(stack, chain);
            }
            return ipv6_problem(stack, chain, ip, IPV6_PROBLEM_OPTION,
                                ip->payload_offset - ip->header_offset + at);
        }
        at += 2u + header[at + 1];
    }
    return VERDICT_CONTINUE;
}

/*
 * One extension header at ip->payload_offset, of type ip->protocol; steps over it (RFC 8200
 * §4.3, §4.4, §4.6).
 */
static enum verdict ipv6_step(struct net_stack *stack, struct net_buffer *chain,
                              struct ip_received *ip)
{
    if (ip->payload_bytes < 8 || !ip_chain_has(chain, ip->payload_offset, 8)) {
        return ipv6_drop(stack, chain);
    }
    const struct ipv6_extension *extension =
        (const struct ipv6_extension *)(chain->data + ip->payload_offset);
    uint32_t length = (extension->length + 1u) * 8u;

    if (length > ip->payload_bytes || !ip_chain_has(chain, ip->payload_offset, length)) {
        return ipv6_drop(stack, chain);
    }
    if (ip->protocol == IPV6_NEXT_ROUTING) {
        /* Byte 3 counts the segments left; a host with none may skip any type. */
        if (chain->data[ip->payload_offset + 3] != 0) {
            return ipv6_problem(stack, chain, ip, IPV6_PROBLEM_FIELD,
                                ip->payload_offset - ip->header_offset + 2);
        }
    } else if (ipv6_options(stack, chain, ip, length) != VERDICT_CONTINUE) {
        return VERDICT_DROPPED;
    }
    ip->protocol = extension->next_header;
    ip->payload_offset += length;
    ip->payload_bytes -= length;
    return VERDICT_CONTINUE;
}

/* RFC 8200 §4.5. Returns the chain to go on with, or NULL. */
static struct net_buffer *ipv6_input_fragment(struct net_stack *stack, struct net_buffer *chain,
                                              struct ip_received *ip)
{
    if (ip->payload_bytes < sizeof(struct ipv6_fragment) ||
        !ip_chain_has(chain, ip->payload_offset, sizeof(struct ipv6_fragment))) {
        (void)ipv6_drop(stack, chain);
        return NULL;
    }
    const struct ipv6_fragment *header =
        (const struct ipv6_fragment *)(chain->data + ip->payload_offset);
    uint16_t field = be16_get(header->offset_more);

    ip->protocol = header->next_header;
    ip->payload_offset += (uint32_t)sizeof(*header);
    ip->payload_bytes -= (uint32_t)sizeof(*header);
    /* RFC 6946: an atomic fragment is no fragment. */
    if ((field & 0xfff9u) == 0) {
        return chain;
    }
    struct ip_fragment_info fragment = {
        .ip = *ip,
        .identification = be32_get(header->identification),
        .offset_bytes = field & 0xfff8u,
        .more = (field & 1) != 0,
        .header_bytes = sizeof(struct ipv6_header),
    };
    return ip_reassemble(stack, chain, &fragment, ip);
}

/* RFC 6980 §5: neighbour discovery in fragments is an attack. */
static bool ipv6_is_fragmented_ndp(const struct net_buffer *chain, const struct ip_received *ip)
{
    return ip->protocol == IP_ICMPV6 && ip_chain_has(chain, ip->payload_offset, 1) &&
           chain->data[ip->payload_offset] >= ICMPV6_ROUTER_SOLICIT &&
           chain->data[ip->payload_offset] <= ICMPV6_ROUTER_SOLICIT + 4;
}

static void ipv6_walk(struct net_stack *stack, struct net_buffer *chain, struct ip_received *ip)
{
    bool fragment_seen = false;

    for (unsigned count = 0; count < IPV6_EXTENSIONS_MAX; count++) {
        switch (ip->protocol) {
        case IPV6_NEXT_HOP_BY_HOP:
            /* RFC 8200 §4.1: only directly behind the fixed header. */
            if (count > 0) {
                (void)ipv6_problem(stack, chain, ip, IPV6_PROBLEM_NEXT,
                                   offsetof(struct ipv6_header, next_header));
                return;
            }
            __attribute__((fallthrough));
        case IPV6_NEXT_OPTIONS:
        case IPV6_NEXT_ROUTING:
            if (ipv6_step(stack, chain, ip) != VERDICT_CONTINUE) {
                return;
            }
            break;
        case IPV6_NEXT_FRAGMENT:
            if (fragment_seen) {
                (void)ipv6_drop(stack, chain);
                return;
            }
            fragment_seen = true;
            chain = ipv6_input_fragment(stack, chain, ip);
            if (chain == NULL) {
                return;
            }
            break;
        case IPV6_NEXT_NONE:
            net_buffer_free(stack, chain);
            return;
        default:
            if (fragment_seen && ipv6_is_fragmented_ndp(chain, ip)) {
                (void)ipv6_drop(stack, chain);
            } else {
                ip_deliver(stack, chain, ip);
            }
            return;
        }
    }
    (void)ipv6_drop(stack, chain);
}

void ipv6_input(struct net_stack *stack, struct net_buffer *chain, uint32_t offset,
                enum ip_arrival arrival)
{
    const struct ipv6_header *header;
    uint32_t payload_bytes;

    if (!ip_chain_has(chain, offset, sizeof(*header))) {
        goto malformed;
    }
    header = (const struct ipv6_header *)(chain->data + offset);
    payload_bytes = be16_get(header->payload_length);
    if (header->version_class_flow.byte[0] >> 4 != 6 ||
        payload_bytes > chain->total_bytes - offset - sizeof(*header)) {
        goto malformed;
    }

    struct ip_received ip;
    ip.source = ip_address_from_ipv6(header->source);
    ip.destination = ip_address_from_ipv6(header->destination);
    if (!ipv6_source_is_possible(stack, &ip.source, arrival) ||
        !ipv6_destination_is_ours(stack, &ip.destination, arrival)) {
        IP_COUNT(stack, dropped_address);
        net_buffer_free(stack, chain);
        return;
    }
    ip.header_offset = offset;
    ip.payload_offset = offset + (uint32_t)sizeof(*header);
    ip.payload_bytes = payload_bytes;
    ip.protocol = header->next_header;
    ip.ecn = (uint8_t)(header->version_class_flow.byte[1] >> 4 & 3);
    ip.hop_limit = header->hop_limit;
    ip.is_ipv4 = false;
    ip.is_multicast = ip_address_is_group(&ip.destination);
    ip.checksum_valid = chain->checksum_valid;
    ipv6_walk(stack, chain, &ip);
    return;

malformed:
    IP_COUNT(stack, dropped_header);
    net_buffer_free(stack, chain);
}

struct ipv6_header *ipv6_push_header(struct net_packet *packet, const struct ip_route *route,
                                     uint8_t next_header, uint8_t ecn, uint32_t payload_bytes)
{
    packet->header_start = (uint16_t)(packet->header_start - sizeof(struct ipv6_header));
    packet->header_length_bytes =
        (uint16_t)(packet->header_length_bytes + sizeof(struct ipv6_header));
    packet->checksum_start = (uint16_t)(packet->checksum_start + sizeof(struct ipv6_header));

    struct ipv6_header *header = (struct ipv6_header *)(packet->header + packet->header_start);
    header->version_class_flow = be32_make(IPV6_VERSION_TRAFFIC(ecn));
    header->payload_length = be16_make((uint16_t)payload_bytes);
    header->next_header = next_header;
    header->hop_limit = route->hop_limit != 0 ? route->hop_limit : IP_DEFAULT_HOP_LIMIT;
    memcpy(header->source, &route->source, sizeof(header->source));
    memcpy(header->destination, &route->destination, sizeof(header->destination));
    return header;
}
