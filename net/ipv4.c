#include "net/ipv4.h"

#include "kernel/base/inline.h"
#include "kernel/base/string.h"
#include "net/checksum.h"
#include "net/dhcp.h"
#include "net/icmp.h"

/* Sources that RFC 1122 §3.2.1.3 and RFC 6890 allow only on a loopback interface or never. */
static bool ipv4_source_is_possible(const struct net_stack *stack, uint32_t source,
                                    enum ip_arrival arrival)
{
    const struct netif *netif = &stack->ip->netif;
    if (arrival == IP_ARRIVAL_LOOPBACK) {
        return true;
    }
    if (source >> 28 >= 0xe || source >> 24 == 127) {
        return false;
    }
    if (!netif->ipv4_valid) {
        return true;
    }
    if (source == netif->ipv4) {
        return false;
    }
    /* The subnet's broadcast address; /31 and /32 have none (RFC 3021). */
    return netif->ipv4_prefix_length >= 31 || source != (netif->ipv4 | ~netif->ipv4_mask);
}

enum destination { DESTINATION_OTHER, DESTINATION_UNICAST, DESTINATION_GROUP };

static enum destination ipv4_classify(const struct net_stack *stack, uint32_t destination,
                                      uint8_t protocol, enum ip_arrival arrival)
{
    const struct netif *netif = &stack->ip->netif;
    if (arrival == IP_ARRIVAL_LOOPBACK) {
        return DESTINATION_UNICAST;
    }
    if (netif->ipv4_valid && destination == netif->ipv4) {
        return DESTINATION_UNICAST;
    }
    if (destination == 0xffffffffu || destination == 0xe0000001u) {
        return DESTINATION_GROUP;
    }
    if (netif->ipv4_valid && netif->ipv4_prefix_length < 31 &&
        destination == (netif->ipv4 | ~netif->ipv4_mask)) {
        return DESTINATION_GROUP;
    }
    /* A DHCP server may send to the address it is about to give (RFC 2131 §4.1). */
    if (!netif->ipv4_valid && protocol == IP_UDP && arrival == IP_ARRIVAL_UNICAST &&
        dhcp_is_waiting(stack)) {
        return DESTINATION_UNICAST;
    }
    return DESTINATION_OTHER;
}

/* Whether everything that can be checked without addresses is right (RFC 1122 §3.2.1). */
static NEVER_INLINE bool ipv4_header_is_valid(const struct net_buffer *chain, uint32_t offset,
                                              enum ip_arrival arrival)
{
    if (!ip_chain_has(chain, offset, sizeof(struct ipv4_header))) {
        return false;
    }
    const struct ipv4_header *header = (const struct ipv4_header *)(chain->data + offset);
    uint32_t header_bytes = (header->version_length & 0xfu) * 4u;
    uint32_t total = be16_get(header->total_length);

    if (header->version_length >> 4 != 4 || header_bytes < sizeof(*header) ||
        !ip_chain_has(chain, offset, header_bytes)) {
        return false;
    }
    if (total < header_bytes || total > chain->total_bytes - offset) {
        return false;
    }
    if (arrival == IP_ARRIVAL_LOOPBACK) {
        return true;
    }
    uint16_t sum = header_bytes == sizeof(*header)
                       ? checksum_fold_ipv4(header)
                       : checksum_fold(checksum_add(0, header, header_bytes));
    return sum == 0xffff;
}

static void ipv4_input_fragment(struct net_stack *stack, struct net_buffer *chain,
                                const struct ipv4_header *header, const struct ip_received *ip)
{
    uint16_t field = be16_get(header->fragment);
    struct ip_fragment_info fragment = {
        .ip = *ip,
        .identification = be16_get(header->identification),
        .offset_bytes = (field & IPV4_FRAGMENT_OFFSET_MASK) * 8u,
        .more = (field & IPV4_FRAGMENT_MORE_BIT) != 0,
        .header_bytes = ip->payload_offset - ip->header_offset,
    };
    struct ip_received whole;
    chain = ip_reassemble(stack, chain, &fragment, &whole);
    if (chain != NULL) {
        ip_deliver(stack, chain, &whole);
    }
}

/* The same for a header as nearly all are: without options. */
ALWAYS_INLINE bool ipv4_header_is_plain(const struct net_buffer *chain, uint32_t offset)
{
    const struct ipv4_header *header = (const struct ipv4_header *)(chain->data + offset);
    uint32_t total;

    if (!ip_chain_has(chain, offset, sizeof(*header)) ||
        header->version_length != IPV4_VERSION_WORDS_5) {
        return false;
    }
    total = be16_get(header->total_length);
    return total >= sizeof(*header) && total <= chain->total_bytes - offset &&
           checksum_fold_ipv4(header) == 0xffff;
}

/* From whom and to whom it may be. RFC 1122 §3.3.6: a link-layer broadcast must carry a broadcast
 * or multicast datagram. */
