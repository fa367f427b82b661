#include "net/ip_state.h"

#include "net/ethernet.h"

static bool is_own_ipv4(const struct netif *netif, const struct ip_address *address)
{
    return netif->ipv4_valid && ip_address_is_equal(address, &netif->ipv4_address);
}

bool ip_address_is_local(const struct net_stack *stack, const struct ip_address *address)
{
    const struct netif *netif = &stack->ip->netif;
    if (ip_address_is_loopback(address)) {
        return true;
    }
    return ip_address_is_ipv4(address) ? is_own_ipv4(netif, address)
                                       : netif_has_ipv6(netif, address);
}

static struct ip_path *path_find(struct net_stack *stack, const struct ip_address *destination)
{
    struct ip_state *ip = stack->ip;
    for (uint32_t i = 0; i < ip->path_count; i++) {
        struct ip_path *path = &ip->paths[i];
        if (path->expires_ns > stack->now_ns &&
            ip_address_is_equal(&path->destination, destination)) {
            return path;
        }
    }
    return NULL;
}

static uint16_t interface_mtu(const struct net_stack *stack, bool ipv4)
{
    const struct netif *netif = &stack->ip->netif;
    return ipv4 ? netif->mtu_bytes : netif->ipv6_mtu_bytes;
}

void ip_path_mtu_update(struct net_stack *stack, const struct ip_address *destination,
                        uint16_t mtu_bytes)
{
    struct ip_state *ip = stack->ip;
    bool ipv4 = ip_address_is_ipv4(destination);
    uint16_t minimum = ipv4 ? IPV4_MTU_MINIMUM_BYTES : IPV6_MTU_MINIMUM_BYTES;
    struct ip_path *path = path_find(stack, destination);

    if (mtu_bytes < minimum) {
        mtu_bytes = minimum;
    }
    /* RFC 8201 §4: a message can only ever lower the estimate. */
    if (mtu_bytes >= (path != NULL ? path->mtu_bytes : interface_mtu(stack, ipv4))) {
        return;
    }
    if (path == NULL && ip->path_count < IP_PATH_MTU_ENTRIES) {
        path = &ip->paths[ip->path_count++];
    } else if (path == NULL) {
        /* The one that ends first; an expired one is a special case of it. */
        path = &ip->paths[0];
        for (uint32_t i = 1; i < IP_PATH_MTU_ENTRIES; i++) {
            if (ip->paths[i].expires_ns < path->expires_ns) {
                path = &ip->paths[i];
            }
        }
    }
    path->destination = *destination;
    path->mtu_bytes = mtu_bytes;
    path->expires_ns = stack->now_ns + IP_PATH_MTU_LIFETIME_NS;
    stack->route_generation++;
}

static enum err route_loopback(struct net_stack *stack, struct ip_route *route, bool any_source)
{
    if (any_source) {
        route->source = route->destination;
    } else if (!ip_address_is_local(stack, &route->source)) {
        return ERR_ADDRNOTAVAIL;
    }
    route->is_loopback = true;
    route->mtu_bytes = LOOPBACK_MTU_BYTES;
    return ERR_OK;
}

static enum err route_ipv4(struct net_stack *stack, struct ip_route *route, bool any_source)
{
    const struct netif *netif = &stack->ip->netif;
    uint32_t destination = netif_ipv4_from_bytes(ip_address_ipv4_bytes(&route->destination));

    if (!netif->ipv4_valid) {
        return stack->device != NULL ? ERR_NETDOWN : ERR_NETUNREACH;
    }
    if (any_source) {
        route->source = netif->ipv4_address;
    } else if (!is_own_ipv4(netif, &route->source)) {
        return ERR_ADDRNOTAVAIL;
    }

    bool subnet_broadcast =
        netif->ipv4_prefix_length < 31 && destination == (netif->ipv4 | ~netif->ipv4_mask);
    if (subnet_broadcast || destination >> 28 == 0xe || destination == 0xffffffffu) {
        struct ip_address group = route->destination;
        if (subnet_broadcast) {
            group.word[1] = 0xffffffffffff0000u;
        }
        ethernet_group_address(&group, route->link_destination);
        route->link_valid = true;
    } else if (((destination ^ netif->ipv4) & netif->ipv4_mask) != 0) {
        if (netif->ipv4_gateway == 0) {
            return ERR_NETUNREACH;
        }
        struct be32 gateway = be32_make(netif->ipv4_gateway);
        route->next_hop = ip_address_from_ipv4(gateway.byte);
    }
    return ERR_OK;
}

static enum err route_ipv6(struct net_stack *stack, struct ip_route *route, bool any_source)
{
    route->hop_limit = stack->ip->netif.ipv6_hop_limit;
    if (stack->device == NULL) {
        return ERR_NETUNREACH;
    }
    if (any_source) {
        if (!netif_select_ipv6_source(stack, &route->destination, &route->source)) {
            return ERR_NETUNREACH;
        }
    } else if (!netif_has_ipv6(&stack->ip->netif, &route->source)) {
        return ERR_ADDRNOTAVAIL;
    }
    if (ip_address_is_group(&route->destination)) {
        ethernet_group_address(&route->destination, route->link_destination);
        route->link_valid = true;
    } else if (!netif_ipv6_on_link(stack, &route->destination) &&
               !netif_select_router(stack, &route->next_hop)) {
        return ERR_NETUNREACH;
    }
    return ERR_OK;
}

enum err ip_route(struct net_stack *stack, const struct ip_address *source,
                  const struct ip_address *destination, struct ip_route *out)
{
    bool any_source = ip_address_is_any(source);
    struct ip_route route = {
        .source = *source,
        .destination = *destination,
        .next_hop = *destination,
        .generation = stack->route_generation,
        .is_ipv4 = ip_address_is_ipv4(destination),
        .neighbour = NEIGHBOUR_NONE,
    };
    enum err error;

    if (ip_address_is_any(destination)) {
        return ERR_NETUNREACH;
    }
    if (!any_source && ip_address_is_ipv4(source) != route.is_ipv4) {
        return ERR_ADDRNOTAVAIL;
    }
    if (ip_address_is_local(stack, destination)) {
        error = route_loopback(stack, &route, any_source);
    } else {
        error = route.is_ipv4 ? route_ipv4(stack, &route, any_source)
                              : route_ipv6(stack, &route, any_source);
    }
    if (error != ERR_OK) {
        return error;
    }

    if (!route.is_loopback) {
        route.mtu_bytes = interface_mtu(stack, route.is_ipv4);
        const struct ip_path *path = path_find(stack, destination);
        if (path != NULL && path->mtu_bytes < route.mtu_bytes) {
            route.mtu_bytes = path->mtu_bytes;
        }
    }
    *out = route;
    return ERR_OK;
}

enum err ip_route_refresh(struct net_stack *stack, struct ip_route *route)
{
    uint8_t hop_limit = route->hop_limit;
    enum err error = ip_route(stack, &route->source, &route->destination, route);
    route->hop_limit = hop_limit;
    return error;
}

bool ip_route_is_narrow(const struct net_stack *stack, const struct ip_route *route)
{
    return !route->is_loopback && route->mtu_bytes < interface_mtu(stack, route->is_ipv4);
}

uint32_t ip_route_features(const struct net_stack *stack, const struct ip_route *route)
{
    if (route->is_loopback) {
        return NETDEV_TX_CHECKSUM_BIT | NETDEV_TX_TSO4_BIT | NETDEV_TX_TSO6_BIT |
               NETDEV_RX_CHECKSUM_BIT | NETDEV_RX_LARGE_BIT;
    }
    return stack->device != NULL ? stack->device->features : 0;
}
