#include "net/arp.h"

#include "kernel/base/string.h"
#include "net/dhcp.h"
#include "net/ethernet.h"
#include "net/ip_state.h"

#define ARP_ANNOUNCE_COUNT       2u                 /* RFC 5227 §1.1 ANNOUNCE_NUM */
#define ARP_ANNOUNCE_INTERVAL_NS (2ull * NS_PER_S)  /* ANNOUNCE_INTERVAL */
#define ARP_DEFEND_INTERVAL_NS   (10ull * NS_PER_S) /* DEFEND_INTERVAL */

static void ipv4_to_bytes(uint32_t address, uint8_t out[4])
{
    struct be32 field = be32_make(address);
    memcpy(out, &field, sizeof(field));
}

static void arp_send(struct net_stack *stack, uint16_t operation,
                     const uint8_t link[ETHERNET_ADDRESS_BYTES],
                     const uint8_t target_hardware[ETHERNET_ADDRESS_BYTES], uint32_t target)
{
    struct net_packet *packet = net_packet_allocate(stack);
    if (packet == NULL) {
        IP_COUNT(stack, dropped_memory);
        return;
    }
    struct arp_packet *arp = (struct arp_packet *)(packet->header + packet->header_start);
    packet->header_length_bytes = sizeof(*arp);
    arp->hardware_type = be16_make(ARP_HARDWARE_ETHERNET);
    arp->protocol_type = be16_make(ETHERTYPE_IPV4);
    arp->hardware_length = ETHERNET_ADDRESS_BYTES;
    arp->protocol_length = 4;
    arp->operation = be16_make(operation);
    memcpy(arp->sender_hardware, stack->device->address, sizeof(arp->sender_hardware));
    ipv4_to_bytes(stack->ip->netif.ipv4, arp->sender_protocol);
    memcpy(arp->target_hardware, target_hardware, sizeof(arp->target_hardware));
    ipv4_to_bytes(target, arp->target_protocol);

    ethernet_push_header(stack, packet, ETHERTYPE_ARP);
    ethernet_set_destination(packet, link);
    ethernet_transmit(stack, packet);
}

void arp_request(struct net_stack *stack, uint32_t target,
                 const uint8_t link[ETHERNET_ADDRESS_BYTES])
{
    static const uint8_t unknown[ETHERNET_ADDRESS_BYTES];
    arp_send(stack, ARP_REQUEST, link != NULL ? link : ethernet_broadcast, unknown, target);
}

/* RFC 5227 §2.3: an announcement is a request whose sender and target address are ours. */
static void arp_announce_once(struct net_stack *stack)
{
    arp_request(stack, stack->ip->netif.ipv4, NULL);
}

static void arp_announce_fire(struct net_stack *stack, struct net_timer *timer)
{
    struct netif *netif = &stack->ip->netif;
    if (!netif->ipv4_valid || netif->arp_announces_left == 0) {
        return;
    }
    arp_announce_once(stack);
    if (--netif->arp_announces_left > 0) {
        net_timer_set(&stack->timers, timer, stack->now_ns + ARP_ANNOUNCE_INTERVAL_NS);
    }
}

void arp_announce(struct net_stack *stack)
{
    struct netif *netif = &stack->ip->netif;
    netif->arp_announces_left = ARP_ANNOUNCE_COUNT;
    netif->arp_announce_timer.fire = arp_announce_fire;
    arp_announce_fire(stack, &netif->arp_announce_timer);
}

/*
 * Another host uses our address. RFC 5227 §2.4(b): defend it with one announcement, but
 * not more often than the interval, so that two stubborn hosts cause no storm.
 */
static void arp_conflict(struct net_stack *stack)
{
    struct netif *netif = &stack->ip->netif;
    IP_COUNT(stack, address_conflicts);
    if (dhcp_conflict(stack)) {
        return;
    }
    if (netif->arp_defended_ns != 0 &&
        stack->now_ns - netif->arp_defended_ns < ARP_DEFEND_INTERVAL_NS) {
        return;
    }
    netif->arp_defended_ns = stack->now_ns;
    arp_announce_once(stack);
}

static bool arp_is_well_formed(const struct arp_packet *arp)
{
    static const uint8_t zero[ETHERNET_ADDRESS_BYTES];
    return be16_get(arp->hardware_type) == ARP_HARDWARE_ETHERNET &&
           be16_get(arp->protocol_type) == ETHERTYPE_IPV4 &&
           arp->hardware_length == ETHERNET_ADDRESS_BYTES && arp->protocol_length == 4 &&
           (arp->sender_hardware[0] & 1) == 0 &&
           memcmp(arp->sender_hardware, zero, sizeof(zero)) != 0;
}

/* RFC 826, "Packet Reception", with the sender checked against the link's prefix. */
static bool arp_process(struct net_stack *stack, const struct arp_packet *arp)
{
    const struct netif *netif = &stack->ip->netif;
    uint32_t sender = netif_ipv4_from_bytes(arp->sender_protocol);
    uint32_t target = netif_ipv4_from_bytes(arp->target_protocol);
    uint16_t operation = be16_get(arp->operation);

    if (!arp_is_well_formed(arp) || (operation != ARP_REQUEST && operation != ARP_REPLY)) {
        return false;
    }
    if (memcmp(arp->sender_hardware, stack->device->address, ETHERNET_ADDRESS_BYTES) == 0) {
        return false; /* Our own, reflected. */
    }
    if (!netif->ipv4_valid) {
        return true;
    }
    if (sender == netif->ipv4) {
        arp_conflict(stack);
        return true;
    }

    bool for_us = target == netif->ipv4;
    if (sender != 0) { /* 0.0.0.0 only probes (RFC 5227 §2.1.1). */
        bool on_link = ((sender ^ netif->ipv4) & netif->ipv4_mask) == 0;
        bool special =
            sender == 0xffffffffu || sender >> 28 == 0xe || sender >> 24 == 127 ||
            (netif->ipv4_prefix_length < 31 && sender == (netif->ipv4 | ~netif->ipv4_mask));
        if (special || (!on_link && sender != netif->ipv4_gateway)) {
            return false;
        }
        struct ip_address address = ip_address_from_ipv4(arp->sender_protocol);
        enum neighbour_news news = NEIGHBOUR_NEWS_HINT;
        if (operation == ARP_REPLY && for_us) {
            news = NEIGHBOUR_NEWS_CONFIRMED;
        } else if (sender == target) {
            news = NEIGHBOUR_NEWS_OVERRIDE; /* A gratuitous announcement. */
        }
        neighbour_learn(stack, &address, arp->sender_hardware, news,
                        for_us && operation == ARP_REQUEST);
    }
    if (operation == ARP_REQUEST && for_us) {
        arp_send(stack, ARP_REPLY, arp->sender_hardware, arp->sender_hardware, sender);
    }
    return true;
}

void arp_input(struct net_stack *stack, struct net_buffer *chain)
{
    uint32_t offset = sizeof(struct ethernet_header);
    if (!ip_chain_has(chain, offset, sizeof(struct arp_packet)) ||
        !arp_process(stack, (const struct arp_packet *)(chain->data + offset))) {
        IP_COUNT(stack, dropped_arp);
    }
    net_buffer_free(stack, chain);
}