static NEVER_INLINE enum destination
ipv4_judge(const struct net_stack *stack, const struct ipv4_header *header, enum ip_arrival arrival)
{
    enum destination destination =
        ipv4_classify(stack, netif_ipv4_from_bytes(header->destination), header->protocol, arrival);

    if ((destination == DESTINATION_UNICAST && arrival == IP_ARRIVAL_GROUP) ||
        !ipv4_source_is_possible(stack, netif_ipv4_from_bytes(header->source), arrival)) {
        return DESTINATION_OTHER;
    }
    return destination;
}

/* The same at a glance: to our address from another one of the same network, or from a gateway's
 * side of it that no rule is about. */
ALWAYS_INLINE bool ipv4_is_ours(const struct net_stack *stack, const struct ipv4_header *header,
                                enum ip_arrival arrival)
{
    const struct netif *netif = &stack->ip->netif;
    uint32_t source = netif_ipv4_from_bytes(header->source);

    return arrival == IP_ARRIVAL_UNICAST && netif->ipv4_valid &&
           netif_ipv4_from_bytes(header->destination) == netif->ipv4 && source != netif->ipv4 &&
           source >> 28 < 0xe && source >> 24 != 127 && source != (netif->ipv4 | ~netif->ipv4_mask);
}

void ipv4_input(struct net_stack *stack, struct net_buffer *chain, uint32_t offset,
                enum ip_arrival arrival)
{
    if (!ipv4_header_is_plain(chain, offset) && !ipv4_header_is_valid(chain, offset, arrival)) {
        IP_COUNT(stack, dropped_header);
        net_buffer_free(stack, chain);
        return;
    }
    const struct ipv4_header *header = (const struct ipv4_header *)(chain->data + offset);
    enum destination destination = DESTINATION_UNICAST;
    if (!ipv4_is_ours(stack, header, arrival)) {
        destination = ipv4_judge(stack, header, arrival);
    }
    if (destination == DESTINATION_OTHER) {
        IP_COUNT(stack, dropped_address);
        net_buffer_free(stack, chain);
        return;
    }

    uint32_t header_bytes = (header->version_length & 0xfu) * 4u;
    struct ip_received ip;
    ip.source = ip_address_from_ipv4(header->source);
    ip.destination = ip_address_from_ipv4(header->destination);
    ip.header_offset = offset;
    ip.payload_offset = offset + header_bytes;
    ip.payload_bytes = be16_get(header->total_length) - header_bytes;
    ip.protocol = header->protocol;
    ip.ecn = header->traffic_class & 3;
    ip.hop_limit = header->time_to_live;
    ip.is_ipv4 = true;
    ip.is_multicast = destination == DESTINATION_GROUP;
    ip.checksum_valid = chain->checksum_valid;

    if ((be16_get(header->fragment) & (IPV4_FRAGMENT_MORE_BIT | IPV4_FRAGMENT_OFFSET_MASK)) != 0) {
        ipv4_input_fragment(stack, chain, header, &ip);
    } else {
        ip_deliver(stack, chain, &ip);
    }
}

struct ipv4_header *ipv4_push_header(struct net_packet *packet, const struct ip_route *route,
                                     uint8_t protocol, uint8_t ecn, uint32_t payload_bytes)
{
    packet->header_start = (uint16_t)(packet->header_start - sizeof(struct ipv4_header));
    packet->header_length_bytes =
        (uint16_t)(packet->header_length_bytes + sizeof(struct ipv4_header));
    packet->checksum_start = (uint16_t)(packet->checksum_start + sizeof(struct ipv4_header));

    struct ipv4_header *header = (struct ipv4_header *)(packet->header + packet->header_start);
    header->version_length = IPV4_VERSION_WORDS_5;
    header->traffic_class = ecn;
    header->total_length = be16_make((uint16_t)(sizeof(*header) + payload_bytes));
    /* RFC 6864 §4.1: the identification of an atomic datagram means nothing. */
    header->identification = be16_make(0);
    header->fragment = be16_make(IPV4_FRAGMENT_DONT_BIT);
    header->time_to_live = route->hop_limit != 0 ? route->hop_limit : IP_DEFAULT_HOP_LIMIT;
    header->protocol = protocol;
    header->checksum = be16_make(0);
    memcpy(header->source, ip_address_ipv4_bytes(&route->source), sizeof(header->source));
    memcpy(header->destination, ip_address_ipv4_bytes(&route->destination),
           sizeof(header->destination));
    header->checksum = be16_from_sum((uint16_t)~checksum_fold_ipv4(header));
    return header;
}

void ipv4_set_fragment(struct ipv4_header *header, uint16_t identification, uint16_t fragment)
{
    header->identification = be16_make(identification);
    header->fragment = be16_make(fragment);
    header->checksum = be16_make(0);
    header->checksum = be16_from_sum((uint16_t)~checksum_fold_ipv4(header));
}
