#include "net/ndp.h"

#include "kernel/base/string.h"
#include "net/checksum.h"
#include "net/ethernet.h"
#include "net/ipv6.h"
#include "net/mld.h"

/* A message being put together: ICMPv6 header, target, link-layer option. */
struct ndp_message {
    struct icmp_header icmp;
    struct ndp_neighbour neighbour;
    struct ndp_link_option link;
};
_Static_assert(sizeof(struct ndp_message) == 32, "no padding");

static const struct ip_address all_nodes = {{0x02ffull, 1ull << 56}};
static const struct ip_address all_routers = {{0x02ffull, 2ull << 56}};

/*
 * Sends `length` bytes of ICMPv6 from `source`, which may be the unspecified address. The
 * destination is a group, or a neighbour whose link address is given.
 */
static void ndp_send(struct net_stack *stack, const struct ip_address *source,
                     const struct ip_address *destination, const uint8_t *link,
                     const struct ndp_message *message, uint16_t length)
{
    struct ip_route route = {
        .source = *source,
        .destination = *destination,
        .next_hop = *destination,
        .generation = stack->route_generation,
        .mtu_bytes = IPV6_MTU_MINIMUM_BYTES,
        .hop_limit = 255,
        .neighbour = NEIGHBOUR_NONE,
    };
    struct net_packet *packet = net_packet_allocate(stack);
    if (packet == NULL) {
        IP_COUNT(stack, dropped_memory);
        return;
    }
    if (link != NULL || ip_address_is_group(destination)) {
        route.link_valid = true;
        if (link != NULL) {
            memcpy(route.link_destination, link, ETHERNET_ADDRESS_BYTES);
        } else {
            ethernet_group_address(destination, route.link_destination);
        }
    }
    struct icmp_header *header = (struct icmp_header *)(packet->header + packet->header_start);
    memcpy(header, message, length);
    packet->header_length_bytes = length;
    header->checksum = be16_make(0);
    uint32_t sum = ip_pseudo_sum(source, destination, IP_ICMPV6, length);
    header->checksum = be16_from_sum(checksum_finish(checksum_add(sum, header, length)));
    ip_transmit(stack, &route, packet, IP_ICMPV6, IP_ECN_NOT);
}

static void fill_link_option(struct net_stack *stack, struct ndp_link_option *option, uint8_t type)
{
    option->option = (struct ndp_option){.type = type, .length = sizeof(*option) / 8};
    memcpy(option->address, stack->device->address, sizeof(option->address));
}

/* RFC 4861 §4.3. Without a source (duplicate detection) there is no link-layer option. */
static void ndp_send_solicit(struct net_stack *stack, const struct ip_address *source,
                             const struct ip_address *target, const uint8_t *link)
{
    struct ip_address destination = link != NULL ? *target : ip_solicited_node(target);
    struct ndp_message message = {.icmp.type = ICMPV6_NEIGHBOUR_SOLICIT};
    uint16_t length = sizeof(message);

    memcpy(message.neighbour.target, target, sizeof(message.neighbour.target));
    if (ip_address_is_any(source)) {
        length = offsetof(struct ndp_message, link);
    } else {
        fill_link_option(stack, &message.link, NDP_OPTION_SOURCE_LINK);
    }
    ndp_send(stack, source, &destination, link, &message, length);
}

void ndp_solicit(struct net_stack *stack, const struct ip_address *target,
                 const uint8_t link[ETHERNET_ADDRESS_BYTES])
{
    struct ip_address source;
    if (netif_select_ipv6_source(stack, target, &source)) {
        ndp_send_solicit(stack, &source, target, link);
    }
}

static void ndp_send_advert(struct net_stack *stack, const struct ip_address *target,
                            const struct ip_address *destination, const uint8_t *link,
                            uint32_t flags)
{
    struct ndp_message message = {.icmp.type = ICMPV6_NEIGHBOUR_ADVERT,
                                  .icmp.rest = be32_make(flags)};
    memcpy(message.neighbour.target, target, sizeof(message.neighbour.target));
    fill_link_option(stack, &message.link, NDP_OPTION_TARGET_LINK);
    ndp_send(stack, target, destination, link, &message, sizeof(message));
}

/* RFC 4861 §4.1: the message proper is 8 bytes; the option moves to where the target would be. */
static void ndp_send_router_solicit(struct net_stack *stack)
{
    const struct ip_address *source = &stack->ip->netif.ipv6[0].address;
    struct ndp_message message = {.icmp.type = ICMPV6_ROUTER_SOLICIT};
    struct ndp_link_option option;

    fill_link_option(stack, &option, NDP_OPTION_SOURCE_LINK);
    memcpy(&message.neighbour, &option, sizeof(option));
    ndp_send(stack, source, &all_routers, NULL, &message,
             sizeof(struct icmp_header) + sizeof(option));
}

