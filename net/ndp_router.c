#include "net/ndp.h"

#include "kernel/base/string.h"

#define NDP_LIFETIME_FOREVER  0xffffffffu
#define NDP_TWO_HOURS_S       7200u
#define NDP_REACHABLE_MS_MAX  3600000u
#define NDP_RETRANSMIT_MS_MIN 10u
#define NDP_RETRANSMIT_MS_MAX 10000u

static uint64_t lifetime_end_ns(const struct net_stack *stack, uint32_t seconds)
{
    return seconds == NDP_LIFETIME_FOREVER ? UINT64_MAX : stack->now_ns + seconds * NS_PER_S;
}

/* RFC 4861 §6.3.4: the default router list. */
static void router_update(struct net_stack *stack, const struct ip_address *address,
                          uint32_t lifetime_s)
{
    struct netif *netif = &stack->ip->netif;
    struct netif_router *entry = NULL;

    for (uint32_t i = 0; i < NETIF_IPV6_ROUTERS_MAX; i++) {
        struct netif_router *router = &netif->routers[i];
        bool used = router->expires_ns > stack->now_ns;
        if (used && ip_address_is_equal(&router->address, address)) {
            entry = router;
            break;
        }
        if (!used && entry == NULL) {
            entry = router;
        }
    }
    if (entry == NULL) {
        return;
    }
    bool known = entry->expires_ns > stack->now_ns;
    if (known != (lifetime_s > 0)) {
        stack->route_generation++;
    }
    entry->address = *address;
    entry->expires_ns = lifetime_s > 0 ? lifetime_end_ns(stack, lifetime_s) : 0;
}

static void prefix_update(struct net_stack *stack, const struct ip_address *prefix, uint8_t length,
                          uint32_t valid_s)
{
    struct netif *netif = &stack->ip->netif;
    struct netif_prefix *entry = NULL;

    for (uint32_t i = 0; i < NETIF_IPV6_PREFIXES_MAX; i++) {
        struct netif_prefix *candidate = &netif->prefixes[i];
        bool used = candidate->expires_ns > stack->now_ns;
        if (used && candidate->length == length &&
            ip_address_is_equal(&candidate->prefix, prefix)) {
            entry = candidate;
            break;
        }
        if (!used && entry == NULL) {
            entry = candidate;
        }
    }
    if (entry == NULL) {
        return;
    }
    bool known = entry->expires_ns > stack->now_ns;
    if (known != (valid_s > 0)) {
        stack->route_generation++;
    }
    *entry = (struct netif_prefix){
        .prefix = *prefix,
        .length = length,
        .expires_ns = valid_s > 0 ? lifetime_end_ns(stack, valid_s) : 0,
    };
}

/* RFC 4862 §5.5.3(e): how long a known address lives on after a new advertisement. */
static void address_refresh(struct net_stack *stack, struct netif_address *address,
                            uint32_t valid_s, uint32_t preferred_s)
{
    uint64_t offered = lifetime_end_ns(stack, valid_s);
    uint64_t two_hours = stack->now_ns + NDP_TWO_HOURS_S * NS_PER_S;

    address->preferred_until_ns = lifetime_end_ns(stack, preferred_s);
    if (valid_s > NDP_TWO_HOURS_S || offered > address->valid_until_ns) {
        address->valid_until_ns = offered;
    } else if (address->valid_until_ns > two_hours) {
        address->valid_until_ns = two_hours;
    }
    if (address->state != NETIF_ADDRESS_VALID) {
        return;
    }
    if (address->valid_until_ns == UINT64_MAX) {
        net_timer_cancel(&stack->timers, &address->timer);
    } else {
        net_timer_set(&stack->timers, &address->timer, address->valid_until_ns);
    }
}

static void prefix_option(struct net_stack *stack, const struct ndp_prefix_option *option)
{
    struct ip_address prefix = ip_address_from_ipv6(option->prefix);
    uint32_t valid_s = be32_get(option->valid_s);
    uint32_t preferred_s = be32_get(option->preferred_s);

    if (option->prefix_length > 128 || ip_address_is_group(&prefix) ||
        (option->prefix[0] == 0xfe && (option->prefix[1] & 0xc0) == 0x80)) {
        return;
    }
    if ((option->flags & NDP_PREFIX_ON_LINK_BIT) != 0 && option->prefix_length > 0) {
        prefix_update(stack, &prefix, option->prefix_length, valid_s);
    }
    /* RFC 4862 §5.5.3(b)-(d): Ethernet's interface identifiers want 64 bits of prefix. */
    if ((option->flags & NDP_PREFIX_AUTO_BIT) == 0 || option->prefix_length != 64 ||
        preferred_s > valid_s || prefix.word[0] == 0) {
        return;
    }

    uint8_t bytes[16];
    memcpy(bytes, option->prefix, 8);
    ndp_interface_identifier(stack, bytes + 8);
    struct ip_address address = ip_address_from_ipv6(bytes);
    struct netif_address *known = netif_find_ipv6(&stack->ip->netif, &address);
    if (known != NULL) {
        address_refresh(stack, known, valid_s, preferred_s);
    } else if (valid_s > 0) {
        ndp_add_address(stack, &address, lifetime_end_ns(stack, valid_s),
                        lifetime_end_ns(stack, preferred_s));
    }
}

