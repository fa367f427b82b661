#include "net/ethernet.h"

#include "kernel/base/string.h"
#include "net/arp.h"
#include "net/ip_state.h"
#include "net/ipv4.h"
#include "net/ipv6.h"

const uint8_t ethernet_broadcast[ETHERNET_ADDRESS_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* Two moves; a call of memcmp would look at six bytes. */
static bool is_address_equal(const uint8_t *left, const uint8_t *right)
{
    uint32_t first[2];
    uint16_t rest[2];

    memcpy(&first[0], left, sizeof(first[0]));
    memcpy(&first[1], right, sizeof(first[1]));
    memcpy(&rest[0], left + 4, sizeof(rest[0]));
    memcpy(&rest[1], right + 4, sizeof(rest[1]));
    return first[0] == first[1] && rest[0] == rest[1];
}

void ethernet_input(void *context, struct net_buffer *chain)
{
    struct net_stack *stack = context;
    struct ip_state *ip = stack->ip;

    ip->statistics.received_packets++;
    if (chain->length_bytes < sizeof(struct ethernet_header)) {
        goto drop;
    }

    const struct ethernet_header *header = (const struct ethernet_header *)chain->data;
    enum ip_arrival arrival = IP_ARRIVAL_UNICAST;
    if (header->destination[0] & 1) {
        arrival = IP_ARRIVAL_GROUP;
    } else if (!is_address_equal(header->destination, stack->device->address)) {
        goto drop;
    }

    switch (be16_get(header->type)) {
    case ETHERTYPE_IPV4:
        ipv4_input(stack, chain, sizeof(*header), arrival);
        return;
    case ETHERTYPE_IPV6:
        ipv6_input(stack, chain, sizeof(*header), arrival);
        return;
    case ETHERTYPE_ARP:
        arp_input(stack, chain);
        return;
    default:
        break;
    }
drop:
    IP_COUNT(stack, dropped_frame);
    net_buffer_free(stack, chain);
}

void ethernet_push_header(struct net_stack *stack, struct net_packet *packet, uint16_t type)
{
    packet->header_start = (uint16_t)(packet->header_start - sizeof(struct ethernet_header));
    packet->header_length_bytes =
        (uint16_t)(packet->header_length_bytes + sizeof(struct ethernet_header));
    packet->checksum_start = (uint16_t)(packet->checksum_start + sizeof(struct ethernet_header));

    struct ethernet_header *header =
        (struct ethernet_header *)(packet->header + packet->header_start);
    memcpy(header->source, stack->device->address, sizeof(header->source));
    header->type = be16_make(type);
}

void ethernet_set_destination(struct net_packet *packet, const uint8_t link[ETHERNET_ADDRESS_BYTES])
{
    memcpy(packet->header + packet->header_start, link, ETHERNET_ADDRESS_BYTES);
}

void ethernet_transmit(struct net_stack *stack, struct net_packet *packet)
{
    struct ip_packet_queue *backlog = &stack->ip->backlog;

    stack->ip->statistics.sent_packets++;
    stack->device_dirty = true;
    /* What came first goes first: nothing overtakes the backlog. */
    if (backlog->count == 0 && stack->device->ops->transmit(stack->device, packet) != ERR_AGAIN) {
        return;
    }
    if (backlog->count >= IP_BACKLOG_PACKETS_MAX) {
        IP_COUNT(stack, dropped_backlog);
        packet->done(packet);
        return;
    }
    ip_queue_push(backlog, packet);
    stack->transmit_blocked = true;
}

bool ethernet_flush_backlog(struct net_stack *stack)
{
    struct ip_packet_queue *backlog = &stack->ip->backlog;
    bool any = false;

    while (backlog->first != NULL) {
        struct net_packet *packet = ip_queue_pop(backlog);
        if (stack->device->ops->transmit(stack->device, packet) == ERR_AGAIN) {
            packet->next = backlog->first;
            backlog->first = packet;
            if (backlog->last == NULL) {
                backlog->last = packet;
            }
            backlog->count++;
            break;
        }
        stack->device_dirty = true;
        any = true;
    }
    stack->transmit_blocked = backlog->count > 0;
    return any;
}

void ethernet_group_address(const struct ip_address *group, uint8_t out[ETHERNET_ADDRESS_BYTES])
{
    const uint8_t *bytes = ip_address_bytes(group);
    if (!ip_address_is_ipv4(group)) {
        out[0] = 0x33;
        out[1] = 0x33;
        memcpy(out + 2, bytes + 12, 4);
        return;
    }
    if ((bytes[12] & 0xf0) != 0xe0) {
        memcpy(out, ethernet_broadcast, ETHERNET_ADDRESS_BYTES);
        return;
    }
    out[0] = 0x01;
    out[1] = 0x00;
    out[2] = 0x5e;
    out[3] = bytes[13] & 0x7f;
    out[4] = bytes[14];
    out[5] = bytes[15];
}
