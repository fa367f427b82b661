#include "net/ip_state.h"

#include "kernel/base/string.h"
#include "net/arp.h"
#include "net/ethernet.h"
#include "net/icmp.h"
#include "net/loopback.h"
#include "net/ndp.h"
#include "net/udp.h"

enum err ip_init(struct net_stack *stack)
{
    const struct net_config *config = &stack->config;

    stack->ip = net_allocate(stack, sizeof(*stack->ip));
    if (stack->ip == NULL) {
        return ERR_NOMEM;
    }
    neighbours_init(stack);
    netif_init(stack);
    if (stack->device == NULL) {
        return ERR_OK;
    }
    stack->device->stack = stack;
    stack->device->receive = ethernet_input;
    if (!config->dhcp) {
        struct ip_address dns = ip_address_from_ipv4(config->dns);
        netif_set_ipv4(stack, config->address, config->prefix_length, config->gateway);
        if (!ip_address_is_any(&dns)) {
            netif_add_dns_server(stack, &dns);
        }
    }
    ndp_start(stack);
    return ERR_OK;
}

void ip_destroy(struct net_stack *stack)
{
    if (stack->ip == NULL) {
        return;
    }
    netif_destroy(stack);
    neighbours_destroy(stack);
    ip_reassembly_destroy(stack);
    ip_queue_drop(&stack->ip->backlog);
    loopback_destroy(stack);
    net_release(stack, stack->ip, sizeof(*stack->ip));
    stack->ip = NULL;
}

bool ip_poll(struct net_stack *stack)
{
    bool any = ethernet_flush_backlog(stack);
    any |= loopback_poll(stack);
    udp_unblock(stack);
    return any;
}

bool ip_is_configured(const struct net_stack *stack)
{
    return stack->ip->netif.ipv4_valid;
}

const struct ip_statistics *ip_statistics_of(const struct net_stack *stack)
{
    return &stack->ip->statistics;
}

void ip_deliver(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip)
{
    switch (ip->protocol) {
    case IP_TCP:
        /* RFC 9293 §3.9.2.3: TCP has no use for broadcast or multicast. */
        if (!ip->is_multicast) {
            tcp_input(stack, chain, ip);
            return;
        }
        IP_COUNT(stack, dropped_address);
        net_buffer_free(stack, chain);
        return;
    case IP_UDP:
        udp_input(stack, chain, ip);
        return;
    case IP_ICMP:
        if (ip->is_ipv4) {
            icmp_input(stack, chain, ip);
            return;
        }
        break;
    case IP_ICMPV6:
        if (!ip->is_ipv4) {
            icmpv6_input(stack, chain, ip);
            return;
        }
        break;
    default:
        break;
    }
    ip_refuse(stack, chain, ip);
}
