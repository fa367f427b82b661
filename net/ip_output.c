#include "net/ip_state.h"

#include "kernel/base/inline.h"
#include "kernel/base/string.h"
#include "net/checksum.h"
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

static NEVER_INLINE void transmit_by_the_rules(struct net_stack *stack, struct ip_route *route,
                                               struct net_packet *packet, enum ip_protocol protocol,
                                               enum ip_ecn ecn)
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

/* Whether nothing about the way has to be found out, cut or computed. */
ALWAYS_INLINE bool is_direct(const struct net_stack *stack, const struct ip_route *route,
                             const struct net_packet *packet, uint32_t payload)
{
    uint32_t most = packet->gso == NET_GSO_NONE ? route->mtu_bytes : IP_DATAGRAM_BYTES_MAX;

    return route->generation == stack->route_generation && route->link_valid && route->is_ipv4 &&
           payload + sizeof(struct ipv4_header) <= most &&
           (!packet->checksum_partial || (stack->device->features & NETDEV_TX_CHECKSUM_BIT) != 0);
}

/* As ipv4_push_header and ethernet_push_header, in one piece. */
ALWAYS_INLINE void push_direct(const struct net_stack *stack, const struct ip_route *route,
                               struct net_packet *packet, uint32_t first, uint32_t third)
{
    const size_t header_bytes = sizeof(struct ethernet_header) + sizeof(struct ipv4_header);
    uint8_t *at = packet->header + packet->header_start - header_bytes;
    struct be16 type = be16_make(ETHERTYPE_IPV4);
    uint32_t words[5] = {first, __builtin_bswap32(IPV4_FRAGMENT_DONT_BIT), third};

    packet->header_start = (uint16_t)(packet->header_start - header_bytes);
    packet->header_length_bytes = (uint16_t)(packet->header_length_bytes + header_bytes);
    packet->checksum_start = (uint16_t)(packet->checksum_start + header_bytes);
    memcpy(at, route->link_destination, ETHERNET_ADDRESS_BYTES);
    memcpy(at + 6, stack->device->address, ETHERNET_ADDRESS_BYTES);
    memcpy(at + 12, &type, sizeof(type));
    memcpy(&words[3], ip_address_ipv4_bytes(&route->source), sizeof(words[3]));
    memcpy(&words[4], ip_address_ipv4_bytes(&route->destination), sizeof(words[4]));
    words[2] |= (uint32_t)(uint16_t)~checksum_fold_ipv4(words) << 16;
    memcpy(at + sizeof(struct ethernet_header), words, sizeof(words));
}

void ip_transmit_sized(struct net_stack *stack, struct ip_route *route, struct net_packet *packet,
                       enum ip_protocol protocol, enum ip_ecn ecn, uint32_t payload)
{
    if (is_direct(stack, route, packet, payload)) {
        uint32_t hops = route->hop_limit != 0 ? route->hop_limit : IP_DEFAULT_HOP_LIMIT;
        uint32_t total = __builtin_bswap16((uint16_t)(payload + sizeof(struct ipv4_header)));

        push_direct(stack, route, packet, IPV4_VERSION_WORDS_5 | (uint32_t)ecn << 8 | total << 16,
                    hops | (uint32_t)protocol << 8);
        ethernet_transmit(stack, packet);
    } else {
        transmit_by_the_rules(stack, route, packet, protocol, ecn);
    }
}

void ip_transmit(struct net_stack *stack, struct ip_route *route, struct net_packet *packet,
                 enum ip_protocol protocol, enum ip_ecn ecn)
{
    ip_transmit_sized(stack, route, packet, protocol, ecn, ip_packet_payload_bytes(packet));
}