/* The link-layer address in an option of the given type, or NULL; false: malformed options. */
static bool ndp_find_link_option(const uint8_t *options, uint32_t length, uint8_t type,
                                 const uint8_t **out)
{
    *out = NULL;
    while (length > 0) {
        const struct ndp_option *option = (const struct ndp_option *)options;
        /* RFC 4861 §4.6: a length of zero means the packet is to be discarded. */
        if (length < sizeof(*option) || option->length == 0 || option->length * 8u > length) {
            return false;
        }
        if (option->type == type) {
            *out = ((const struct ndp_link_option *)options)->address;
        }
        options += option->length * 8u;
        length -= option->length * 8u;
    }
    return true;
}

/* RFC 4862 §5.4.3, §5.4.4: someone has, or wants, an address of ours. */
static void ndp_conflict(struct net_stack *stack, struct netif_address *address)
{
    IP_COUNT(stack, address_conflicts);
    if (address->state != NETIF_ADDRESS_TENTATIVE) {
        return;
    }
    net_timer_cancel(&stack->timers, &address->timer);
    address->state = NETIF_ADDRESS_DUPLICATE;
}

static void ndp_solicit_input(struct net_stack *stack, const struct ip_address *target,
                              const uint8_t *options, uint32_t options_bytes,
                              const struct ip_received *ip)
{
    struct netif_address *address = netif_find_ipv6(&stack->ip->netif, target);
    bool from_nobody = ip_address_is_any(&ip->source);
    const uint8_t *link;

    if (!ndp_find_link_option(options, options_bytes, NDP_OPTION_SOURCE_LINK, &link) ||
        (from_nobody && link != NULL) || address == NULL) {
        IP_COUNT(stack, dropped_ndp);
        return;
    }
    if (address->state == NETIF_ADDRESS_TENTATIVE) {
        /* Only another one's duplicate detection counts; other questions go unanswered. */
        if (from_nobody) {
            ndp_conflict(stack, address);
        }
        return;
    }
    if (address->state != NETIF_ADDRESS_VALID) {
        return;
    }
    if (from_nobody) {
        ndp_send_advert(stack, target, &all_nodes, NULL, NDP_ADVERT_OVERRIDE_BIT);
        return;
    }
    if (link != NULL && (link[0] & 1) == 0) {
        neighbour_learn(stack, &ip->source, link, NEIGHBOUR_NEWS_HINT, true);
    }
    const struct neighbour *asker = neighbour_find(&stack->ip->neighbours, &ip->source);
    if (asker != NULL && asker->state >= NEIGHBOUR_REACHABLE) {
        ndp_send_advert(stack, target, &ip->source, asker->link,
                        NDP_ADVERT_SOLICIT_BIT | NDP_ADVERT_OVERRIDE_BIT);
    }
}

/* RFC 4861 §7.2.5. */
static void ndp_advert_input(struct net_stack *stack, const struct icmp_header *icmp,
                             const struct ip_address *target, const uint8_t *options,
                             uint32_t options_bytes, const struct ip_received *ip)
{
    uint32_t flags = be32_get(icmp->rest);
    struct netif_address *address = netif_find_ipv6(&stack->ip->netif, target);
    struct neighbour *entry = neighbour_find(&stack->ip->neighbours, target);
    const uint8_t *link;

    if (!ndp_find_link_option(options, options_bytes, NDP_OPTION_TARGET_LINK, &link) ||
        (ip->is_multicast && (flags & NDP_ADVERT_SOLICIT_BIT) != 0)) {
        IP_COUNT(stack, dropped_ndp);
        return;
    }
    if (address != NULL) {
        ndp_conflict(stack, address);
        return;
    }
    if (entry == NULL) {
        return;
    }
    if (link == NULL) {
        if (entry->state == NEIGHBOUR_INCOMPLETE) {
            return;
        }
        link = entry->link;
    }
    bool differs = entry->state != NEIGHBOUR_INCOMPLETE &&
                   memcmp(link, entry->link, ETHERNET_ADDRESS_BYTES) != 0;
    if ((link[0] & 1) != 0 || (differs && (flags & NDP_ADVERT_OVERRIDE_BIT) == 0)) {
        return;
    }
    entry->is_router = (flags & NDP_ADVERT_ROUTER_BIT) != 0;
    uint8_t copy[ETHERNET_ADDRESS_BYTES]; /* the entry itself may hold the original */
    memcpy(copy, link, sizeof(copy));
    neighbour_learn(stack, target, copy,
                    (flags & NDP_ADVERT_SOLICIT_BIT) != 0 ? NEIGHBOUR_NEWS_CONFIRMED
                                                          : NEIGHBOUR_NEWS_OVERRIDE,
                    false);
}

