#include "net/netif.h"

#include "kernel/base/string.h"
#include "net/arp.h"
#include "net/ip_state.h"

#define NETIF_DEFAULT_MTU_BYTES 1500u

void netif_init(struct net_stack *stack)
{
    struct netif *netif = &stack->ip->netif;
    uint16_t mtu = stack->device != NULL ? stack->device->mtu_bytes : NETIF_DEFAULT_MTU_BYTES;

    if (mtu < IPV4_MTU_MINIMUM_BYTES) {
        mtu = NETIF_DEFAULT_MTU_BYTES;
    }
    netif->mtu_bytes = mtu;
    netif->ipv6_mtu_bytes = mtu;
    netif->ipv6_hop_limit = IP_DEFAULT_HOP_LIMIT;
}

void netif_destroy(struct net_stack *stack)
{
    struct netif *netif = &stack->ip->netif;
    net_timer_cancel(&stack->timers, &netif->arp_announce_timer);
    net_timer_cancel(&stack->timers, &netif->router_timer);
    net_timer_cancel(&stack->timers, &netif->mld_timer);
    for (uint32_t i = 0; i < NETIF_IPV6_ADDRESSES_MAX; i++) {
        net_timer_cancel(&stack->timers, &netif->ipv6[i].timer);
    }
}

void netif_set_ipv4(struct net_stack *stack, const uint8_t address[4], uint8_t prefix_length,
                    const uint8_t gateway[4])
{
    struct netif *netif = &stack->ip->netif;
    uint32_t value = netif_ipv4_from_bytes(address);

    if (prefix_length > 32) {
        prefix_length = 32;
    }
    bool changed = value != netif->ipv4;
    netif->ipv4_valid = value != 0;
    netif->ipv4 = value;
    netif->ipv4_address = ip_address_from_ipv4(address);
    netif->ipv4_prefix_length = prefix_length;
    netif->ipv4_mask = prefix_length == 0 ? 0 : 0xffffffffu << (32 - prefix_length);
    netif->ipv4_gateway = netif_ipv4_from_bytes(gateway);
    stack->route_generation++;
    if (!changed) {
        return;
    }
    neighbours_flush(stack, true);
    netif->arp_defended_ns = 0;
    if (netif->ipv4_valid) {
        arp_announce(stack);
    }
}

void netif_set_mtu(struct net_stack *stack, uint32_t mtu_bytes)
{
    struct netif *netif = &stack->ip->netif;
    if (mtu_bytes < IPV4_MTU_MINIMUM_BYTES || mtu_bytes >= netif->mtu_bytes) {
        return;
    }
    netif->mtu_bytes = (uint16_t)mtu_bytes;
    if (netif->ipv6_mtu_bytes > netif->mtu_bytes && mtu_bytes >= IPV6_MTU_MINIMUM_BYTES) {
        netif->ipv6_mtu_bytes = netif->mtu_bytes;
    }
    stack->route_generation++;
}

void netif_clear_dns_servers(struct net_stack *stack)
{
    struct netif *netif = &stack->ip->netif;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < netif->dns_server_count; i++) {
        if (!ip_address_is_ipv4(&netif->dns_servers[i])) {
            netif->dns_servers[kept++] = netif->dns_servers[i];
        }
    }
    netif->dns_server_count = kept;
}

void netif_add_dns_server(struct net_stack *stack, const struct ip_address *address)
{
    struct netif *netif = &stack->ip->netif;
    if (netif->dns_server_count == NETIF_DNS_SERVERS_MAX || ip_address_is_any(address) ||
        ip_address_is_group(address)) {
        return;
    }
    for (uint32_t i = 0; i < netif->dns_server_count; i++) {
        if (ip_address_is_equal(&netif->dns_servers[i], address)) {
            return;
        }
    }
    netif->dns_servers[netif->dns_server_count++] = *address;
}
