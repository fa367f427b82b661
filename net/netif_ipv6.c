#include "net/ip_state.h"

#include "kernel/base/string.h"

#define ADDRESS_FE80 0x80feull /* fe80::/64 and ff02::/64 as the first word holds them */
#define ADDRESS_FF02 0x02ffull

static bool is_link_local(const struct ip_address *address)
{
    const uint8_t *bytes = ip_address_bytes(address);
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

struct netif_address *netif_find_ipv6(struct netif *netif, const struct ip_address *address)
{
    for (uint32_t i = 0; i < NETIF_IPV6_ADDRESSES_MAX; i++) {
        struct netif_address *entry = &netif->ipv6[i];
        if (entry->state != NETIF_ADDRESS_FREE && ip_address_is_equal(&entry->address, address)) {
            return entry;
        }
    }
    return NULL;
}

bool netif_has_ipv6(const struct netif *netif, const struct ip_address *address)
{
    for (uint32_t i = 0; i < NETIF_IPV6_ADDRESSES_MAX; i++) {
        const struct netif_address *entry = &netif->ipv6[i];
        if (entry->state == NETIF_ADDRESS_VALID && ip_address_is_equal(&entry->address, address)) {
            return true;
        }
    }
    return false;
}

/* RFC 4861 §7.2.1: ff02::1 always, and ff02::1:ffXX:XXXX of every address, tentative ones too. */
bool netif_in_group_ipv6(const struct netif *netif, const struct ip_address *group)
{
    const uint8_t *bytes = ip_address_bytes(group);
    if (group->word[0] == ADDRESS_FF02 && group->word[1] == 1ull << 56) {
        return true;
    }
    if (group->word[0] != ADDRESS_FF02 || (group->word[1] & 0xffffffffffull) != 0xff01000000ull) {
        return false;
    }
    for (uint32_t i = 0; i < NETIF_IPV6_ADDRESSES_MAX; i++) {
        const struct netif_address *entry = &netif->ipv6[i];
        if (entry->state != NETIF_ADDRESS_FREE &&
            memcmp(ip_address_bytes(&entry->address) + 13, bytes + 13, 3) == 0) {
            return true;
        }
    }
    return false;
}

static uint32_t common_prefix_bits(const struct ip_address *left, const struct ip_address *right)
{
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t different = __builtin_bswap64(left->word[i] ^ right->word[i]);
        if (different != 0) {
            return i * 64 + (uint32_t)__builtin_clzll(different);
        }
    }
    return 128;
}

/* RFC 6724 §5, the rules that a single interface leaves: 2 (scope), 3 (deprecated), 8 (prefix). */
static uint32_t source_rank(const struct net_stack *stack, const struct netif_address *candidate,
                            const struct ip_address *destination)
{
    bool local_needed =
        is_link_local(destination) ||
        (ip_address_is_group(destination) && (ip_address_bytes(destination)[1] & 0x0f) <= 2);
    uint32_t rank = 1 + common_prefix_bits(&candidate->address, destination);
    if (is_link_local(&candidate->address) == local_needed) {
        rank += 1024;
    }
    if (candidate->preferred_until_ns > stack->now_ns) {
        rank += 512;
    }
    return rank;
}

bool netif_select_ipv6_source(const struct net_stack *stack, const struct ip_address *destination,
                              struct ip_address *out)
{
    const struct netif *netif = &stack->ip->netif;
    uint32_t best = 0;

    for (uint32_t i = 0; i < NETIF_IPV6_ADDRESSES_MAX; i++) {
        const struct netif_address *entry = &netif->ipv6[i];
        if (entry->state != NETIF_ADDRESS_VALID) {
            continue;
        }
        uint32_t rank = source_rank(stack, entry, destination);
        if (rank > best) {
            best = rank;
            *out = entry->address;
        }
    }
    return best > 0;
}

bool netif_ipv6_on_link(const struct net_stack *stack, const struct ip_address *address)
{
    const struct netif *netif = &stack->ip->netif;
    if (is_link_local(address)) {
        return true;
    }
    for (uint32_t i = 0; i < NETIF_IPV6_PREFIXES_MAX; i++) {
        const struct netif_prefix *prefix = &netif->prefixes[i];
        if (prefix->expires_ns > stack->now_ns &&
            common_prefix_bits(&prefix->prefix, address) >= prefix->length) {
            return true;
        }
    }
    return false;
}

/* RFC 4861 §6.3.6: a router not known to be unreachable, else any. */
bool netif_select_router(const struct net_stack *stack, struct ip_address *out)
{
    struct ip_state *ip = stack->ip;
    const struct netif_router *chosen = NULL;

    for (uint32_t i = 0; i < NETIF_IPV6_ROUTERS_MAX; i++) {
        const struct netif_router *router = &ip->netif.routers[i];
        if (router->expires_ns <= stack->now_ns) {
            continue;
        }
        const struct neighbour *entry = neighbour_find(&ip->neighbours, &router->address);
        if (entry != NULL && entry->state >= NEIGHBOUR_REACHABLE) {
            chosen = router;
            break;
        }
        if (chosen == NULL) {
            chosen = router;
        }
    }
    if (chosen == NULL) {
        return false;
    }
    *out = chosen->address;
    return true;
}