static void mtu_option(struct net_stack *stack, const struct ndp_mtu_option *option)
{
    struct netif *netif = &stack->ip->netif;
    uint32_t mtu = be32_get(option->mtu);
    if (mtu < IPV6_MTU_MINIMUM_BYTES || mtu > netif->mtu_bytes || mtu == netif->ipv6_mtu_bytes) {
        return;
    }
    netif->ipv6_mtu_bytes = (uint16_t)mtu;
    stack->route_generation++;
}

/* RFC 8106 §5.1: lifetime, then addresses of 16 bytes. Only as many as there is room for. */
static void dns_option(struct net_stack *stack, const uint8_t *option, uint32_t length)
{
    if (length < 24) {
        return;
    }
    struct be32 lifetime;
    memcpy(&lifetime, option + 4, sizeof(lifetime));
    for (uint32_t at = 8; be32_get(lifetime) != 0 && length - at >= 16; at += 16) {
        struct ip_address server = ip_address_from_ipv6(option + at);
        if (!ip_address_is_ipv4(&server)) {
            netif_add_dns_server(stack, &server);
        }
    }
}

/* Every option is checked for its length before any is acted upon. */
static bool options_are_valid(const uint8_t *options, uint32_t length)
{
    while (length > 0) {
        if (length < sizeof(struct ndp_option) || options[1] == 0 || options[1] * 8u > length) {
            return false;
        }
        length -= options[1] * 8u;
        options += options[1] * 8u;
    }
    return true;
}

static void router_options(struct net_stack *stack, const uint8_t *options, uint32_t length,
                           const struct ip_received *ip)
{
    while (length > 0) {
        uint32_t size = options[1] * 8u;
        if (options[0] == NDP_OPTION_SOURCE_LINK && (options[2] & 1) == 0) {
            neighbour_learn(stack, &ip->source, options + 2, NEIGHBOUR_NEWS_HINT, true);
        } else if (options[0] == NDP_OPTION_PREFIX && size == sizeof(struct ndp_prefix_option)) {
            prefix_option(stack, (const struct ndp_prefix_option *)options);
        } else if (options[0] == NDP_OPTION_MTU && size == sizeof(struct ndp_mtu_option)) {
            mtu_option(stack, (const struct ndp_mtu_option *)options);
        } else if (options[0] == NDP_OPTION_DNS) {
            dns_option(stack, options, size);
        }
        options += size;
        length -= size;
    }
}

void ndp_router_input(struct net_stack *stack, const uint8_t *message, uint32_t length,
                      const struct ip_received *ip)
{
    struct ip_state *state = stack->ip;
    const struct icmp_header *icmp = (const struct icmp_header *)message;
    const struct ndp_router_advert *advert =
        (const struct ndp_router_advert *)(message + sizeof(*icmp));
    uint32_t fixed = sizeof(*icmp) + sizeof(*advert);
    const uint8_t *source = ip_address_bytes(&ip->source);

    if (length < fixed || !options_are_valid(message + fixed, length - fixed) ||
        source[0] != 0xfe || (source[1] & 0xc0) != 0x80) {
        IP_COUNT(stack, dropped_ndp);
        return;
    }
    /* RFC 4861 §6.3.4: zero means "unspecified"; absurd values are not believed. */
    uint32_t reachable_ms = be32_get(advert->reachable_ms);
    uint32_t retransmit_ms = be32_get(advert->retransmit_ms);
    if (reachable_ms != 0 && reachable_ms <= NDP_REACHABLE_MS_MAX) {
        state->neighbours.reachable_ms = reachable_ms;
    }
    if (retransmit_ms >= NDP_RETRANSMIT_MS_MIN && retransmit_ms <= NDP_RETRANSMIT_MS_MAX) {
        state->neighbours.retransmit_ms = retransmit_ms;
    }
    if (icmp->rest.byte[0] != 0) {
        state->netif.ipv6_hop_limit = icmp->rest.byte[0];
    }
    state->netif.router_solicits_left = 0;
    router_update(stack, &ip->source, (uint32_t)icmp->rest.byte[2] << 8 | icmp->rest.byte[3]);
    router_options(stack, message + fixed, length - fixed, ip);
}
