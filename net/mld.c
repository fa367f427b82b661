#include "net/mld.h"

#include "kernel/base/string.h"
#include "net/checksum.h"
#include "net/ethernet.h"

#define MLD_RECORD_IS_EXCLUDE    2u /* RFC 3810 §5.2.12: "everything sent to this group" */
#define MLD_RECORD_TO_EXCLUDE    4u
#define MLD_QUERY_BYTES          24u
#define MLD_RESPONSE_CODE_LINEAR 32768u
#define MLD_RESPONSE_MS_MAX      100000u

struct mld_record {
    uint8_t type;
    uint8_t auxiliary_length;
    struct be16 source_count;
    uint8_t group[16];
};
_Static_assert(sizeof(struct mld_record) == 20, "multicast address record");

struct mld_header {
    uint8_t hop_by_hop[8];
    struct icmp_header icmp;
};
_Static_assert(sizeof(struct mld_header) == 16, "hop-by-hop header and report header");

/* ff02::16, all MLDv2-capable routers. */
static const struct ip_address mld_routers = {{0x02ffull, 0x16ull << 56}};

/* The groups of all addresses, each once; their number. */
static uint32_t mld_collect(const struct netif *netif, uint8_t type, struct mld_record *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < NETIF_IPV6_ADDRESSES_MAX; i++) {
        const struct netif_address *address = &netif->ipv6[i];
        if (address->state != NETIF_ADDRESS_TENTATIVE && address->state != NETIF_ADDRESS_VALID) {
            continue;
        }
        struct ip_address group = ip_solicited_node(&address->address);
        bool known = false;
        for (uint32_t j = 0; j < count; j++) {
            known |= memcmp(out[j].group, &group, sizeof(group)) == 0;
        }
        if (known) {
            continue;
        }
        out[count] = (struct mld_record){.type = type};
        memcpy(out[count++].group, &group, sizeof(group));
    }
    return count;
}

/* RFC 3810 §5.2.14: from the link-local address, or from :: while that is being verified. */
static struct ip_route mld_route(const struct net_stack *stack)
{
    const struct netif_address *link_local = &stack->ip->netif.ipv6[0];
    struct ip_route route = {
        .destination = mld_routers,
        .next_hop = mld_routers,
        .generation = stack->route_generation,
        .mtu_bytes = IPV6_MTU_MINIMUM_BYTES,
        .hop_limit = 1,
        .link_valid = true,
        .neighbour = NEIGHBOUR_NONE,
    };
    if (link_local->state == NETIF_ADDRESS_VALID) {
        route.source = link_local->address;
    }
    ethernet_group_address(&mld_routers, route.link_destination);
    return route;
}

static void mld_send(struct net_stack *stack, uint8_t type)
{
    /* Hop-by-hop: ICMPv6 follows, router alert for MLD (RFC 2711), two bytes of padding. */
    static const uint8_t alert[8] = {IP_ICMPV6, 0, 5, 2, 0, 0, 1, 0};
    struct mld_record records[NETIF_IPV6_ADDRESSES_MAX];
    uint32_t count = mld_collect(&stack->ip->netif, type, records);
    uint32_t bytes = count * (uint32_t)sizeof(records[0]);
    struct net_buffer *buffer = count > 0 ? net_buffer_allocate(stack, bytes) : NULL;

    if (buffer == NULL) {
        return;
    }
    memcpy(buffer->data, records, bytes);
    buffer->length_bytes = bytes;
    buffer->total_bytes = bytes;
    struct net_packet *packet = ip_packet_for_chain(stack, buffer);
    if (packet == NULL) {
        net_buffer_free(stack, buffer);
        return;
    }
    packet->fragments[0] = (struct net_fragment){.data = buffer->data, .length_bytes = bytes};
    packet->fragment_count = 1;

    struct ip_route route = mld_route(stack);
    struct mld_header *header = (struct mld_header *)(packet->header + packet->header_start);
    packet->header_length_bytes = sizeof(*header);
    memcpy(header->hop_by_hop, alert, sizeof(alert));
    header->icmp = (struct icmp_header){.type = ICMPV6_LISTENER_REPORT, .rest = be32_make(count)};
    uint32_t sum = ip_pseudo_sum(&route.source, &route.destination, IP_ICMPV6,
                                 (uint32_t)sizeof(header->icmp) + bytes);
    sum = checksum_add(sum, &header->icmp, sizeof(header->icmp));
    header->icmp.checksum = be16_from_sum(checksum_finish(checksum_add(sum, records, bytes)));
    ip_transmit(stack, &route, packet, (enum ip_protocol)IPV6_NEXT_HOP_BY_HOP, IP_ECN_NOT);
}

void mld_report_change(struct net_stack *stack)
{
    mld_send(stack, MLD_RECORD_TO_EXCLUDE);
}

static void mld_fire(struct net_stack *stack, struct net_timer *timer)
{
    (void)timer;
    mld_send(stack, MLD_RECORD_IS_EXCLUDE);
}

/* RFC 3810 §6.2. A query about one group is answered like a general one: there are few. */
void mld_query_input(struct net_stack *stack, const struct net_buffer *chain,
                     const struct ip_received *ip)
{
    struct net_timer *timer = &stack->ip->netif.mld_timer;
    const uint8_t *source = ip_address_bytes(&ip->source);
    const struct icmp_header *icmp = (const struct icmp_header *)(chain->data + ip->payload_offset);
    uint32_t limit_ms = (uint32_t)icmp->rest.byte[0] << 8 | icmp->rest.byte[1];

    if (ip->payload_bytes < MLD_QUERY_BYTES || ip->hop_limit != 1 || source[0] != 0xfe ||
        (source[1] & 0xc0) != 0x80) {
        IP_COUNT(stack, dropped_icmp);
        return;
    }
    /* §5.1.3: large values are a floating-point number. */
    if (limit_ms >= MLD_RESPONSE_CODE_LINEAR) {
        limit_ms = ((limit_ms & 0xfffu) | 0x1000u) << ((limit_ms >> 12 & 7u) + 3u);
    }
    if (limit_ms > MLD_RESPONSE_MS_MAX) {
        limit_ms = MLD_RESPONSE_MS_MAX;
    }
    uint64_t when_ns = stack->now_ns + net_random32(stack) % (limit_ms + 1) * NS_PER_MS;
    if (net_timer_is_set(timer) && timer->deadline_ns <= when_ns) {
        return;
    }
    timer->fire = mld_fire;
    net_timer_set(&stack->timers, timer, when_ns);
}