void ndp_input(struct net_stack *stack, const struct net_buffer *chain,
               const struct ip_received *ip)
{
    const uint8_t *message = chain->data + ip->payload_offset;
    const struct icmp_header *icmp = (const struct icmp_header *)message;
    uint32_t fixed = sizeof(struct icmp_header) + sizeof(struct ndp_neighbour);

    if (icmp->type == ICMPV6_ROUTER_ADVERT) {
        ndp_router_input(stack, message, ip->payload_bytes, ip);
        return;
    }
    if (ip->payload_bytes < fixed) {
        IP_COUNT(stack, dropped_ndp);
        return;
    }
    struct ip_address target = ip_address_from_ipv6(message + sizeof(*icmp));
    if (ip_address_is_group(&target) || ip_address_is_ipv4(&target) || ip_address_is_any(&target)) {
        IP_COUNT(stack, dropped_ndp);
        return;
    }
    if (icmp->type == ICMPV6_NEIGHBOUR_SOLICIT) {
        ndp_solicit_input(stack, &target, message + fixed, ip->payload_bytes - fixed, ip);
    } else {
        ndp_advert_input(stack, icmp, &target, message + fixed, ip->payload_bytes - fixed, ip);
    }
}

#define NDP_DUPLICATE_PROBES       1u /* RFC 4862 §5.1 DupAddrDetectTransmits */
#define NDP_ROUTER_SOLICITS        3u /* RFC 4861 §10 MAX_RTR_SOLICITATIONS */
#define NDP_ROUTER_SOLICIT_TIME_NS (4ull * NS_PER_S)

static void ndp_router_timer_fire(struct net_stack *stack, struct net_timer *timer)
{
    struct netif *netif = &stack->ip->netif;
    if (netif->router_solicits_left == 0) {
        return;
    }
    netif->router_solicits_left--;
    ndp_send_router_solicit(stack);
    if (netif->router_solicits_left > 0) {
        net_timer_set(&stack->timers, timer, stack->now_ns + NDP_ROUTER_SOLICIT_TIME_NS);
    }
}

/* Duplicate detection first, the end of the address's life later. */
static void ndp_address_fire(struct net_stack *stack, struct net_timer *timer)
{
    struct netif_address *address = (struct netif_address *)timer;
    struct netif *netif = &stack->ip->netif;
    static const struct ip_address any;

    if (address->state == NETIF_ADDRESS_VALID) {
        address->state = NETIF_ADDRESS_FREE;
        stack->route_generation++;
        return;
    }
    if (address->state != NETIF_ADDRESS_TENTATIVE) {
        return;
    }
    if (address->probes_left > 0) {
        address->probes_left--;
        net_timer_set(&stack->timers, timer,
                      stack->now_ns + stack->ip->neighbours.retransmit_ms * NS_PER_MS);
        mld_report_change(stack); /* RFC 4862 §5.4.2: join first, then ask */
        ndp_send_solicit(stack, &any, &address->address, NULL);
        return;
    }
    address->state = NETIF_ADDRESS_VALID;
    stack->route_generation++;
    mld_report_change(stack);
    if (address->valid_until_ns != UINT64_MAX) {
        net_timer_set(&stack->timers, timer, address->valid_until_ns);
    }
    if (address == &netif->ipv6[0]) {
        netif->router_solicits_left = NDP_ROUTER_SOLICITS;
        netif->router_timer.fire = ndp_router_timer_fire;
        ndp_router_timer_fire(stack, &netif->router_timer);
    }
}

void ndp_add_address(struct net_stack *stack, const struct ip_address *address,
                     uint64_t valid_until_ns, uint64_t preferred_until_ns)
{
    struct netif *netif = &stack->ip->netif;
    struct netif_address *entry = NULL;

    for (uint32_t i = 0; i < NETIF_IPV6_ADDRESSES_MAX && entry == NULL; i++) {
        if (netif->ipv6[i].state == NETIF_ADDRESS_FREE) {
            entry = &netif->ipv6[i];
        }
    }
    if (entry == NULL) {
        return;
    }
    *entry = (struct netif_address){
        .timer.fire = ndp_address_fire,
        .address = *address,
        .valid_until_ns = valid_until_ns,
        .preferred_until_ns = preferred_until_ns,
        .state = NETIF_ADDRESS_TENTATIVE,
        .probes_left = NDP_DUPLICATE_PROBES,
    };
    ndp_address_fire(stack, &entry->timer);
}

/* RFC 4291 appendix A: the interface identifier made from the Ethernet address. */
void ndp_interface_identifier(const struct net_stack *stack, uint8_t out[8])
{
    const uint8_t *link = stack->device->address;
    out[0] = link[0] ^ 2;
    out[1] = link[1];
    out[2] = link[2];
    out[3] = 0xff;
    out[4] = 0xfe;
    out[5] = link[3];
    out[6] = link[4];
    out[7] = link[5];
}

void ndp_start(struct net_stack *stack)
{
    uint8_t bytes[16] = {0xfe, 0x80};
    ndp_interface_identifier(stack, bytes + 8);
    struct ip_address address = ip_address_from_ipv6(bytes);
    ndp_add_address(stack, &address, UINT64_MAX, UINT64_MAX);
}
