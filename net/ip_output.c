#include "net/ip_state.h"

#include "net/ethernet.h"
#include "net/ipv4.h"
#include "net/ipv6.h"
#include "net/loopback.h"

#define IP_DATAGRAM_BYTES_MAX 65535u

static void ip_drop_unroutable(struct net_stack *stack, struct net_packet *packet)
{
    IP_COUNT(stack, dropped_unroutable);
    packet->done(packet);
}

void ip_transmit_routed(struct net_stack *stack, struct ip_route *route, struct net_packet *packet)
{
    if (route->is_loopback) {
        loopback_transmit(stack, packet);
        return;
    }
    if (packet->checksum_partial && (stack->device->features & NETDEV_TX_CHECKSUM_BIT) == 0) {
        ip_checksum_packet(packet);
    }
    ethernet_push_header(stack, packet, route->is_ipv4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
    if (route->link_valid) {
        ethernet_set_destination(packet, route->link_destination);
        ethernet_transmit(stack, packet);
    } else {
        neighbour_transmit(stack, route, packet);
    }
}

void ip_transmit(struct net_stack *stack, struct ip_route *route, struct net_packet *packet,
                 enum ip_protocol protocol, enum ip_ecn ecn)
{
    if (route->generation != stack->route_generation && ip_route_refresh(stack, route) != ERR_OK) {
        ip_drop_unroutable(stack, packet);
        return;
    }
    uint32_t payload = ip_packet_payload_bytes(packet);
    uint32_t header = route->is_ipv4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);
    if (payload + header > IP_DATAGRAM_BYTES_MAX) {
        ip_drop_unroutable(stack, packet);
        return;
    }
    if (payload + header > route->mtu_bytes && packet->gso == NET_GSO_NONE) {
        /* TCP makes segments that fit; one in flight when the MTU shrank may be cut, too. */
        if (packet->checksum_partial) {
            ip_checksum_packet(packet);
        }
        ip_fragment_transmit(stack, route, packet, (uint8_t)protocol, (uint8_t)ecn);
        return;
    }
    if (route->is_ipv4) {
        ipv4_push_header(packet, route, (uint8_t)protocol, (uint8_t)ecn, payload);
    } else {
        ipv6_push_header(packet, route, (uint8_t)protocol, (uint8_t)ecn, payload);
    }
    ip_transmit_routed(stack, route, packet);
}
